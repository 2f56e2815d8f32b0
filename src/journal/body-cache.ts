/** Bodies in memory, by message number, up to a number of bytes; the oldest is evicted first. */
export class BodyCache {
  readonly #bytesMax: number;
  readonly #bodies = new Map<number, Buffer>();
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
    this.#bytes += body.length;
    for (const oldest of this.#bodies.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.delete(oldest);
    }
  }

  delete(number: number): void {
    this.#bytes -= this.#bodies.get(number)?.length ?? 0;
    this.#bodies.delete(number);
  }
}

/** A small body is a view of the chunk that it was received in, and would keep the whole chunk in memory. */
function owned(body: Buffer): Buffer {
  return body.length * 2 >= body.buffer.byteLength ? body : Buffer.from(body);
}
