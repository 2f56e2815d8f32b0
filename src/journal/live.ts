// Which messages live, and in which record of which segment each of them lies; so also which records
// of a segment are worth writing again. It knows nothing of mail but that: posted and copied place a
// message, settled ends it, and offered, released and moved are of no use after its end.
import type { JournalRecord } from '../core/requests.ts';
import { type RawRecord, resealRecord, type Seed, type SegmentId } from './framing.ts';
import { encodeRecord, type StoreRecord } from './records.ts';

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

/** Of a replay, to be written again unless it tells nothing any more. */
export interface Carried {
  readonly raw: RawRecord;
  readonly record: JournalRecord | undefined;
  readonly location: Location;
}

/** As it is written again. */
export interface Rewritten {
  readonly record: JournalRecord | undefined;
  readonly buffers: readonly Buffer[];
}

/** None for what later records, or the head, tell as well. `live` is as the whole log leaves it. */
export function rewrite(carried: Carried, live: LiveIndex, seed: Seed): Rewritten[] {
  const { raw, record, location } = carried;
  switch (record?.kind) {
    case 'posted':
      if (live.liesAt(record.envelope.number, location)) break;
      return record.settles.length > 0 ? [settledAgain(record.settles, seed)] : [];
    case 'copied':
      if (live.liesAt(record.envelope.number, location)) break;
      return [];
    case 'offered':
    case 'released':
    case 'moved':
      if (live.locate(record.number)) break;
      return [];
    case 'session':
    case 'named':
      return [];
  }
  return [{ record, buffers: resealRecord(raw, seed) }];
}

function settledAgain(numbers: readonly number[], seed: Seed): Rewritten {
  const record = { kind: 'settled', numbers } as const;
  return { record, buffers: encodeRecord(record, seed) };
}
