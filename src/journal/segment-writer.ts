// A segment that is being written: records, followed by preallocated zeros, so that most writes change
// neither the length of the file nor the free space of the disk. The zeros are always written before the
// records that overwrite them: if a full disk refuses them, no record was written.
import { IpcError } from '../base/errors.ts';
import { settleReserveBytes } from '../base/limits.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isDiskFull, isFileLimit } from './epoch.ts';
import { type Seed, type SegmentId, segmentSeed } from './record-framing.ts';

export interface Preallocation {
  /** Length of the zeros that a new segment begins with. */
  readonly segmentReserveBytes: number;
  /** When they are used up, the length of the file grows to a multiple of this. */
  readonly segmentGrowthBytes: number;
}

/** How much longer a new segment may be than it is expected to be: sync points, and a longer prologue. */
const nextBytesExtra = 1_024;

/** Shared, because allocating zeros for each post of 1 MB costs more than writing them. */
const zeros = Buffer.alloc(256 * 1024);

export class SegmentWriter {
  readonly id: SegmentId;
  readonly seed: Seed;
  readonly prologueBytes: number;
  readonly #file: DiskFile;
  readonly #growthBytes: number;
  #usedBytes = 0;
  /** The file's length. */
  #allocatedBytes = 0;
  /** The system refused to let the file grow further (EFBIG). */
  #isAtFileLimit = false;

  /** `prologue` is written last: if this throws, it is not complete in the file. */
  constructor(
    disk: Disk,
    path: string,
    id: SegmentId,
    prologue: readonly Buffer[],
    { segmentReserveBytes, segmentGrowthBytes }: Preallocation,
  ) {
    this.id = id;
    this.seed = segmentSeed(id);
    this.#growthBytes = segmentGrowthBytes;
    this.prologueBytes = byteLength(prologue);
    this.#file = disk.create(path);
    try {
      this.#extend(segmentReserveBytes);
      this.append(prologue);
    } catch (error) {
      this.close();
      // It holds only zeros, so it does no harm if a power loss brings it back.
      if (isDiskFull(error) || isFileLimit(error)) disk.removeFile(path);
      throw error;
    }
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Little more than the zeros for deliveries and settles is left, and there will be no more of them. */
  get isOver(): boolean {
    return this.#isAtFileLimit && this.#allocatedBytes - this.#usedBytes < settleReserveBytes;
  }

  /** The file cannot grow, but one of the same length that is new could take this much. */
  fitsInNext(bytes: number): boolean {
    return (
      this.#isAtFileLimit && this.prologueBytes + bytes + nextBytesExtra <= this.#allocatedBytes
    );
  }

  /** Preallocates space for `bytes` more bytes. If it throws, it may have done so for a part. Blocks. */
  reserve(bytes: number): void {
    const end = this.#usedBytes + bytes;
    if (end > this.#allocatedBytes) this.#extend(roundUp(end, this.#growthBytes), end);
  }

  /** Blocks until the bytes are written; they are not yet synced. */
  append(buffers: readonly Buffer[]): void {
    const bytes = byteLength(buffers);
    this.reserve(bytes);
    this.#writeAll(buffers, this.#usedBytes, () => {});
    this.#usedBytes += bytes;
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  isInPlace(): boolean {
    return this.#file.isInPlace();
  }

  close(): void {
    this.#file.close();
  }

  /** On a full disk, or at a limit on the size of files, reaching `enough` will do. */
  #extend(length: number, enough = length): void {
    try {
      this.#writeAll(zeroBytes(length - this.#allocatedBytes), this.#allocatedBytes, (bytes) => {
        this.#allocatedBytes += bytes;
      });
    } catch (error) {
      if (isFileLimit(error)) this.#isAtFileLimit = true;
      else if (!isDiskFull(error)) throw error;
      if (this.#allocatedBytes < enough) throw error;
    }
  }

  /** A disk that fills up takes part of the bytes, and then none. */
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

/** Whether this process may write a file of this length; unknown counts as true. Leaves no file behind. */
export function mayWriteFileOf(disk: Disk, path: string, bytes: number): boolean {
  let file: DiskFile | undefined;
  try {
    file = disk.create(path);
    // One byte at the end: a hole takes no space.
    file.write([Buffer.alloc(1)], bytes - 1);
    return true;
  } catch (error) {
    return !isFileLimit(error);
  } finally {
    file?.close();
    if (file) disk.removeFile(path);
  }
}

function zeroBytes(count: number): Buffer[] {
  const buffers = Array.from({ length: Math.floor(count / zeros.length) }, () => zeros);
  // An empty buffer would cost a system call of its own.
  if (count % zeros.length > 0) buffers.push(zeros.subarray(0, count % zeros.length));
  return buffers;
}

export function byteLength(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

function roundUp(bytes: number, multiple: number): number {
  return Math.ceil(bytes / multiple) * multiple;
}
