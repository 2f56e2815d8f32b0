// One sequence numbers the engine's records of a store, over all its epochs. Stamps in the files say where in it a
// record lies, and when it was written; so what happened can be told in order, and each record once.
//
// 1. The last record of every segment prologue is a stamp, with the number of the next record and the wall clock.
// 2. An append writes another one before its records when the wall clock has moved since the last.
// 3. Records that a new owner carries over keep their numbers, behind stamps of their own. A stamp of 0 ends them:
//    what a prologue repeats has no number.
import { stampMsMin } from '../base/limits.ts';
import { type LostBytes, recordHeaderBytes } from './record-framing.ts';
import type { StampRecord } from './record-types.ts';

/** Where a record lies in the sequence of all records of the store, and when it was written. */
export interface RecordPlace {
  /** From 1. */
  readonly sequence: number;
  /** In milliseconds since 1970, exact to `stampMsMin`. */
  readonly time: number;
}

/** Follows the stamps of one file. */
export class FilePlaces {
  /** 0 while it is not known, and among records that have no number. */
  #next = 0;
  #time = 0;

  stamp({ sequence, time }: StampRecord): void {
    this.#next = sequence;
    this.#time = time;
  }

  /** The place of the next record of the engine. */
  take(): RecordPlace | undefined {
    const sequence = this.takeSequence();
    return sequence === 0 ? undefined : { sequence, time: this.#time };
  }

  /** The number of the next record of the engine; 0 if it has none, or none that is known. */
  takeSequence(): number {
    return this.#next === 0 ? 0 : this.#next++;
  }

  /** Records may be missing here. */
  lost(): void {
    this.#next = 0;
  }
}

/** The smallest record of the engine: it has a meta of at least one number. */
const recordBytesMin = recordHeaderBytes + 4;

/** The sequence as the owner of a store continues it. */
export class RecordSequence {
  readonly #time: () => number;
  /** The number of the next record. */
  next = 1;
  /** Wall clock of the last stamp in the current segment. */
  #stamped = Number.NEGATIVE_INFINITY;
  /** How many records may have had numbers behind the last place that is known; undefined if none was lost. */
  #lostMax: number | undefined;

  /** `time`: the wall clock, in milliseconds since 1970. */
  constructor(time: () => number) {
    this.#time = () => Math.max(0, Math.floor(time()));
  }

  /** Takes a record of the replay. `sequence`: 0 if it has no number, or none that is known. */
  restore(sequence: number): void {
    if (sequence > 0) this.#reach(sequence + 1);
    else if (this.#lostMax !== undefined) this.#lostMax += 1;
  }

  /** Takes a stamp of the replay. */
  restoreStamp({ sequence }: StampRecord): void {
    if (sequence > 0) this.#reach(sequence);
  }

  /** Takes a lost range of the replay. */
  lost({ offset, end }: LostBytes): void {
    this.#lostMax = (this.#lostMax ?? 0) + Math.ceil((end - offset) / recordBytesMin);
  }

  /** After the replay: what was lost at the end of the log may have had numbers. */
  begin(): void {
    this.next += this.#lostMax ?? 0;
    this.#lostMax = undefined;
  }

  /** The stamp to be written before the next records; undefined if the last one will do. */
  due(): StampRecord | undefined {
    const stamp = this.stamp();
    // The wall clock may be set back.
    return Math.abs(stamp.time - this.#stamped) < stampMsMin ? undefined : stamp;
  }

  /** A stamp of the record that is `ahead` of the next one. */
  stamp(ahead = 0): StampRecord {
    return { kind: 'stamp', sequence: this.next + ahead, time: this.#time() };
  }

  /** These records were written behind this stamp, or behind an earlier one. */
  wrote(records: number, stamp: StampRecord | undefined): void {
    this.next += records;
    if (stamp) this.#stamped = stamp.time;
  }

  #reach(next: number): void {
    this.next = Math.max(this.next, next);
    this.#lostMax = undefined;
  }
}

/** Behind it no record has a number, up to the next stamp. */
export const stampOfNone: StampRecord = { kind: 'stamp', sequence: 0, time: 0 };
