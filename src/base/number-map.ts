/** Numbers that share a page: a page with only one of them takes 150 bytes, a full one 19 for each. */
const pageNumbers = 8;
/** Each page begins as a copy of it. */
const emptyPage = new Array<undefined>(pageNumbers).fill(undefined);

/**
 * Values by the number of a message, or of a call. Numbers are given in order and most messages and calls end soon, so
 * the live ones lie close together: pages of them take less memory, and less time, than a Map with an entry for each.
 * The page of the highest numbers stays when it is empty, since the next number is nearly always in it.
 *
 * A Map whose entries come and go is also costly for the garbage collector. It moves to another table again and again,
 * and each table that it left still has its entries of then, and the next table. Once one of them is in the old
 * generation, V8 keeps all that were there since, with all values that they ever had, until it collects that as well.
 * A page that is left has no values any more.
 */
export class NumberMap<Value> {
  readonly #pages = new Map<number, (Value | undefined)[]>();
  /** The page that was found last: most calls in a row are for the same number, or for the next one. */
  #lastKey = -1;
  #lastPage: (Value | undefined)[] | undefined;
  /** The highest key that a page ever had: one above it needs no look-up. Most new numbers need a new page there. */
  #highestKey = -1;
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
    const page = this.#page(key) ?? this.#addPage(key);
    if (page[number % pageNumbers] === undefined) this.#size++;
    page[number % pageNumbers] = value;
  }

  delete(number: number): void {
    const key = Math.floor(number / pageNumbers);
    const page = this.#page(key);
    if (page?.[number % pageNumbers] === undefined) return;
    this.#size--;
    page[number % pageNumbers] = undefined;
    if (key === this.#highestKey || !isEmpty(page)) return;
    this.#pages.delete(key);
    this.#lastPage = undefined;
  }

  clear(): void {
    this.#pages.clear();
    this.#lastKey = this.#highestKey = -1;
    this.#lastPage = undefined;
    this.#size = 0;
  }

  /** In ascending order if they were set in that order. Values may be deleted meanwhile. */
  *values(): IterableIterator<Value> {
    for (const page of this.#pages.values()) {
      for (const value of page) if (value !== undefined) yield value;
    }
  }

  #addPage(key: number): (Value | undefined)[] {
    const page: (Value | undefined)[] = emptyPage.slice();
    this.#pages.set(key, page);
    this.#lastKey = key;
    this.#lastPage = page;
    if (key < this.#highestKey) return page;
    const before = this.#pages.get(this.#highestKey);
    if (before && isEmpty(before)) this.#pages.delete(this.#highestKey);
    this.#highestKey = key;
    return page;
  }

  #page(key: number): (Value | undefined)[] | undefined {
    if (key === this.#lastKey) return this.#lastPage;
    if (key > this.#highestKey) return undefined;
    this.#lastKey = key;
    this.#lastPage = this.#pages.get(key);
    return this.#lastPage;
  }
}

function isEmpty(page: readonly unknown[]): boolean {
  return page.every((value) => value === undefined);
}
