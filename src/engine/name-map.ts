import type { Name } from '../model/message.ts';
import type { NameUnion } from './name-union.ts';

/** Most names in the young map. V8 keeps about as many deleted entries. */
const youngMax = 64;

/**
 * A Map by name, in which a name may come and go with each message. A Map of V8 keeps what was deleted until its table
 * is full, and has to pass all that it has kept of a name to find that the name is not there: 16 us beside 10,000 other
 * names, and 0.7 us beside 64. So names are in a small Map first, and those that stay move on. The order is that of a
 * Map.
 */
export class NameMap<Value> {
  readonly #young = new Map<Name, Value>();
  /** All were added before those in #young. */
  readonly #old = new Map<Name, Value>();
  readonly #names: NameUnion | undefined;

  /** `names` also counts the names of this map. */
  constructor(names?: NameUnion) {
    this.#names = names;
    names?.join(this);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  has(name: Name): boolean {
    return this.#young.has(name) || this.#old.has(name);
  }

  get(name: Name): Value | undefined {
    return this.#young.get(name) ?? this.#old.get(name);
  }

  set(name: Name, value: Value): void {
    this.#names?.adding(name);
    if (this.#old.has(name)) this.#old.set(name, value);
    else this.#young.set(name, value);
    if (this.#young.size > youngMax) this.#moveOldest();
  }

  delete(name: Name): void {
    if (this.#young.delete(name) || this.#old.delete(name)) this.#names?.removed(name);
  }

  *keys(): IterableIterator<Name> {
    yield* this.#old.keys();
    yield* this.#young.keys();
  }

  *entries(): IterableIterator<[Name, Value]> {
    yield* this.#old;
    yield* this.#young;
  }

  #moveOldest(): void {
    for (const [name, value] of this.#young) {
      this.#young.delete(name);
      this.#old.set(name, value);
      return;
    }
  }
}
