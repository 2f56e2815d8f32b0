// Packs files of history into one: each numbered record once, and what a reader must know of messages that were stored
// before. Prologues, zeros, and records that do not count are left out. Does no I/O.
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { startOf } from './history-file.ts';
import { encodeRecord } from './record-codec.ts';
import {
  isValid,
  type RawRecord,
  resealRecord,
  type Seed,
  type SegmentId,
  segmentSeed,
} from './record-framing.ts';
import type { StampRecord } from './record-types.ts';
import { readEach } from './recovery.ts';
import { type RecordPlace, stampOfNone } from './sequence.ts';

export interface PackSource {
  readonly id: SegmentId;
  readonly bytes: Buffer;
}

export interface Packed {
  /** Empty if a source is to be left as it is. */
  readonly buffers: readonly Buffer[];
  /** Sources that have lost records that count, or have no stamps since an earlier version wrote them. */
  readonly left: readonly SegmentId[];
}

/**
 * `sources`: oldest first. `target`: the name of the packed file. `endBehind`: the lowest number at which a file behind
 * them begins. `isBehindEarlier`: a file before them was written by a version without stamps. `beside` takes all steps.
 */
export async function packed(
  sources: readonly PackSource[],
  target: SegmentId,
  endBehind: number,
  isBehindEarlier: boolean,
  beside: (steps: Generator<void, boolean>) => Promise<boolean>,
): Promise<Packed> {
  const starts = sources.map(({ id, bytes }) => startOf(bytes, id));
  const sequences = starts.map((start) => start?.sequence ?? Number.MAX_VALUE);
  // No record of an earlier file counts that does not count for one of these.
  const first = {
    kind: 'stamp',
    sequence: Math.min(...sequences),
    time: starts[0]?.time ?? 0,
  } as const;
  const packer = new Packer(segmentSeed(target), first, isBehindEarlier);
  const left: SegmentId[] = [];
  for (const [index, { id, bytes }] of sources.entries()) {
    const start = starts[index]?.sequence;
    const end = Math.min(endBehind, ...sequences.slice(index + 1));
    // A later file that begins before this one has all of it: another owner died while it packed them.
    if (start !== undefined && start > end) continue;
    const isCorrupt = start !== undefined && (await beside(packer.steps(bytes, id, end)));
    if (start === undefined || isCorrupt) left.push(id);
  }
  return left.length > 0 ? { buffers: [], left } : { buffers: packer.buffers, left: [] };
}

/** The record as it is to be written; undefined for an empty one in its place. */
type Edit = (record: JournalRecord | undefined) => JournalRecord | undefined;

/** It says nothing, and keeps a number. */
const emptyRecord: JournalRecord = { kind: 'settled', numbers: [] };

export class Packer {
  readonly #seed: Seed;
  readonly buffers: Buffer[] = [];
  /** The place of the record that was added last. */
  #last: RecordPlace = stampOfNone;
  #highest = 0;
  readonly #known = new Set<number>();
  /** Messages that were stored before the first of these files. */
  readonly #earlier = new Set<number>();

  readonly #ended = new Set<number>();
  readonly #isBehindEarlier: boolean;

  /** `isBehindEarlier`: what a record without a number says may be in no record that has one. */
  constructor(seed: Seed, first: StampRecord, isBehindEarlier: boolean) {
    this.#seed = seed;
    this.#isBehindEarlier = isBehindEarlier;
    if (first.sequence < Number.MAX_VALUE) this.buffers.push(...encodeRecord(first, seed));
  }

  /** Adds the records below the number `end`. True if some of them are lost. */
  add(bytes: Buffer, id: SegmentId, end: number, edit?: Edit): boolean {
    const steps = this.steps(bytes, id, end, edit);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  /** The same, with 64 KB of records at each step. */
  *steps(
    bytes: Buffer,
    id: SegmentId,
    end: number,
    edit: Edit = (record) => record,
  ): Generator<void, boolean> {
    let isCorrupt = false;
    let isAfterLost = false;
    yield* readEach(
      bytes,
      { ...id, bytes: bytes.length },
      {
        stamp: () => {},
        lost: () => {
          isAfterLost = true;
        },
        record: (raw, record, place) => {
          if (!place && isAfterLost) return;
          if (place && (place.sequence >= end || place.sequence <= this.#highest)) return;
          if (!place && !this.#teaches(record)) return;
          if (!isValid(raw) || isAfterLost) isCorrupt = true;
          else this.#add(raw, record, place, edit);
        },
      },
    );
    return isCorrupt;
  }

  /** Whether a record without a number says something that the records before it do not. */
  #teaches(record: JournalRecord | undefined): boolean {
    switch (record?.kind) {
      case 'posted':
        return (
          envelopesOf(record).some(({ number }) => !this.#known.has(number)) ||
          this.#teaches({ kind: 'settled', numbers: record.settles })
        );
      case 'copied':
        return !this.#known.has(record.envelope.number);
      case 'offered':
      case 'released':
      case 'moved':
        return this.#isBehindEarlier || this.#earlier.has(record.number);
      case 'settled':
        return record.numbers.some((number) => {
          return (this.#isBehindEarlier || this.#earlier.has(number)) && !this.#ended.has(number);
        });
      default:
        return false;
    }
  }

  #add(
    raw: RawRecord,
    record: JournalRecord | undefined,
    place: RecordPlace | undefined,
    edit: Edit,
  ): void {
    if (!isValid(raw)) return;
    const edited = edit(record);
    if (!edited && record && !place) return;
    const isNext = place
      ? place.sequence === this.#last.sequence + 1 && place.time === this.#last.time
      : this.#last === stampOfNone && this.buffers.length > 1;
    this.#last = place ?? stampOfNone;
    const stamp = { kind: 'stamp', ...this.#last } as const;
    if (!isNext) this.buffers.push(...encodeRecord(stamp, this.#seed));
    const isSame = edited === record;
    const whole = isSame
      ? resealRecord(raw, this.#seed)
      : encodeRecord(edited ?? emptyRecord, this.#seed);
    this.buffers.push(...whole);
    if (place) this.#highest = place.sequence;
    for (const number of placedBy(edited)) {
      this.#known.add(number);
      if (!place) this.#earlier.add(number);
    }
    for (const number of endedBy(edited)) this.#ended.add(number);
  }
}

function endedBy(record: JournalRecord | undefined): readonly number[] {
  if (record?.kind === 'posted') return record.settles;
  return record?.kind === 'settled' ? record.numbers : [];
}

function placedBy(record: JournalRecord | undefined): readonly number[] {
  if (record?.kind === 'posted') return envelopesOf(record).map(({ number }) => number);
  return record?.kind === 'copied' ? [record.envelope.number] : [];
}
