import { placeIn } from './sorted-numbers.ts';

/** Most numbers of a chunk: moving them costs less than finding them in a tree. */
const chunkMax = 512;
/** To remove that many together from the front of a chunk costs little more than to remove one. */
const takenMax = 64;

/**
 * Numbers of messages in ascending order: mostly added at the end and taken from the front. They lie in chunks, so
 * adding or deleting one anywhere moves at most a chunk.
 */
export class NumberQueue {
  /** None is empty, and the numbers of each are below those of the next. */
  #chunks: number[][] = [];
  /** As many at the front of the first chunk were deleted, and are still in it: dropTaken() removes them. */
  #taken = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): number | undefined {
    return this.#chunks[0]?.[this.#taken];
  }

  add(number: number): void {
    const { length } = this.#chunks;
    // Many queues get one number at a time. A look at the index -1 would take V8 longer than all else here, and a push to
    // an empty list would make room for 17.
    if (length === 0) {
      this.#chunks = [[number]];
      this.#size++;
      return;
    }
    const last = this.#chunks[length - 1] as number[];
    // Nearly every number is above all others.
    if (last.length < chunkMax && (last[last.length - 1] as number) < number) {
      last.push(number);
      this.#size++;
      return;
    }
    this.#dropTaken();
    const at = Math.min(this.#chunkOf(number), length - 1);
    const chunk = this.#chunks[at] as number[];
    const index = placeIn(chunk, number);
    if (chunk[index] === number) return;
    this.#size++;
    if (index === chunkMax) this.#chunks.push([number]);
    else {
      chunk.splice(index, 0, number);
      if (chunk.length > chunkMax) this.#chunks.splice(at + 1, 0, chunk.splice(chunkMax / 2));
    }
  }

  delete(number: number): void {
    // Nearly always the first number is deleted.
    if (this.first === number) return this.#takeFirst();
    this.#dropTaken();
    const at = this.#chunkOf(number);
    const chunk = this.#chunks[at];
    const index = chunk ? placeIn(chunk, number) : 0;
    if (chunk?.[index] !== number) return;
    this.#size--;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    else if (chunk.length < chunkMax / 4) this.#mergeWithNext(at, chunk);
  }

  /** The first numbers above `after`, at most `max`. */
  above(after: number, max: number): number[] {
    this.#dropTaken();
    const numbers: number[] = [];
    for (let at = this.#chunkOf(after + 1); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] as number[];
      const index = numbers.length === 0 ? placeIn(chunk, after + 1) : 0;
      for (const number of chunk.slice(index, index + max - numbers.length)) numbers.push(number);
      if (numbers.length === max) break;
    }
    return numbers;
  }

  /** The number before the last `skipped` ones. */
  fromEnd(skipped: number): number | undefined {
    if (skipped >= this.#size) return undefined;
    let left = skipped;
    for (let at = this.#chunks.length - 1; at >= 0; at--) {
      const chunk = this.#chunks[at] as number[];
      if (left < chunk.length) return chunk[chunk.length - 1 - left];
      left -= chunk.length;
    }
    return undefined;
  }

  countAbove(after: number): number {
    const at = this.#chunkOf(after + 1);
    const chunk = this.#chunks[at];
    let count = chunk ? chunk.length - placeIn(chunk, after + 1) : 0;
    for (let behind = at + 1; behind < this.#chunks.length; behind++) {
      count += this.#chunks[behind]?.length ?? 0;
    }
    // Those that were taken are the lowest, so they were counted only if all others are above as well.
    return Math.min(count, this.#size);
  }

  #takeFirst(): void {
    this.#size--;
    this.#taken++;
    if (this.#taken === this.#chunks[0]?.length) {
      this.#chunks.shift();
      this.#taken = 0;
    } else if (this.#taken === takenMax) this.#dropTaken();
  }

  #dropTaken(): void {
    if (this.#taken > 0) this.#chunks[0]?.splice(0, this.#taken);
    this.#taken = 0;
  }

  /** Otherwise a queue that keeps one number of each chunk would have as many chunks as numbers. */
  #mergeWithNext(at: number, chunk: number[]): void {
    const next = this.#chunks[at + 1];
    if (!next || chunk.length + next.length > chunkMax / 2) return;
    chunk.push(...next);
    this.#chunks.splice(at + 1, 1);
  }

  /** The index of the first chunk that has a number that is not smaller. */
  #chunkOf(number: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.at(-1) as number) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
