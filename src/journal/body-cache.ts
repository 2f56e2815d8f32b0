import { NumberQueue } from '../base/number-queue.ts';

/** Bodies in memory, by message number, up to a number of bytes; the lowest number is evicted first. */
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
    this.#bodies.set(number, owned(body));
    this.#numbers.add(number);
    this.#bytes += body.length;
    while (this.#bytes > this.#bytesMax) this.delete(this.#numbers.first as number);
  }

  delete(number: number): void {
    this.#bytes -= this.#bodies.get(number)?.length ?? 0;
    this.#bodies.delete(number);
    this.#numbers.delete(number);
  }
}

/** A small body is a view of the chunk that it was received in, and would keep the whole chunk in memory. */
function owned(body: Buffer): Buffer {
  return body.length * 2 >= body.buffer.byteLength ? body : Buffer.from(body);
}
