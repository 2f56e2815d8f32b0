// The records of the journal itself, and the numbers of all types of records.
import type { JournalRecord } from '../model/records.ts';
import type { SegmentId } from './record-framing.ts';
import type { Position, SegmentRecord } from './segment-header.ts';

/** All bytes of this epoch before `durable` were synced before this record was written. */
export interface SyncPointRecord {
  readonly kind: 'syncPoint';
  readonly durable: Position;
}

/** The segment counts no more: its live messages were copied and synced before this was written. */
export interface RemovedRecord extends SegmentId {
  readonly kind: 'removed';
}

/**
 * The next record of the engine in this file has this number in the sequence of all records of the store, and was
 * written at this time. The records behind it follow one by one.
 */
export interface StampRecord {
  readonly kind: 'stamp';
  /** From 1; 0 if the records behind it have no number, since a prologue repeats them. */
  readonly sequence: number;
  /** In milliseconds since 1970. */
  readonly time: number;
}

export type StoreRecord = SegmentRecord | SyncPointRecord | RemovedRecord | StampRecord;

export const typeOf = {
  segment: 1,
  syncPoint: 2,
  removed: 3,
  stamp: 4,
  posted: 16,
  copied: 17,
  offered: 18,
  settled: 19,
  released: 20,
  moved: 21,
  session: 22,
  forgotten: 23,
  named: 24,
  settledById: 27,
  fingerprints: 30,
  paused: 37,
} as const satisfies Record<(JournalRecord | StoreRecord)['kind'], number>;

/** A `copied` with a corrupt body. Not optional: an older version must not skip it. */
export const typeCopiedCorrupt = 25;
/** A `posted` with several messages. Not optional, either. */
export const typePostedAlso = 26;
/** A `posted` and a `copied` of a message that answers another one: with its depth at the end. */
export const typePostedAnswer = 28;
export const typeCopiedAnswer = 29;
/** The same of a message whose sender had a folder: with the depth and the folder at the end. */
export const typePostedFolder = 31;
export const typeCopiedFolder = 32;
/** With the name of the holder and the time, or with the hold that ended. Older types lack them. */
export const typeOfferedNamed = 33;
export const typeReleasedHold = 34;
export const typeMovedHold = 35;
/** A `copied` with a holder or a past hold: with the depth, the folder and both at the end. */
export const typeCopiedHold = 36;
/** A `posted` of a message that came from another store: with the depth, the folder and the import key at the end. */
export const typePostedImport = 38;
/** Types that always have a depth and a folder, which may be ''. */
export const tailTypes: ReadonlySet<number> = new Set([typeCopiedHold, typePostedImport]);

export const kindOf = new Map<number, keyof typeof typeOf>([
  ...Object.entries(typeOf).map(([kind, type]) => [type, kind as keyof typeof typeOf] as const),
  [typeCopiedCorrupt, 'copied'],
  [typePostedAlso, 'posted'],
  [typePostedAnswer, 'posted'],
  [typeCopiedAnswer, 'copied'],
  [typePostedFolder, 'posted'],
  [typeCopiedFolder, 'copied'],
  [typeOfferedNamed, 'offered'],
  [typeReleasedHold, 'released'],
  [typeMovedHold, 'moved'],
  [typeCopiedHold, 'copied'],
  [typePostedImport, 'posted'],
]);

/**
 * A version that skips the first may store such a post again, but loses nothing. One that skips the second takes
 * another post under an old id for a repetition. One that skips the third cannot tell the history of mail.
 */
export const optionalKinds: ReadonlySet<string> = new Set(['settledById', 'fingerprints', 'stamp']);

/** Their records are the deduplication snapshot, which each prologue repeats. */
export const deduplicationKinds: ReadonlySet<JournalRecord['kind']> = new Set([
  'session',
  'named',
  'fingerprints',
  'settledById',
] as const);
