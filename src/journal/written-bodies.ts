// The index of what is written to the log, and the bodies in it. A delivery waits for its record, not for the index: so
// records are indexed once their deliveries have left, or when somebody asks before.
import { BodyCache } from './body-cache.ts';
import type { BodyReader } from './body-reader.ts';
import type { LiveIndex, LogFile } from './live-index.ts';
import { applyEncoded, type EncodedRecords } from './segment-entries.ts';

interface Written {
  readonly encoded: EncodedRecords;
  readonly file: LogFile;
  /** Of the first of the records in the file. */
  readonly offset: number;
}

export class WrittenBodies {
  readonly #live: LiveIndex;
  readonly #cache: BodyCache;
  readonly #reader: BodyReader;
  /** Not indexed yet. */
  #written: Written | undefined;

  constructor(live: LiveIndex, reader: BodyReader, cacheBytesMax: number) {
    this.#live = live;
    this.#cache = new BodyCache(cacheBytesMax);
    this.#reader = reader;
  }

  /** These records were written. They are indexed by index(), or before the next ones. */
  wrote(written: Written): void {
    this.index();
    this.#written = written;
  }

  index(): void {
    if (!this.#written) return;
    const { encoded, file, offset } = this.#written;
    this.#written = undefined;
    applyEncoded(this.#live, encoded, file, offset, this.#cache);
  }

  /** Above the number of every message that was ever written. */
  get nextNumber(): number {
    this.index();
    return this.#live.nextNumber;
  }

  /** As of BodyReader. */
  read(number: number): Buffer | undefined {
    this.index();
    return this.#reader.read(number);
  }

  /** As of BodyReader. */
  readAll(numbers: readonly number[]): (Buffer | undefined)[] {
    this.index();
    return this.#reader.readAll(numbers);
  }
}
