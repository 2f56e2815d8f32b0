/**
 * The oldest keys of a Map, for an owner that evicts them. A new iterator for each would pass the places of all entries
 * that are gone. One that is kept makes V8 keep every table that the map has left since its last step, with all that was
 * in it: so it is kept only while each addition evicts.
 */
export class OldestKeys<Key> {
  readonly #map: ReadonlyMap<Key, unknown>;
  #keys: Iterator<Key> | undefined;

  constructor(map: ReadonlyMap<Key, unknown>) {
    this.#map = map;
  }

  /** An entry was added. Returns the key of the oldest one if there are more than `sizeMax`: its owner deletes that. */
  added(sizeMax: number): Key | undefined {
    if (this.#map.size > sizeMax) return this.next();
    this.addedWithin();
    return undefined;
  }

  /** An entry was added, and none is evicted. */
  addedWithin(): void {
    this.#keys = undefined;
  }

  /** The key of the oldest entry, which its owner deletes. */
  next(): Key | undefined {
    this.#keys ??= this.#map.keys();
    return this.#keys.next().value;
  }
}
