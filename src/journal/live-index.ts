// Which messages are live, and in which record of which segment each of them lies. Of the engine's
// records it knows only that `posted` and `copied` place a message, and that `settled`, and the list in
// `posted`, end one.

import { NumberMap } from '../base/number-map.ts';
import { NumberQueue } from '../base/number-queue.ts';
import type { JournalRecord } from '../model/records.ts';
import type { WrittenBytes } from './body-cache.ts';
import { LocationTable } from './location-table.ts';
import type { SegmentId } from './record-framing.ts';
import type { StoreRecord } from './record-types.ts';

/** A segment that counts. */
export interface LogFile extends SegmentId {
  /** How many of its first bytes count. */
  bytes: number;
}

export interface Location {
  readonly file: LogFile;
  readonly offset: number;
  /** Length of the whole record. */
  readonly bytes: number;
  /** The bytes in memory that have its body. Only a post that this owner wrote has them. */
  readonly written?: WrittenBytes | undefined;
}

interface LiveFile {
  readonly numbers: NumberQueue;
  /** Sum over the records in which they lie. */
  bytes: number;
}

export class LiveIndex {
  /** Rows of the table. */
  readonly #rows = new NumberMap<number>();
  readonly #locations = new LocationTable();
  /** Numbers of the live messages whose bodies are corrupt. */
  readonly #corrupt = new Set<number>();
  #bytes = 0;
  /** What lies in each segment that has live messages. */
  readonly #files = new Map<LogFile, LiveFile>();
  /** The entry of `#files` that was found last: messages in a row mostly lie in one segment. */
  #lastFile: LogFile | undefined;
  #lastLive: LiveFile | undefined;
  /** Above the number of every message that was placed, even if it has ended. */
  nextNumber = 1;

  get size(): number {
    return this.#rows.size;
  }

  get corruptCount(): number {
    return this.#corrupt.size;
  }

  isCorrupt(number: number): boolean {
    return this.#corrupt.has(number);
  }

  /** For a live message whose body was valid when the log was read or written. */
  markCorrupt(number: number): void {
    this.#corrupt.add(number);
  }

  /** Sum over the records in which live messages lie. */
  get bytes(): number {
    return this.#bytes;
  }

  bytesIn(file: LogFile): number {
    return this.#files.get(file)?.bytes ?? 0;
  }

  has(number: number): boolean {
    return this.#rows.has(number);
  }

  locate(number: number): Location | undefined {
    const row = this.#rows.get(number);
    return row === undefined ? undefined : this.#locations.read(row);
  }

  /** Whether the message lies in the record at this location. */
  isAt(number: number, { file, offset }: Location): boolean {
    const location = this.locate(number);
    return location?.file === file && location.offset === offset;
  }

  /** The live messages of a segment, in log order. */
  messagesIn(file: LogFile): number[] {
    const numbers = this.#files.get(file)?.numbers;
    const offsetOf = (number: number) => this.#locations.offsetAt(this.#rows.get(number) ?? 0);
    const all = numbers?.above(0, numbers.size) ?? [];
    return all.sort((one, other) => offsetOf(one) - offsetOf(other));
  }

  apply(record: JournalRecord | StoreRecord, location: Location): void {
    switch (record.kind) {
      case 'posted':
        this.place(record.envelope.number, record.body !== undefined, location);
        for (const { number } of record.also) {
          this.place(number, record.body !== undefined, location);
        }
        return this.#end(record.settles);
      case 'copied':
        return this.place(record.envelope.number, record.body !== undefined, location);
      case 'settled':
        return this.#end(record.numbers);
      default:
    }
  }

  /** Messages of one post share a record; each counts its whole length, as its copy will have it. */
  place(number: number, hasBody: boolean, location: Location): void {
    this.#remove(number);
    if (!hasBody) this.#corrupt.add(number);
    this.#rows.set(number, this.#locations.add(location));
    location.written?.enter();
    const live = this.#liveOf(location.file);
    live.numbers.add(number);
    live.bytes += location.bytes;
    this.#bytes += location.bytes;
    this.nextNumber = Math.max(this.nextNumber, number + 1);
  }

  #end(numbers: readonly number[]): void {
    for (const number of numbers) this.#remove(number);
  }

  #remove(number: number): void {
    const row = this.#rows.get(number);
    if (row === undefined) return;
    const file = this.#locations.fileAt(row);
    const bytes = this.#locations.bytesAt(row);
    this.#locations.writtenAt(row)?.leave();
    this.#rows.delete(number);
    this.#locations.delete(row);
    if (this.#corrupt.size > 0) this.#corrupt.delete(number);
    const live = this.#liveOf(file);
    live.numbers.delete(number);
    live.bytes -= bytes;
    this.#bytes -= bytes;
    if (live.numbers.size > 0) return;
    this.#files.delete(file);
    this.#lastFile = this.#lastLive = undefined;
  }

  #liveOf(file: LogFile): LiveFile {
    if (file === this.#lastFile && this.#lastLive) return this.#lastLive;
    const live = this.#files.get(file) ?? { numbers: new NumberQueue(), bytes: 0 };
    this.#files.set(file, live);
    this.#lastFile = file;
    this.#lastLive = live;
    return live;
  }
}
