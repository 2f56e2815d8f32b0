// What an owner gives its journal.
import {
  bodyCacheBytesMax,
  logBytesCompact,
  segmentBytesMax,
  segmentGrowthBytes,
  segmentReserveBytes,
  segmentsCompact,
  sparesMin,
} from '../base/limits.ts';
import type { Runtime } from '../base/runtime.ts';
import type { JournalRecord } from '../model/records.ts';
import type { Disk } from './disk.ts';
import type { OwnerNote } from './paths.ts';

export interface JournalLimits {
  readonly segmentBytesMax: number;
  readonly segmentReserveBytes: number;
  readonly segmentGrowthBytes: number;
  readonly segmentsCompact: number;
  readonly logBytesCompact: number;
  readonly bodyCacheBytesMax: number;
  readonly sparesMin: number;
}

export const limitsDefault: JournalLimits = {
  segmentBytesMax,
  segmentReserveBytes,
  segmentGrowthBytes,
  segmentsCompact,
  logBytesCompact,
  bodyCacheBytesMax,
  sparesMin,
};

export interface JournalOptions {
  /** The store's own; made when it is not there. */
  readonly folder: string;
  readonly owner: OwnerNote;
  /** Every record of the store, in order. A body is a view that lasts for the call only. */
  restore(record: JournalRecord): void;
  /**
   * All ids that are remembered, as they are after exactly the records restored and appended so far.
   * Asked once after the last restore(), and by append() after its last record: so whatever the
   * owner has done must be in that append() or in an earlier one. A head that knew a post which was
   * not written yet would, after a crash, call its repetition a duplicate.
   */
  head(): readonly JournalRecord[];
  readonly disk?: Disk;
  readonly runtime?: Pick<Runtime, 'now' | 'defer' | 'randomBytes'>;
  readonly limits?: Partial<JournalLimits>;
}
