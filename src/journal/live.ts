// Which messages live, and in which record of which segment each of them lies. It knows nothing of
// mail but that: posted and copied place a message, settled ends it.
import type { JournalRecord } from '../core/requests.ts';
import type { SegmentId } from './framing.ts';
import type { StoreRecord } from './records.ts';

/** A segment that counts. */
export interface LogFile extends SegmentId {
  /** How many of its bytes count. */
  bytes: number;
}

export interface Location {
  readonly file: LogFile;
  readonly offset: number;
  /** Of the whole record. */
  readonly bytes: number;
}

export class LiveIndex {
  /** In the order of the log: a message that is placed again comes last. */
  readonly #locations = new Map<number, Location>();
  #bytes = 0;

  /** Of the records in which live messages lie. */
  get bytes(): number {
    return this.#bytes;
  }

  locate(number: number): Location | undefined {
    return this.#locations.get(number);
  }

  /** This record is the one that its message lies in. */
  liesAt(number: number, { file, offset }: Location): boolean {
    const location = this.#locations.get(number);
    return location?.file === file && location.offset === offset;
  }

  /** The messages that lie in the oldest segment, in the order of the log. */
  oldest(file: LogFile): number[] {
    const numbers: number[] = [];
    for (const [number, location] of this.#locations) {
      if (location.file !== file) break;
      numbers.push(number);
    }
    return numbers;
  }

  /** Returns the messages that the record ended. */
  apply(record: JournalRecord | StoreRecord, location: Location): readonly number[] {
    switch (record.kind) {
      case 'posted':
        this.#place(record.envelope.number, location);
        return this.#end(record.settles);
      case 'copied':
        this.#place(record.envelope.number, location);
        return [];
      case 'settled':
        return this.#end(record.numbers);
      default:
        return [];
    }
  }

  #place(number: number, location: Location): void {
    this.#remove(number);
    this.#locations.set(number, location);
    this.#bytes += location.bytes;
  }

  #end(numbers: readonly number[]): readonly number[] {
    for (const number of numbers) this.#remove(number);
    return numbers;
  }

  #remove(number: number): void {
    const location = this.#locations.get(number);
    if (!location) return;
    this.#locations.delete(number);
    this.#bytes -= location.bytes;
  }
}
