// A segment that is being written: records one after the other, and zeros written out ahead of them,
// so that most writes change neither the file's length nor the disk's free space.
import { IpcError } from '../core/errors.ts';
import type { Disk, DiskFile } from './disk.ts';
import { type Seed, type SegmentId, segmentSeed } from './framing.ts';

/** Zeros written out ahead, in bytes: with the segment, and each time that it has outgrown them. */
export interface SegmentRoom {
  readonly segmentReserveBytes: number;
  readonly segmentGrowthBytes: number;
}

export class SegmentWriter {
  readonly id: SegmentId;
  readonly seed: Seed;
  readonly #file: DiskFile;
  readonly #growthBytes: number;
  #usedBytes = 0;
  /** The file's length. */
  #allocatedBytes = 0;

  /** `opening` is written last: when this throws, it is not whole in the file. */
  constructor(
    disk: Disk,
    path: string,
    id: SegmentId,
    opening: readonly Buffer[],
    { segmentReserveBytes, segmentGrowthBytes }: SegmentRoom,
  ) {
    this.id = id;
    this.seed = segmentSeed(id);
    this.#growthBytes = segmentGrowthBytes;
    this.#file = disk.create(path);
    try {
      this.#write(opening, segmentReserveBytes);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Blocks until the bytes are written, which is not yet synced. */
  append(buffers: readonly Buffer[]): void {
    this.#write(buffers, this.#allocatedBytes);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }

  #write(buffers: readonly Buffer[], lengthMin: number): void {
    const end = this.#usedBytes + byteLength(buffers);
    const length = Math.max(lengthMin, this.#allocatedBytes);
    const allocated = end <= length ? length : roundUp(end, this.#growthBytes);
    // The zeros first: when there is no room for them, no record was written.
    if (allocated > this.#allocatedBytes) this.#writeAll([Buffer.alloc(allocated - end)], end);
    this.#writeAll(buffers, this.#usedBytes);
    this.#usedBytes = end;
    this.#allocatedBytes = allocated;
  }

  #writeAll(buffers: readonly Buffer[], offset: number): void {
    const expected = byteLength(buffers);
    const written = this.#file.write(buffers, offset);
    if (written === expected) return;
    throw new IpcError('storage_failed', `only ${written} of ${expected} bytes were written`);
  }
}

export function byteLength(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

function roundUp(bytes: number, multiple: number): number {
  return Math.ceil(bytes / multiple) * multiple;
}
