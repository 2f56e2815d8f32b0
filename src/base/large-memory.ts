// Memory for large bodies, which is used again. V8 collects garbage by the bytes of buffers since the last time, so
// memory of its own for each body of 1 MB would make it walk the whole heap after every tenth of them.
//
// 1. The frame decoder takes memory for a large frame.
// 2. A component that keeps the body beyond the call that passed it holds it, and releases it when it is done: the body
//    cache until it drops the body, a delivery until the kernel has copied it.
// 3. When the last holder has released it, the memory is spare: the next large frame is received into it.
// 4. A body that was never held, or that a holder does not release, is left to garbage collection. So a holder that
//    cannot say when it is done, such as an event that followers read, holds the body and never releases it.
// A body in other memory, such as one that was read from disk, may be held and released, too, without effect.
// Two others have such memory as well, apart from that of bodies: files of history that are read as a whole, and the
// copies that a program's posts make of large bodies, which are released when the posts are stored.
import assert from 'node:assert/strict';
import { spareMemoryBytesMax } from './limits.ts';

/** Shorter ones are received into memory of their own. */
export const largeBytesMin = 256 * 1024;
/** The length of memory of bodies is a multiple of this, so that it fits other bodies of about the same length. */
const bodyStepBytes = 64 * 1024;
/** Files differ more: a segment ends with the posts of a turn. The pages behind the end of a file are not touched. */
const fileStepShare = 1 / 4;
/** For the posts that most programs have in flight. */
const postMemoryBytesMax = 8 * 1024 * 1024;

interface LargeMemoryOptions {
  /** The length of memory for so many bytes is a multiple of this. */
  readonly stepOf?: (bytes: number) => number;
  /** Sum of what is spare. */
  readonly spareBytesMax?: number;
}

export class LargeMemory {
  /** How many holders each memory in use has. */
  readonly #holders = new WeakMap<ArrayBufferLike, number>();
  readonly #spare: ArrayBufferLike[] = [];
  #spareBytes = 0;
  /** The least number of spares since the last surplus(). */
  #unusedCount = 0;
  readonly #stepOf: (bytes: number) => number;
  readonly #spareBytesMax: number;

  constructor({
    stepOf = () => bodyStepBytes,
    spareBytesMax = spareMemoryBytesMax,
  }: LargeMemoryOptions = {}) {
    this.#stepOf = stepOf;
    this.#spareBytesMax = spareBytesMax;
  }

  /** Uninitialised, like Buffer.allocUnsafeSlow(). */
  take(bytes: number): Buffer {
    if (bytes < largeBytesMin) return Buffer.allocUnsafeSlow(bytes);
    const stepBytes = this.#stepOf(bytes);
    const memoryBytes = Math.ceil(bytes / stepBytes) * stepBytes;
    // The one that was released last is the most likely to be in the cache of the processor.
    const at = this.#spare.findLastIndex(({ byteLength }) => byteLength === memoryBytes);
    const memory = this.#takeSpare(at) ?? Buffer.allocUnsafeSlow(memoryBytes).buffer;
    this.#holders.set(memory, 0);
    return Buffer.from(memory, 0, bytes);
  }

  hold({ buffer }: Buffer): void {
    const holders = this.#holders.get(buffer);
    if (holders !== undefined) this.#holders.set(buffer, holders + 1);
  }

  /** The caller, which held it, does not use it any more. */
  release({ buffer }: Buffer): void {
    const holders = this.#holders.get(buffer);
    if (holders === undefined) return;
    assert(holders > 0, 'it was held before');
    if (holders > 1) {
      this.#holders.set(buffer, holders - 1);
      return;
    }
    this.#holders.delete(buffer);
    if (this.#spareBytes + buffer.byteLength > this.#spareBytesMax) return;
    this.#spare.push(buffer);
    this.#spareBytes += buffer.byteLength;
  }

  /** Gives away the memory that was spare ever since the last call. */
  surplus(): Buffer[] {
    const unused = this.#giveAway(this.#unusedCount);
    this.#unusedCount = this.#spare.length;
    return unused;
  }

  /** Gives away all spare memory. */
  spares(): Buffer[] {
    this.#unusedCount = 0;
    return this.#giveAway(this.#spare.length);
  }

  /** Those that were released longest ago. */
  #giveAway(count: number): Buffer[] {
    const given = this.#spare.splice(0, count);
    for (const { byteLength } of given) this.#spareBytes -= byteLength;
    return given.map((memory) => Buffer.from(memory));
  }

  #takeSpare(at: number): ArrayBufferLike | undefined {
    const [memory] = at === -1 ? [] : this.#spare.splice(at, 1);
    this.#spareBytes -= memory?.byteLength ?? 0;
    this.#unusedCount = Math.min(this.#unusedCount, this.#spare.length);
    return memory;
  }
}

/** The memory of bodies: one for this process. */
export const largeMemory = new LargeMemory();
/** The memory of files that are read as a whole: they are so long that a few of them would leave no room for bodies. */
export const fileMemory = new LargeMemory({
  stepOf: (bytes) => 2 ** Math.floor(Math.log2(bytes)) * fileStepShare,
});
/** The memory of bodies that a program posts. Little is spare, since no upkeep frees it in a process without a broker. */
export const postMemory = new LargeMemory({ spareBytesMax: postMemoryBytesMax });
