/** The numbers of a mailbox's ready messages, in ascending order: taken from the front, mostly added at the back. */
export class ReadyQueue {
  #numbers: number[] = [];
  /** Items before this index have been taken. They are cut off when there are more of them than of others. */
  #start = 0;

  get size(): number {
    return this.#numbers.length - this.#start;
  }

  get first(): number | undefined {
    return this.#numbers[this.#start];
  }

  add(number: number): void {
    const index = this.#indexOf(number);
    if (this.#numbers[index] === number) return;
    if (index === this.#start && this.#start > 0) this.#numbers[--this.#start] = number;
    else this.#numbers.splice(index, 0, number);
  }

  delete(number: number): void {
    const index = this.#indexOf(number);
    if (this.#numbers[index] !== number) return;
    if (index === this.#start) this.#start++;
    else this.#numbers.splice(index, 1);
    if (this.#start > 1_024 && this.#start * 2 > this.#numbers.length) {
      this.#numbers = this.#numbers.slice(this.#start);
      this.#start = 0;
    }
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let index = this.#start; index < this.#numbers.length; index++) {
      yield this.#numbers[index] as number;
    }
  }

  /** The first numbers above `after`, at most `max`. */
  above(after: number, max: number): number[] {
    const index = this.#indexOf(after + 1);
    return this.#numbers.slice(index, index + max);
  }

  countAbove(after: number): number {
    return this.#numbers.length - this.#indexOf(after + 1);
  }

  /** The index of the first number that is not smaller. */
  #indexOf(number: number): number {
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
