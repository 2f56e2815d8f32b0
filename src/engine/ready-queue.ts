// Two small orders that the engine keeps: message numbers of one mailbox, and deadlines.

/** Numbers in ascending order; taken from the front, added mostly at the back. */
export class SortedNumbers {
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

export interface Timed {
  /** Milliseconds on the engine's clock. */
  readonly deadline: number;
  /** Its place in the heap, kept by Deadlines. */
  place: number;
}

/** A binary heap that knows where each item is, so that a cancelled one leaves at once. */
export class Deadlines<Item extends Timed> {
  readonly #heap: Item[] = [];

  get first(): Item | undefined {
    return this.#heap[0];
  }

  add(item: Item): void {
    item.place = this.#heap.length;
    this.#heap.push(item);
    this.#up(item);
  }

  delete(item: Item): void {
    const last = this.#heap.pop() as Item;
    if (last === item) return;
    this.#put(last, item.place);
    this.#up(last);
    this.#down(last);
  }

  #put(item: Item, place: number): void {
    this.#heap[place] = item;
    item.place = place;
  }

  #up(item: Item): void {
    while (item.place > 0) {
      const parent = this.#heap[(item.place - 1) >>> 1] as Item;
      if (parent.deadline <= item.deadline) return;
      const { place } = parent;
      this.#put(parent, item.place);
      this.#put(item, place);
    }
  }

  #down(item: Item): void {
    for (;;) {
      const left = this.#heap[item.place * 2 + 1];
      const right = this.#heap[item.place * 2 + 2];
      const child = right && left && right.deadline < left.deadline ? right : left;
      if (!child || child.deadline >= item.deadline) return;
      const { place } = child;
      this.#put(child, item.place);
      this.#put(item, place);
    }
  }
}
