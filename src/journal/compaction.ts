// Compaction: live messages of old segments are written again at the end of the log, so that the old
// segments can be removed.
//
// 1. While an owner runs, the live messages of the oldest segment are copied, a part at a time
//    (messagesToCopy); Journal.dropOldest() and removeDropped() then remove the segment.
// 2. A new owner merges a run of small segments into its own first one (mergeBegin, rewriteAll).
import { ballastFileBytes } from '../base/limits.ts';
import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import type { JournalLimits } from './journal-options.ts';
import type { LiveIndex, Location, LogFile } from './live-index.ts';
import { inOrder } from './paths.ts';
import { encodeRecord } from './record-codec.ts';
import { isValid, type RawRecord, resealRecord, type Seed } from './record-framing.ts';
import { deduplicationKinds, type StampRecord } from './record-types.ts';
import type { LogSegment } from './recovery.ts';
import type { SegmentEntry } from './segment-entries.ts';
import type { SegmentList } from './segment-list.ts';
import { type RecordPlace, stampOfNone } from './sequence.ts';

/** A current segment with fewer dead bytes is not left when a session asks for compaction. */
const deadBytesMinWanted = 4_096;

/** Which segment is to be removed next, and whether the current one is to be left for that. */
export class Compaction {
  readonly #segments: SegmentList;
  readonly #live: LiveIndex;
  readonly #limits: JournalLimits;
  /** Length of the header and the snapshot in the current segment, which each segment repeats. */
  snapshotBytes = 0;
  /** While mail is erased: the segment behind those that are to leave the log. */
  #eraseBelow: LogFile | undefined;

  constructor(segments: SegmentList, live: LiveIndex, limits: JournalLimits) {
    this.#segments = segments;
    this.#live = live;
    this.#limits = limits;
  }

  /** All segments before the current one are to leave the log. */
  beginErase(): void {
    this.#eraseBelow = this.#segments.current;
  }

  /** Returns whether all have left that were to leave. */
  endErase(): boolean {
    const below = this.#eraseBelow;
    this.#eraseBelow = undefined;
    const { oldest } = this.#segments;
    return below !== undefined && !(oldest && inOrder(oldest, below) < 0);
  }

  /**
   * The live messages of the oldest segment, in log order, if removing it is worth the copies; else
   * undefined. `isTight`: the disk is full, or a session asked for it; then even a small log is compacted.
   */
  messagesToCopy(isTight: boolean): number[] | undefined {
    const { oldest, bytes, count } = this.#segments;
    if (!oldest) return undefined;
    const isErased = this.#eraseBelow !== undefined && inOrder(oldest, this.#eraseBelow) < 0;
    if (isErased) return this.#live.messagesIn(oldest);
    const { logBytesCompact, segmentsCompact } = this.#limits;
    if (bytes <= logBytesCompact && count <= segmentsCompact && !isTight) return undefined;
    const isDue = isTight
      ? isMuchDead(bytes, this.#live.bytes) || this.#live.bytesIn(oldest) === 0
      : bytes > 2 * this.#live.bytes;
    return isDue ? this.#live.messagesIn(oldest) : undefined;
  }

  /** Removing the current segment would free this much, and much of the log. */
  isMostlyDead(isWanted = false): boolean {
    const bytesMin = isWanted ? deadBytesMinWanted : ballastFileBytes;
    const bytes = this.#segments.current.bytes - this.snapshotBytes;
    return bytes - this.#live.bytes > bytesMin && isMuchDead(bytes, this.#live.bytes);
  }
}

/** Where space is short, a fifth of dead bytes is worth the copies; else it must be half. */
function isMuchDead(bytes: number, liveBytes: number): boolean {
  return bytes > 1.25 * liveBytes;
}

type MergeLimits = Pick<JournalLimits, 'segmentBytesMax' | 'segmentReserveBytes' | 'segmentsMerge'>;

/**
 * The index of the first of the newest segments that a new owner merges into its own first one; the
 * number of segments if it merges none. It merges if there are too many, or if ballast is missing,
 * since otherwise each owner would take more of it; then only as much as fits the zeros that its
 * segment has anyway.
 *
 * The run is the longest of small segments whose first is no larger than all behind it, so only
 * larger ones remain in front. From its second copy on, a record therefore moves into a segment at
 * least twice as large each time.
 *
 * A limit on the size of files may allow a shorter merge only: `mayWrite` says whether a file may have
 * this length.
 */
export function mergeBegin(
  segments: readonly LogSegment[],
  limits: MergeLimits,
  isBallastShort: boolean,
  mayWrite: (bytes: number) => boolean,
): number {
  let { segmentBytesMax } = limits;
  for (;;) {
    const begin = longestMergeBegin(segments, { ...limits, segmentBytesMax }, isBallastShort);
    const bytes = segments.slice(begin).reduce((sum, segment) => sum + segment.bytes, 0);
    // Twice as much: there is a snapshot, too.
    if (bytes === 0 || isBallastShort || mayWrite(2 * bytes)) return begin;
    segmentBytesMax /= 2;
  }
}

function longestMergeBegin(
  segments: readonly LogSegment[],
  limits: MergeLimits,
  isBallastShort: boolean,
): number {
  let begin = segments.length;
  if (!isBallastShort && segments.length <= limits.segmentsMerge) return begin;
  const bytesMax = isBallastShort ? limits.segmentReserveBytes / 2 : limits.segmentBytesMax;
  let bytesBehind = 0;
  for (const [index, { bytes }] of [...segments.entries()].reverse()) {
    if (2 * bytes >= bytesMax || bytesBehind + bytes > bytesMax) break;
    if (bytes <= bytesBehind) begin = index;
    bytesBehind += bytes;
  }
  return begin;
}

/** A replayed record that the new owner carries over into its own first segment. */
export interface CarriedRecord {
  readonly raw: RawRecord;
  /** undefined if its type is unknown. */
  readonly record: JournalRecord | undefined;
  readonly location: Location;
  /** It is durable where it lies, so that history has it. */
  readonly isDurable: boolean;
  /** undefined if it is durable, or has no number since an earlier version wrote it. */
  readonly place: RecordPlace | undefined;
}

/**
 * The records as the first segment of an epoch carries them over, with stamps. `live` is the state after the whole log.
 */
export function rewriteAll(
  carried: readonly CarriedRecord[],
  live: LiveIndex,
  seed: Seed,
): SegmentEntry[] {
  let last: RecordPlace = stampOfNone;
  const entries = carried.flatMap((each) => {
    const place = isValid(each.raw) ? each.place : undefined;
    const isWhole = isValid(each.raw) && !each.isDurable;
    const rewritten = isWhole ? inFull(each, seed) : rewrite(each, live, seed);
    if (rewritten.length === 0) return [];
    const isNext = place
      ? place.sequence === last.sequence + 1 && place.time === last.time
      : last === stampOfNone;
    last = place ?? stampOfNone;
    return isNext ? rewritten : [encoded({ kind: 'stamp', ...last }, seed), ...rewritten];
  });
  return last === stampOfNone ? entries : [...entries, encoded(stampOfNone, seed)];
}

/** Whatever it is: history may lose it elsewhere, and a number that is missing would be a gap. */
function inFull({ raw, record }: CarriedRecord, seed: Seed): SegmentEntry[] {
  return isValid(raw) ? [{ record, buffers: resealRecord(raw, seed) }] : [];
}

/**
 * The record as it is written again; nothing if later records, or the deduplication snapshot, repeat
 * all that matters of it.
 */
function rewrite(carried: CarriedRecord, live: LiveIndex, seed: Seed): SegmentEntry[] {
  const { raw, record, location } = carried;
  if (record && deduplicationKinds.has(record.kind)) return [];
  switch (record?.kind) {
    case 'posted': {
      const there = envelopesOf(record).filter(({ number }) => live.isAt(number, location));
      if (there.length > 0 && record.body) break;
      const corrupt = there.map((envelope) => withoutBody(envelope, seed));
      return [...corrupt, ...settledAgain(record.settles, seed)];
    }
    case 'copied':
      if (!live.isAt(record.envelope.number, location)) return [];
      break;
    case 'offered':
    case 'released':
    case 'moved':
      if (live.locate(record.number)) break;
      return [];
  }
  if (isValid(raw)) return inFull(carried, seed);
  return record?.kind === 'copied' ? [encoded({ ...record, body: undefined }, seed)] : [];
}

function settledAgain(numbers: readonly number[], seed: Seed): SegmentEntry[] {
  return numbers.length > 0 ? [encoded({ kind: 'settled', numbers }, seed)] : [];
}

/** A post with a corrupt body becomes a copy without one. The snapshot has its id. */
function withoutBody(envelope: Envelope, seed: Seed): SegmentEntry {
  const fresh = { mailbox: envelope.to, attempt: 1, holder: '', body: undefined } as const;
  return encoded({ kind: 'copied', envelope, ...fresh }, seed);
}

function encoded(record: JournalRecord | StampRecord, seed: Seed): SegmentEntry {
  return { record, buffers: encodeRecord(record, seed) };
}
