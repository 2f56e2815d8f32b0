// The bodies of live messages: from memory, or from where the log has them, with few reads for many.
// A body that the disk does not give back as it was posted is damaged: undefined, here and above.
import assert from 'node:assert/strict';
import { BodyCache } from './body-cache.ts';
import type { Disk } from './disk.ts';
import { diskFault } from './epoch.ts';
import type { LiveIndex, Location, LogFile } from './live-index.ts';
import { segmentPath } from './paths.ts';
import { readRecord, segmentSeed } from './record-framing.ts';

/** Records of one segment that were read at once. */
interface Run {
  readonly file: LogFile;
  readonly begin: number;
  readonly end: number;
  readonly read: Buffer;
}

/** Bodies that lie close to each other come with one read, so far, and across so much between them. */
const readBytesMax = 4 * 1024 ** 2;
const readGapBytesMax = 16 * 1024;

export class BodyReader {
  readonly #disk: Disk;
  readonly #folder: string;
  /** The journal's own, which keeps it up to date. */
  readonly #live: LiveIndex;
  readonly #cache: BodyCache;
  readonly #onDamaged: (number: number, file: LogFile) => void;

  /** `onDamaged`: called when a body is found damaged that was not known to be. */
  constructor(
    disk: Disk,
    folder: string,
    live: LiveIndex,
    cacheBytesMax: number,
    onDamaged: (number: number, file: LogFile) => void,
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#live = live;
    this.#cache = new BodyCache(cacheBytesMax);
    this.#onDamaged = onDamaged;
  }

  /** In memory, as long as there is room. */
  keep(number: number, body: Buffer): void {
    this.#cache.add(number, body);
  }

  /** When the message ends. */
  forget(number: number): void {
    this.#cache.delete(number);
  }

  /** storage_failed when the disk fails in another way than by damage. */
  read(number: number): Buffer | undefined {
    const cached = this.#cache.get(number);
    if (cached || this.#live.isDamaged(number)) return cached;
    const location = this.#locate(number);
    return this.#bodyIn(this.#readRun(location, location.bytes), 0, number, location);
  }

  /** read() of each, with few reads when they lie in the order of the log. */
  readAll(numbers: readonly number[]): (Buffer | undefined)[] {
    let run: Run | undefined;
    return numbers.map((number, index) => {
      const cached = this.#cache.get(number);
      if (cached || this.#live.isDamaged(number)) return cached;
      const location = this.#locate(number);
      const { file, offset, bytes } = location;
      if (file !== run?.file || offset < run.begin || offset + bytes > run.end) {
        const end = this.#runEnd(numbers, index, location);
        run = { file, begin: offset, end, read: this.#readRun(location, end - offset) };
      }
      return this.#bodyIn(run.read, offset - run.begin, number, location);
    });
  }

  #locate(number: number): Location {
    const location = this.#live.locate(number);
    assert(location, `message ${number} is live`);
    return location;
  }

  /** Where the read ends that begins at the body of numbers[index]. */
  #runEnd(numbers: readonly number[], index: number, { file, offset, bytes }: Location): number {
    let end = offset + bytes;
    let last = offset;
    for (let later = index + 1; later < numbers.length; later++) {
      const next = this.#locate(numbers[later] ?? 0);
      // Those of one post lie in the same place.
      if (next.file !== file || next.offset < last) break;
      if (next.offset > end + readGapBytesMax) break;
      if (next.offset + next.bytes > offset + readBytesMax) break;
      end = next.offset + next.bytes;
      last = next.offset;
    }
    return end;
  }

  #readRun({ file, offset }: Location, bytes: number): Buffer {
    try {
      return this.#disk.readPart(segmentPath(this.#folder, file), offset, bytes);
    } catch (error) {
      throw diskFault(error);
    }
  }

  #bodyIn(read: Buffer, offset: number, number: number, { file }: Location): Buffer | undefined {
    const record = readRecord(read, offset, segmentSeed(file));
    if (!record) this.#onDamaged(number, file);
    return record?.body;
  }
}
