// A segment that is being written: records one after the other, and zeros written out ahead of them,
// so that most writes change neither the file's length nor the disk's free space. Zeros come first,
// always: when the disk has no room for them, no record was written.
import { IpcError } from '../base/errors.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isDiskFull } from './epoch.ts';
import { type Seed, type SegmentId, segmentSeed } from './record-framing.ts';

/** Zeros written out ahead, in bytes: with the segment, and each time that it has outgrown them. */
export interface SegmentReservation {
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
    { segmentReserveBytes, segmentGrowthBytes }: SegmentReservation,
  ) {
    this.id = id;
    this.seed = segmentSeed(id);
    this.#growthBytes = segmentGrowthBytes;
    this.#file = disk.create(path);
    try {
      this.#extend(segmentReserveBytes);
      this.append(opening);
    } catch (error) {
      this.close();
      // It holds zeros alone, so nothing comes of it if a power loss brings it back.
      if (isDiskFull(error)) disk.removeFile(path);
      throw error;
    }
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Makes room for so many bytes; when that throws, some of it may have been made. Blocks. */
  reserve(bytes: number): void {
    const end = this.#usedBytes + bytes;
    if (end > this.#allocatedBytes) this.#extend(roundUp(end, this.#growthBytes), end);
  }

  /** Blocks until the bytes are written, which is not yet synced. */
  append(buffers: readonly Buffer[]): void {
    const bytes = byteLength(buffers);
    this.reserve(bytes);
    this.#writeAll(buffers, this.#usedBytes, () => {});
    this.#usedBytes += bytes;
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }

  /** A full disk may stop it at `enough`. */
  #extend(length: number, enough = length): void {
    try {
      this.#writeAll(
        [Buffer.alloc(length - this.#allocatedBytes)],
        this.#allocatedBytes,
        (bytes) => {
          this.#allocatedBytes += bytes;
        },
      );
    } catch (error) {
      if (!isDiskFull(error) || this.#allocatedBytes < enough) throw error;
    }
  }

  /** A disk that fills up takes a part, and then nothing. */
  #writeAll(buffers: readonly Buffer[], offset: number, onWritten: (bytes: number) => void): void {
    const expected = byteLength(buffers);
    let written = this.#file.write(buffers, offset);
    onWritten(written);
    while (written < expected) {
      const rest = Buffer.concat(buffers).subarray(written);
      const more = this.#file.write([rest], offset + written);
      if (more === 0) {
        throw new IpcError('storage_failed', `only ${written} of ${expected} bytes were written`);
      }
      onWritten(more);
      written += more;
    }
  }
}

export function byteLength(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

function roundUp(bytes: number, multiple: number): number {
  return Math.ceil(bytes / multiple) * multiple;
}
