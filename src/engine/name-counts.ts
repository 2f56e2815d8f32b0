import type { Name } from '../model/message.ts';

/** Counts names that come from several places: each place adds a name once, and removes it when it has it no more. */
export class NameCounts {
  readonly #places = new Map<Name, number>();

  /** How many names at least one place has. */
  get size(): number {
    return this.#places.size;
  }

  add(name: Name): void {
    this.#places.set(name, (this.#places.get(name) ?? 0) + 1);
  }

  remove(name: Name): void {
    const places = (this.#places.get(name) ?? 0) - 1;
    if (places > 0) this.#places.set(name, places);
    else this.#places.delete(name);
  }
}
