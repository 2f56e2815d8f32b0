// The replay of the log by a new owner: restores the engine, finds the live messages, the corruption and the end of the
// sequence, and collects what the first segment of its epoch carries over.
import { type CarriedRecord, mergeBegin } from './compaction.ts';
import { CorruptionScanner, type SegmentCorruption } from './corruption.ts';
import type { Disk } from './disk.ts';
import type { JournalLimits, JournalOptions } from './journal-options.ts';
import type { LiveIndex } from './live-index.ts';
import { segmentPath } from './paths.ts';
import { type Log, type Reader, replay } from './recovery.ts';
import type { SegmentList } from './segment-list.ts';
import { mayWriteFileOf } from './segment-writer.ts';
import type { RecordSequence } from './sequence.ts';

export interface LogReplay {
  readonly options: Pick<JournalOptions, 'folder' | 'restore' | 'restorePlain' | 'runtime'>;
  readonly disk: Disk;
  readonly limits: JournalLimits;
  /** The epoch of the new owner. */
  readonly epoch: number;
  readonly isBallastShort: boolean;
  readonly live: LiveIndex;
  /** Gets the segments that stay in the log. */
  readonly segments: SegmentList;
  readonly sequence: RecordSequence;
}

/**
 * Restores all records. Returns those that the first segment of the epoch carries over: those that are not durable for
 * certain, and those of the small segments that are merged.
 */
export async function replayLog(
  log: Log,
  { options, disk, limits, epoch: own, isBallastShort, live, segments, sequence }: LogReplay,
): Promise<{ carried: CarriedRecord[]; corruption: readonly SegmentCorruption[] }> {
  const { folder } = options;
  const carried: CarriedRecord[] = [];
  const scanner = new CorruptionScanner();
  const probe = segmentPath(folder, { epoch: own, segment: 0 });
  const mayWrite = (bytes: number) => mayWriteFileOf(disk, probe, bytes);
  const begin = mergeBegin(log.segments, limits, isBallastShort, mayWrite);
  for (const [index, extent] of log.segments.entries()) {
    const { epoch, segment, durableBytes, nextNumber } = extent;
    if (nextNumber !== undefined) scanner.below(nextNumber);
    const listedBytes = index < begin ? durableBytes : 0;
    const file = { epoch, segment, bytes: listedBytes };
    if (listedBytes > 0) segments.files.push(file);
    const reader: Reader = {
      record: (raw, record, place) => {
        const location = { file, offset: raw.offset, bytes: raw.end - raw.offset };
        if (record) scanner.read(file, raw, record);
        if (record) options.restore(record);
        if (record) live.apply(record, location);
        sequence.restore(place);
        if (raw.offset < listedBytes) return;
        const isDurable = raw.offset < durableBytes;
        carried.push({ raw, record, location, isDurable, place: isDurable ? undefined : place });
      },
      // Records behind that are carried, so there has to be an object of each.
      plainBelow: options.restorePlain ? listedBytes : 0,
      plain: (post, { offset, end }, place) => {
        scanner.posted(post.number);
        options.restorePlain?.(post);
        live.place(post.number, true, { file, offset, bytes: end - offset });
        sequence.restore(place);
      },
      stamp: (stamp) => sequence.restoreStamp(stamp),
      lost: (bytes) => {
        scanner.lost(file, bytes);
        sequence.lost(bytes);
      },
    };
    await replay(disk, folder, extent, reader, options.runtime);
  }
  segments.dropDead(live);
  // What was lost at the end of the log may have had numbers of its own.
  live.nextNumber += scanner.numbersLost;
  sequence.begin();
  return { carried, corruption: scanner.end(live.nextNumber) };
}
