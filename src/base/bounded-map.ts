/** A Map of at most `sizeMax` entries that evicts its oldest. Setting a key makes it the newest. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  readonly #sizeMax: number;
  /** Goes on behind the entry that was evicted last: a new one would pass the places of all that were evicted. */
  readonly #oldestFirst = this.keys();

  constructor(sizeMax: number) {
    super();
    this.#sizeMax = sizeMax;
  }

  override set(key: Key, value: Value): this {
    this.delete(key);
    super.set(key, value);
    if (this.size > this.#sizeMax) this.delete(this.#oldestFirst.next().value as Key);
    return this;
  }
}
