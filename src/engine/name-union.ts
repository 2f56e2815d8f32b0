import type { Name } from '../model/message.ts';
import type { NameMap } from './name-map.ts';

/** Counts the names that at least one of several maps has. Each map of the union reports what it adds and removes. */
export class NameUnion {
  readonly #members: Pick<NameMap<unknown>, 'has'>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The map, which is empty, becomes part of the union. */
  join(member: Pick<NameMap<unknown>, 'has'>): void {
    this.#members.push(member);
  }

  /** A map calls it before it has the name. */
  adding(name: Name): void {
    if (!this.#has(name)) this.#size++;
  }

  /** A map calls it once it has the name no more. */
  removed(name: Name): void {
    if (!this.#has(name)) this.#size--;
  }

  #has(name: Name): boolean {
    return this.#members.some((member) => member.has(name));
  }
}
