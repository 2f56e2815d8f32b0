// Packs files of history into one: each numbered record once, and what a reader must know of messages that were stored
// before. Prologues, zeros, and records that do not count are left out. Does no I/O.
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { type CountingFile, type HistorySource, readCounting } from './counting-records.ts';
import { startOf } from './history-file.ts';
import { decodeRecord, encodeRecord, unlessCorrupt } from './record-codec.ts';
import {
  isValid,
  type RawRecord,
  rawRecordAt,
  resealRecord,
  type Seed,
  type SegmentId,
  segmentSeed,
} from './record-framing.ts';
import type { StampRecord } from './record-types.ts';
import { type RecordPlace, stampOfNone } from './sequence.ts';

export interface Packed {
  /** Empty if a source is to be left as it is. */
  readonly buffers: readonly Buffer[];
  /** Sources that have lost records that count, or have no stamps since an earlier version wrote them. */
  readonly left: readonly SegmentId[];
}

/**
 * `sources`: oldest first. `target`: the name of the packed file. `endBehind`: the lowest number at which a file behind
 * them begins. `isBehindEarlier`: a file before them was written by a version without stamps. `run`: takes all steps.
 */
export async function packed(
  sources: readonly HistorySource[],
  target: SegmentId,
  endBehind: number,
  isBehindEarlier: boolean,
  run: <Result>(steps: Generator<void, Result>) => Promise<Result>,
): Promise<Packed> {
  const starts = sources.map(({ id, bytes }) => startOf(bytes, id));
  const sequences = starts.map((start) => start?.sequence ?? Number.MAX_VALUE);
  // No record of an earlier file counts that does not count for one of these.
  const first = {
    kind: 'stamp',
    sequence: Math.min(...sequences),
    time: starts[0]?.time ?? 0,
  } as const;
  const packer = new Packer(segmentSeed(target), isBehindEarlier);
  const left: SegmentId[] = [];
  for (const [index, source] of sources.entries()) {
    const start = starts[index]?.sequence;
    const end = Math.min(endBehind, ...sequences.slice(index + 1));
    // A later file that begins before this one has all of it: another owner died while it packed them.
    if (start !== undefined && start > end) continue;
    const isCorrupt = start !== undefined && (await run(packer.add({ ...source, end })));
    if (start === undefined || isCorrupt) left.push(source.id);
  }
  return left.length > 0 ? { buffers: [], left } : { buffers: packer.buffers(first), left: [] };
}

/** The record as it is to be written; undefined for an empty one in its place. */
type Edit = (record: JournalRecord | undefined, isNumbered: boolean) => JournalRecord | undefined;

/** It says nothing, and keeps a number. */
const emptyRecord: JournalRecord = { kind: 'settled', numbers: [] };
/** A record that breaks a rule of its type, although its checksum fits. */
const corrupt = Symbol('corrupt');

export class Packer {
  readonly #seed: Seed;
  readonly #buffers: Buffer[] = [];
  /** The places of the first record with a number, of the one with the highest, and of the record that was added last. */
  #first: RecordPlace | undefined;
  #highest: RecordPlace = stampOfNone;
  #last: RecordPlace = stampOfNone;
  readonly #known = new Set<number>();
  /** Messages that were stored before the first of these files. */
  readonly #earlier = new Set<number>();
  /** Messages of which a record of these files tells the end. */
  readonly #ended = new Set<number>();
  readonly #isBehindEarlier: boolean;

  /** `isBehindEarlier`: what a record without a number says may be in no record that has one. */
  constructor(seed: Seed, isBehindEarlier: boolean) {
    this.#seed = seed;
    this.#isBehindEarlier = isBehindEarlier;
  }

  /** The stamp of the first record with a number; undefined if there is none. */
  get start(): StampRecord | undefined {
    return this.#first && { kind: 'stamp', ...this.#first };
  }

  /** The bytes of the packed file, which begins with the stamp `start`. */
  buffers(start: StampRecord): readonly Buffer[] {
    const sequence = Math.max(start.sequence, this.#highest.sequence + 1);
    const time = Math.max(start.time, this.#highest.time);
    // As behind the prologue that the last records without numbers are of. The residue has no other.
    const isOpen = this.#last === stampOfNone && this.#buffers.length > 0 && start.sequence > 0;
    const end = isOpen ? encodeRecord({ kind: 'stamp', sequence, time }, this.#seed) : [];
    return [...encodeRecord(start, this.#seed), ...this.#buffers, ...end];
  }

  /** Adds the records that count, 64 KB of them at each step. Returns whether some are lost. */
  *add(file: CountingFile, edit: Edit = (record) => record): Generator<void, boolean> {
    const { bytes } = file;
    let isCorrupt = false;
    let isAfterLost = false;
    yield* readCounting(file, {
      lost: () => {
        isAfterLost = true;
      },
      take: (header, place) => {
        if (place && place.sequence <= this.#highest.sequence) return;
        const checked = rawRecordAt(bytes, header);
        const isWhole = isValid(checked);
        // A corrupt body keeps its checksum, so it stays corrupt.
        const raw = isWhole ? checked : rawRecordAt(bytes, header, false);
        const record = unlessCorrupt(decodeRecord, raw, corrupt);
        if (!place && !this.#teaches(record === corrupt ? undefined : record)) return;
        if (!isWhole || record === corrupt || isAfterLost) isCorrupt = true;
        this.#add(raw, record, place, edit);
      },
    });
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
    record: JournalRecord | typeof corrupt | undefined,
    place: RecordPlace | undefined,
    edit: Edit,
  ): void {
    const edited = record === corrupt ? undefined : edit(record, place !== undefined);
    if (!edited && record && !place) return;
    const isNext = place
      ? place.sequence === this.#last.sequence + 1 && place.time === this.#last.time
      : this.#last === stampOfNone && this.#buffers.length > 0;
    this.#last = place ?? stampOfNone;
    this.#first ??= place;
    const stamp = { kind: 'stamp', ...this.#last } as const;
    if (!isNext) this.#buffers.push(...encodeRecord(stamp, this.#seed));
    const isSame = edited === record && isValid(raw);
    const whole = isSame
      ? resealRecord(raw, this.#seed)
      : encodeRecord(edited ?? emptyRecord, this.#seed);
    this.#buffers.push(...whole);
    if (place) this.#highest = place;
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
