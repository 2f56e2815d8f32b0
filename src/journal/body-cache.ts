import { bodyCacheEntryBytes } from '../base/limits.ts';
import { NumberQueue } from '../base/number-queue.ts';
import { ownBytes } from '../base/own-bytes.ts';

/** Bodies by message number, which take a limited number of bytes of memory; the lowest number is evicted first. */
export class BodyCache {
  readonly #bytesMax: number;
  readonly #bodies = new Map<number, Buffer>();
  /** A Map walks over the places of all entries that were deleted before its first one. */
  readonly #numbers = new NumberQueue();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(number: number): Buffer | undefined {
    return this.#bodies.get(number);
  }

  add(number: number, body: Buffer): void {
    this.delete(number);
    this.#bodies.set(number, ownBytes(body));
    this.#numbers.add(number);
    this.#bytes += bodyCacheEntryBytes + body.length;
    while (this.#bytes > this.#bytesMax) this.delete(this.#numbers.first as number);
  }

  delete(number: number): void {
    const body = this.#bodies.get(number);
    if (!body) return;
    this.#bytes -= bodyCacheEntryBytes + body.length;
    this.#bodies.delete(number);
    this.#numbers.delete(number);
  }
}
