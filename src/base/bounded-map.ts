import { OldestKeys } from './oldest-keys.ts';

/** A Map of at most `sizeMax` entries that evicts its oldest. Setting a key makes it the newest. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  readonly #sizeMax: number;
  readonly #oldest = new OldestKeys(this);

  constructor(sizeMax: number) {
    super();
    this.#sizeMax = sizeMax;
  }

  override set(key: Key, value: Value): this {
    this.delete(key);
    super.set(key, value);
    const oldest = this.#oldest.added(this.#sizeMax);
    if (oldest !== undefined) this.delete(oldest);
    return this;
  }
}
