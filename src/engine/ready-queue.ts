// The message numbers of one mailbox that can be delivered, in ascending order.

/** Numbers in ascending order; taken from the front, added mostly at the back. */
export class ReadyQueue {
  #numbers: number[] = [];
  /** Everything before this place was taken; cut off when it outweighs the rest. */
  #start = 0;

  get size(): number {
    return this.#numbers.length - this.#start;
  }

  get first(): number | undefined {
    return this.#numbers[this.#start];
  }

  add(number: number): void {
    const place = this.#placeOf(number);
    if (this.#numbers[place] === number) return;
    if (place === this.#start && this.#start > 0) this.#numbers[--this.#start] = number;
    else this.#numbers.splice(place, 0, number);
  }

  delete(number: number): void {
    const place = this.#placeOf(number);
    if (this.#numbers[place] !== number) return;
    if (place === this.#start) this.#start++;
    else this.#numbers.splice(place, 1);
    if (this.#start > 1_024 && this.#start * 2 > this.#numbers.length) {
      this.#numbers = this.#numbers.slice(this.#start);
      this.#start = 0;
    }
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let place = this.#start; place < this.#numbers.length; place++) {
      yield this.#numbers[place] as number;
    }
  }

  /** The place of the first number that is not smaller. */
  #placeOf(number: number): number {
    let low = this.#start;
    let high = this.#numbers.length;
    if (high > low && (this.#numbers[high - 1] as number) < number) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#numbers[middle] as number) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
