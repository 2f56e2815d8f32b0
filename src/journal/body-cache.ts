// Bodies in memory: not one by one, but as the bytes of the log that were written together. So a message costs the
// cache nothing but a count. Bytes stay until no message in them is live, or until newer ones take their place.
import { largeMemory } from '../base/large-memory.ts';
import { bodyCacheEntryBytes } from '../base/limits.ts';
import { ownBytes } from '../base/own-bytes.ts';
import { bodyBytesAt } from './record-framing.ts';

/** Where a record lies in its file. */
interface RecordRange {
  readonly offset: number;
  readonly bytes: number;
}

/** One buffer of those that were written: records with their bodies, or one large body. */
export class WrittenBytes {
  readonly #cache: BodyCache;
  /** Where it begins in the file. */
  readonly #offset: number;
  /** undefined when it is not in the cache any more. */
  bytes: Buffer | undefined;
  /** Live messages whose bodies lie in it. */
  #live = 0;

  constructor(cache: BodyCache, bytes: Buffer, offset: number) {
    this.#cache = cache;
    this.#offset = offset;
    this.bytes = bytes;
  }

  /** A message whose body lies in it becomes live. */
  enter(): void {
    this.#live++;
  }

  leave(): void {
    this.#live--;
    if (this.#live === 0) this.#cache.drop(this);
  }

  /** The body of the record in this range. */
  bodyOf({ offset, bytes }: RecordRange): Buffer | undefined {
    const begin = offset - this.#offset;
    if (!this.bytes) return undefined;
    // A large body lies in a buffer of its own, behind the rest of its record.
    if (begin < 0) return this.bytes;
    const end = begin + bytes;
    return this.bytes.subarray(end - bodyBytesAt(this.bytes, begin), end);
  }
}

export class BodyCache {
  readonly #bytesMax: number;
  /** In the order in which they were written, with some that were dropped. */
  #written: WrittenBytes[] = [];
  #dropped = 0;
  /** All before it were dropped. */
  #first = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** `offset`: where they were written in the file. */
  add(bytes: Buffer, offset: number): WrittenBytes {
    const own = ownBytes(bytes);
    const written = new WrittenBytes(this, own, offset);
    largeMemory.hold(own);
    this.#written.push(written);
    this.#bytes += memoryOf(written);
    while (this.#bytes > this.#bytesMax) this.drop(this.#written[this.#first++] as WrittenBytes);
    if (this.#dropped * 2 > this.#written.length) {
      this.#written = this.#written.filter((each) => each.bytes !== undefined);
      this.#dropped = this.#first = 0;
    }
    return written;
  }

  drop(written: WrittenBytes): void {
    if (!written.bytes) return;
    this.#bytes -= memoryOf(written);
    this.#dropped++;
    largeMemory.release(written.bytes);
    written.bytes = undefined;
  }
}

function memoryOf({ bytes }: WrittenBytes): number {
  return bytes ? bodyCacheEntryBytes + bytes.buffer.byteLength : 0;
}
