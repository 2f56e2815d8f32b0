// The options and limits of a journal.
import {
  ballastFilesMin,
  bodyCacheBytesMax,
  historyAgeMsDefault,
  historyBytesDefault,
  logBytesCompact,
  segmentBytesMax,
  segmentGrowthBytes,
  segmentReserveBytes,
  segmentsCompact,
  segmentsMerge,
} from '../base/limits.ts';
import type { Runtime } from '../base/runtime.ts';
import type { PlainPost } from '../model/plain-post.ts';
import type { JournalRecord } from '../model/records.ts';
import type { Disk } from './disk.ts';
import type { HistoryBound } from './history-limits.ts';
import type { OwnerNote } from './paths.ts';

export interface JournalLimits {
  readonly segmentBytesMax: number;
  readonly segmentReserveBytes: number;
  readonly segmentGrowthBytes: number;
  readonly segmentsCompact: number;
  readonly segmentsMerge: number;
  readonly logBytesCompact: number;
  readonly bodyCacheBytesMax: number;
  readonly ballastFilesMin: number;
}

export const limitsDefault: JournalLimits = {
  segmentBytesMax,
  segmentReserveBytes,
  segmentGrowthBytes,
  segmentsCompact,
  segmentsMerge,
  logBytesCompact,
  bodyCacheBytesMax,
  ballastFilesMin,
};

export const historyDefault: HistoryBound = {
  bytesMax: historyBytesDefault,
  ageMsMax: historyAgeMsDefault,
};

/** What happens while an append() runs. Neither may append. */
export interface AppendSteps {
  /** The records are written. A sync may begin, but nothing may leave: their file may have lost its place. */
  onWritten?: (() => void) | undefined;
  /** The file is in its place: what waited for the write may leave. Called without records, too. */
  onInPlace?: (() => void) | undefined;
}

export interface JournalOptions {
  /** The folder of the store; created if it is not there. */
  readonly folder: string;
  readonly owner: OwnerNote;
  /** Called with every record of the store, in order. A body is a view that is valid during the call only. */
  restore(record: JournalRecord): void;
  /** Takes the plain posts of a replay, each of which the next one overwrites. Without it, restore() takes them. */
  restorePlain?(post: PlainPost): void;
  /**
   * Returns the deduplication snapshot: all ids that are remembered, after exactly the records restored
   * and appended so far. It is called once after the last restore(), and by append() after its last
   * record; so all that the engine has done must be in that append() or in an earlier one. If the
   * snapshot had the id of a post that is not written yet, then after a crash the repeated post would
   * be taken for a duplicate, and the message would be lost.
   */
  snapshot(): readonly JournalRecord[];
  readonly disk?: Disk | undefined;
  readonly runtime?: Pick<Runtime, 'now' | 'time' | 'defer' | 'setTimer' | 'randomBytes'>;
  readonly limits?: Partial<JournalLimits> | undefined;
  /** How much history is kept. */
  readonly history?: HistoryBound | undefined;
}
