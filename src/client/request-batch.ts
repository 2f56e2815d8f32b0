// The requests of one turn that are not written yet. They are encoded into one buffer: one for each would cost more than
// its bytes.
import { addRequest, type RequestToSend } from '../protocol/codec.ts';
import { FrameBatch } from '../protocol/frame.ts';

/**
 * With as many requests or bytes the batch is written before the turn ends: the broker works on it while the turn goes
 * on. With fewer, the system calls cost more than is gained.
 */
const requestsMax = 64;
const bytesMax = 16 * 1024;

export class RequestBatch {
  readonly #frames = new FrameBatch();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= requestsMax || this.#frames.length >= bytesMax;
  }

  add(request: RequestToSend): void {
    addRequest(this.#frames, request);
    this.#size++;
  }

  /** Returns the frames, and empties the batch. */
  take(): Buffer[] {
    this.#size = 0;
    return this.#frames.take();
  }
}
