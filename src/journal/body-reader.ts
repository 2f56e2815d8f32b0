// Reads the bodies of live messages, from memory or from the log, many with one read: mail is mostly delivered in the order
// of the log. A body that does not fit its checksum any more is corrupt: it is undefined here, and in the layers above.
import { notLive } from '../base/errors.ts';
import type { Disk } from './disk.ts';
import { diskFault } from './epoch.ts';
import type { LiveIndex, Location, LogFile } from './live-index.ts';
import { segmentPath } from './paths.ts';
import { readRecord, segmentSeed } from './record-framing.ts';

/** Records of one segment that were read with one read. */
interface Run {
  readonly file: LogFile;
  readonly begin: number;
  readonly end: number;
  readonly read: Buffer;
}

/** Longest read. */
const readBytesMax = 4 * 1024 ** 2;
/** Longest gap between two bodies that are read together. */
const readGapBytesMax = 16 * 1024;
/** A read that goes on where the last one ended is this long: a body on the disk costs a microsecond then, and not ten. */
const readAheadBytes = 64 * 1024;

export class BodyReader {
  readonly #disk: Disk;
  readonly #folder: string;
  /** Kept up to date by the journal. */
  readonly #live: LiveIndex;
  readonly #onCorrupt: (number: number, file: LogFile) => void;
  /** What read() has read last, if it is short. */
  #lastRun: Run | undefined;

  /** `onCorrupt` is called with a body that was valid when the log was read or written. */
  constructor(
    disk: Disk,
    folder: string,
    live: LiveIndex,
    onCorrupt: (number: number, file: LogFile) => void,
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#live = live;
    this.#onCorrupt = onCorrupt;
  }

  /** undefined if the body is corrupt. Throws storage_failed if it cannot be read at all. */
  read(number: number): Buffer | undefined {
    if (this.#live.isCorrupt(number)) return undefined;
    const location = this.#locate(number);
    const cached = location.written?.bodyOf(location);
    if (cached) return cached;
    const run = this.#runWith(location);
    return this.#bodyIn(run.read, location.offset - run.begin, number, location);
  }

  /** read() of each, with few reads if they are in log order. */
  readAll(numbers: readonly number[]): (Buffer | undefined)[] {
    let run: Run | undefined;
    return numbers.map((number, index) => {
      if (this.#live.isCorrupt(number)) return undefined;
      const location = this.#locate(number);
      const cached = location.written?.bodyOf(location);
      if (cached) return cached;
      const { file, offset, bytes } = location;
      if (file !== run?.file || offset < run.begin || offset + bytes > run.end) {
        run = this.#readRun(location, this.#runEnd(numbers, index, location));
      }
      return this.#bodyIn(run.read, offset - run.begin, number, location);
    });
  }

  #locate(number: number): Location {
    const location = this.#live.locate(number);
    if (!location) throw notLive(number);
    return location;
  }

  /** The records that were read last if this one is among them. Else it is read, and those behind it if it is the next. */
  #runWith(location: Location): Run {
    const { file, offset, bytes } = location;
    const end = offset + bytes;
    const last = this.#lastRun?.file === file ? this.#lastRun : undefined;
    const isBehind = last !== undefined && offset >= last.begin;
    if (isBehind && end <= last.end) return last;
    const isNext = isBehind && offset <= last.end + readGapBytesMax;
    const endAhead = isNext ? Math.min(offset + readAheadBytes, file.bytes) : end;
    const run = this.#readRun(location, Math.max(end, endAhead));
    this.#lastRun = run.read.length <= readAheadBytes ? run : undefined;
    return run;
  }

  /** End of the read that begins with the record of numbers[index]. */
  #runEnd(numbers: readonly number[], index: number, { file, offset, bytes }: Location): number {
    let end = offset + bytes;
    let last = offset;
    for (let later = index + 1; later < numbers.length; later++) {
      const next = this.#locate(numbers[later] ?? 0);
      // Messages of one post share a record.
      if (next.file !== file || next.offset < last) break;
      if (next.offset > end + readGapBytesMax) break;
      if (next.offset + next.bytes > offset + readBytesMax) break;
      end = next.offset + next.bytes;
      last = next.offset;
    }
    return end;
  }

  #readRun({ file, offset: begin }: Location, end: number): Run {
    try {
      const read = this.#disk.readPart(segmentPath(this.#folder, file), begin, end - begin);
      return { file, begin, end, read };
    } catch (error) {
      throw diskFault(error);
    }
  }

  #bodyIn(read: Buffer, offset: number, number: number, { file }: Location): Buffer | undefined {
    const record = readRecord(read, offset, segmentSeed(file));
    if (!record) this.#onCorrupt(number, file);
    return record?.body;
  }
}
