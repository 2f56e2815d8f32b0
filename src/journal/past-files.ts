// The files in which a store's past is, oldest first: history, quarantine, and the log itself.
import type { Disk } from './disk.ts';
import { ownStartIn, startIn } from './history-file.ts';
import {
  historyFilePath,
  inOrder,
  isSameSegment,
  listEpochs,
  listHistory,
  listQuarantine,
  listSegments,
  quarantineFilePath,
  segmentPath,
} from './paths.ts';
import type { SegmentId } from './record-framing.ts';
import { isUnopened, survey } from './recovery.ts';

/** A file of the past. */
export interface PastFile extends SegmentId {
  /** Where it may lie: a running owner moves segments. */
  readonly paths: readonly string[];
  /** How many of its first bytes count; undefined if the numbers of its records alone say what counts. */
  readonly bytes: number | undefined;
}

export interface Past {
  /** In the order of their records. */
  readonly files: readonly PastFile[];
  /** The epoch of the newest record; 0 if there is none. */
  readonly epoch: number;
}

/** A running owner may remove segments while they are surveyed, so that they have to be surveyed again. */
const surveysMax = 50;

/** There is a store. */
export function hasPast(disk: Disk, folder: string): boolean {
  return segmentsIn(disk, folder).length > 0 || listHistory(disk, folder).length > 0;
}

/** What is there of the past. Segments that a running owner begins meanwhile are not in it. */
export async function listPast(disk: Disk, folder: string): Promise<Past> {
  for (let surveys = 1; ; surveys++) {
    const before = segmentsIn(disk, folder);
    const log = await survey(disk, folder, Number.POSITIVE_INFINITY);
    // After the survey: a segment that was removed meanwhile is in history by now.
    const kept = keptIn(disk, folder);
    const after = new Set(segmentsIn(disk, folder).map(keyOf));
    const isWhole = before.every((id) => after.has(keyOf(id)));
    if (!isWhole && surveys < surveysMax) continue;
    const last = log.segments.at(-1);
    const counting = new Set(log.segments.map(keyOf));
    // Segments that no longer count, and are not in history yet.
    const leaving: SegmentId[] = [];
    for (const id of before) {
      if (last === undefined || inOrder(id, last) >= 0 || counting.has(keyOf(id))) continue;
      if (!(await isUnopened(disk, folder, id))) leaving.push(id);
    }
    const files = [
      ...kept,
      ...leaving.map((id) => {
        const dropped = log.dropped.find((each) => isSameSegment(each, id));
        return fileOf(folder, id, dropped?.bytes);
      }),
      ...log.segments.map((segment) => fileOf(folder, segment, segment.bytes)),
    ];
    // Stable: of two files with one id, that of history is read first, since it may be packed.
    files.sort(inOrder);
    return { files, epoch: last?.epoch ?? 0 };
  }
}

function segmentsIn(disk: Disk, folder: string): SegmentId[] {
  return listEpochs(disk, folder).flatMap((epoch) => listSegments(disk, folder, epoch));
}

function keptIn(disk: Disk, folder: string): PastFile[] {
  const history = listHistory(disk, folder).map((id) => {
    return { ...id, paths: [historyFilePath(folder, id)], bytes: undefined };
  });
  const damaged = listQuarantine(disk, folder).map((id) => {
    return { ...id, paths: [quarantineFilePath(folder, id)], bytes: undefined };
  });
  return [...history, ...damaged];
}

function fileOf(
  folder: string,
  { epoch, segment }: SegmentId,
  bytes: number | undefined,
): PastFile {
  const id = { epoch, segment };
  const moved = [historyFilePath(folder, id), quarantineFilePath(folder, id)];
  return { ...id, paths: [segmentPath(folder, id), ...moved], bytes };
}

function keyOf({ epoch, segment }: SegmentId): string {
  return `${epoch} ${segment}`;
}

/** Where a file begins in the sequence; undefined if it does not say so. */
export function startAt(disk: Disk, file: PastFile): number | undefined {
  for (const path of file.paths) {
    const start = startIn(disk, path, file)?.sequence ?? 0;
    if (start > 0) return start;
  }
  return undefined;
}

/** The number behind the prologue of the next segment of the epoch; 0 if none of the files says it. */
export function nextOwnStartAt(disk: Disk, { files }: Past, { epoch, segment }: SegmentId): number {
  const next = files.find((each) => isSameSegment(each, { epoch, segment: segment + 1 }));
  for (const path of next?.paths ?? []) {
    const start = next && ownStartIn(disk, path, next);
    if (start !== undefined) return start;
  }
  return 0;
}
