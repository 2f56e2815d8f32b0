/** Numbers that share a page: a page with only one of them takes 150 bytes, a full one 19 for each. */
const pageNumbers = 8;

/**
 * Values by the number of a message. Numbers are given in order and most messages end soon, so the live ones lie close
 * together: pages of them take less memory, and less time, than a Map with an entry for each.
 */
export class NumberMap<Value> {
  readonly #pages = new Map<number, (Value | undefined)[]>();
  /** The page that was looked up last: numbers come mostly one after the other. */
  #lastKey = -1;
  #last: (Value | undefined)[] | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): Value | undefined {
    return this.#page(Math.floor(number / pageNumbers))?.[number % pageNumbers];
  }

  has(number: number): boolean {
    return this.get(number) !== undefined;
  }

  set(number: number, value: Value): void {
    const key = Math.floor(number / pageNumbers);
    let page = this.#page(key);
    if (!page) {
      page = new Array<Value | undefined>(pageNumbers).fill(undefined);
      this.#pages.set(key, page);
      this.#last = page;
    }
    if (page[number % pageNumbers] === undefined) this.#size++;
    page[number % pageNumbers] = value;
  }

  delete(number: number): void {
    const key = Math.floor(number / pageNumbers);
    const page = this.#page(key);
    if (page?.[number % pageNumbers] === undefined) return;
    this.#size--;
    page[number % pageNumbers] = undefined;
    if (!page.every((value) => value === undefined)) return;
    this.#pages.delete(key);
    this.#last = undefined;
  }

  #page(key: number): (Value | undefined)[] | undefined {
    if (key === this.#lastKey) return this.#last;
    this.#lastKey = key;
    this.#last = this.#pages.get(key);
    return this.#last;
  }
}
