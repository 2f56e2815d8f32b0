// The replay of the log by a new owner: restores the engine, finds the live messages, the corruption and the end of the
// sequence, and collects what the first segment of its epoch carries over.
import { systemRuntime } from '../base/runtime.ts';
import { type CarriedRecord, mergeBegin } from './compaction.ts';
import { CorruptionScanner, type SegmentCorruption } from './corruption.ts';
import type { Disk } from './disk.ts';
import type { JournalLimits, JournalOptions } from './journal-options.ts';
import type { LiveIndex } from './live-index.ts';
import { segmentPath } from './paths.ts';
import {
  type Log,
  type LogSegment,
  type PlainPostReader,
  type Reader,
  readEach,
  readSegment,
} from './recovery.ts';
import type { SegmentList } from './segment-list.ts';
import { mayWriteFileOf } from './segment-writer.ts';
import type { RecordSequence } from './sequence.ts';
import { inTurns } from './turns.ts';

/** Many stores have many segments of one post each. */
const blockingBytesMax = 65_536;

export interface LogReplay {
  readonly options: Pick<JournalOptions, 'folder' | 'restore' | 'restorePlain' | 'runtime'>;
  readonly disk: Disk;
  readonly limits: JournalLimits;
  /** That of the new owner. */
  readonly ownEpoch: number;
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
  { options, disk, limits, ownEpoch, isBallastShort, live, segments, sequence }: LogReplay,
): Promise<{ carried: CarriedRecord[]; corruption: readonly SegmentCorruption[] }> {
  const { folder } = options;
  const carried: CarriedRecord[] = [];
  const scanner = new CorruptionScanner();
  const probe = segmentPath(folder, { epoch: ownEpoch, segment: 0 });
  const mayWrite = (bytes: number) => mayWriteFileOf(disk, probe, bytes);
  const begin = mergeBegin(log.segments, limits, isBallastShort, mayWrite);
  for await (const { index, extent, bytes } of readAhead(log.segments, disk, folder)) {
    const { epoch, segment, durableBytes, nextNumber } = extent;
    if (nextNumber !== undefined) scanner.below(nextNumber);
    const listedBytes = index < begin ? durableBytes : 0;
    const file = { epoch, segment, bytes: listedBytes };
    if (listedBytes > 0) segments.files.push(file);
    const plainPosts: PlainPostReader = {
      // Records behind that are carried, so there has to be an object of each.
      below: listedBytes,
      take: (post, { offset, end }, number) => {
        scanner.posted(post.number);
        options.restorePlain?.(post);
        live.place(post.number, true, { file, offset, bytes: end - offset });
        sequence.restore(number);
      },
    };
    const reader: Reader = {
      ...(options.restorePlain && { plainPosts }),
      record: (raw, record, place) => {
        const location = { file, offset: raw.offset, bytes: raw.end - raw.offset };
        if (record) scanner.read(file, raw, record);
        if (record) options.restore(record);
        if (record) live.apply(record, location);
        sequence.restore(place?.sequence ?? 0);
        if (raw.offset < listedBytes) return;
        const isDurable = raw.offset < durableBytes;
        carried.push({ raw, record, location, isDurable, place: isDurable ? undefined : place });
      },
      stamp: (stamp) => sequence.restoreStamp(stamp),
      lost: (bytes) => {
        scanner.lost(file, bytes);
        sequence.lost(bytes);
      },
    };
    await inTurns(readEach(bytes, extent, reader), options.runtime ?? systemRuntime);
  }
  segments.dropDead(live);
  // What was lost at the end of the log may have had numbers of its own.
  live.nextNumber += scanner.numbersLost;
  sequence.begin();
  return { carried, corruption: scanner.end(live.nextNumber) };
}

/** Each segment with its bytes. The disk reads the next one while the caller works on this one. */
async function* readAhead(
  segments: readonly LogSegment[],
  disk: Disk,
  folder: string,
): AsyncGenerator<{ index: number; extent: LogSegment; bytes: Buffer }> {
  let ahead: Promise<Buffer> | undefined;
  for (const [index, extent] of segments.entries()) {
    const bytes = await (ahead ?? readExtent(disk, folder, extent));
    const next = segments[index + 1];
    ahead = next && readExtent(disk, folder, next);
    // A fault is thrown when it is the turn of that segment, if it comes to that.
    ahead?.catch(() => {});
    yield { index, extent, bytes };
  }
}

/** Of a short one the part that counts. It blocks for less time than it takes to hand a read to another thread. */
async function readExtent(disk: Disk, folder: string, segment: LogSegment): Promise<Buffer> {
  if (segment.bytes > blockingBytesMax) return readSegment(disk, folder, segment);
  return disk.readPart(segmentPath(folder, segment), 0, segment.bytes);
}
