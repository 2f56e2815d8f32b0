import type { Name } from '../model/message.ts';
import type { NameMap } from './name-map.ts';

/** How many names at least one of several places has. Each place says which names it adds, and which it has removed. */
export class NameUnion {
  readonly #places: Pick<NameMap<unknown>, 'has'>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Returns the union, with a place more, which is empty. */
  join(place: Pick<NameMap<unknown>, 'has'>): this {
    this.#places.push(place);
    return this;
  }

  /** Before a place has the name. */
  adding(name: Name): void {
    if (!this.#has(name)) this.#size++;
  }

  /** Once that place has it no more. */
  removed(name: Name): void {
    if (!this.#has(name)) this.#size--;
  }

  #has(name: Name): boolean {
    return this.#places.some((place) => place.has(name));
  }
}
