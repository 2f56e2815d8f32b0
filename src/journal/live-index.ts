// Which messages live, and in which record of which segment each of them lies; so also which records
// of a segment are worth writing again. It knows nothing of mail but that: posted and copied place a
// message, settled ends it, and offered, released and moved are of no use after its end.

import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { encodeRecord, type StoreRecord } from './record-codec.ts';
import {
  isValid,
  type RawRecord,
  resealRecord,
  type Seed,
  type SegmentId,
} from './record-framing.ts';

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
  /** Those whose bodies cannot be handed over. */
  readonly #damaged = new Set<number>();
  #bytes = 0;

  get size(): number {
    return this.#locations.size;
  }

  get damagedCount(): number {
    return this.#damaged.size;
  }

  isDamaged(number: number): boolean {
    return this.#damaged.has(number);
  }

  /** Of a live message: its body was sound when the log was read, or written. */
  markDamaged(number: number): void {
    this.#damaged.add(number);
  }

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
        for (const envelope of envelopesOf(record)) this.#place(envelope, record.body, location);
        return this.#end(record.settles);
      case 'copied':
        this.#place(record.envelope, record.body, location);
        return [];
      case 'settled':
        return this.#end(record.numbers);
      default:
        return [];
    }
  }

  /** Messages of one post lie in one record; each counts as large as it, as its copy will be. */
  #place({ number }: Envelope, body: Buffer | undefined, location: Location): void {
    this.#remove(number);
    if (!body) this.#damaged.add(number);
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
    this.#damaged.delete(number);
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
    case 'posted': {
      const there = envelopesOf(record).filter(({ number }) => live.liesAt(number, location));
      if (there.length > 0 && record.body) break;
      const lost = there.map((envelope) => withoutBody(envelope, seed));
      return [...lost, ...settledAgain(record.settles, seed)];
    }
    case 'copied':
      if (!live.liesAt(record.envelope.number, location)) return [];
      break;
    case 'offered':
    case 'released':
    case 'moved':
      if (live.locate(record.number)) break;
      return [];
    case 'session':
    case 'named':
    case 'settledById':
      return [];
  }
  if (isValid(raw)) return [{ record, buffers: resealRecord(raw, seed) }];
  return record?.kind === 'copied' ? [encoded({ ...record, body: undefined }, seed)] : [];
}

function settledAgain(numbers: readonly number[], seed: Seed): Rewritten[] {
  return numbers.length > 0 ? [encoded({ kind: 'settled', numbers }, seed)] : [];
}

/** A post whose body is damaged, as it was then; its id is told by the head. */
function withoutBody(envelope: Envelope, seed: Seed): Rewritten {
  const fresh = { mailbox: envelope.to, attempt: 1, holder: '', body: undefined } as const;
  return encoded({ kind: 'copied', envelope, ...fresh }, seed);
}

function encoded(record: JournalRecord, seed: Seed): Rewritten {
  return { record, buffers: encodeRecord(record, seed) };
}
