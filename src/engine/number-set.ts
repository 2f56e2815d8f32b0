const pageNumbers = 32_768;

/**
 * A set of message numbers, one bit each. They are given out in order, so there are few pages. A Set would be
 * 200 times as large, and has no room for more than 2^24 of them.
 */
export class NumberSet {
  readonly #pages = new Map<number, Uint8Array>();

  add(number: number): void {
    const { page, index, bit } = placeOf(number);
    const bits = this.#pages.get(page) ?? new Uint8Array(pageNumbers / 8);
    this.#pages.set(page, bits);
    bits[index] = (bits[index] ?? 0) | bit;
  }

  has(number: number): boolean {
    if (this.#pages.size === 0) return false;
    const { page, index, bit } = placeOf(number);
    return ((this.#pages.get(page)?.[index] ?? 0) & bit) !== 0;
  }
}

function placeOf(number: number): { page: number; index: number; bit: number } {
  const place = number % pageNumbers;
  return { page: Math.floor(number / pageNumbers), index: place >> 3, bit: 1 << (place & 7) };
}
