// The files in which a store's past is, oldest first: history, quarantine, and the log itself.
import type { Disk } from './disk.ts';
import {
  type FileStart,
  hasOwnRecords,
  ownStartIn,
  prologueOf,
  readKept,
  startBehind,
  startIn,
} from './history-file.ts';
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
    const files = [
      ...kept,
      ...log.segments.map((segment) => fileOf(folder, segment, segment.bytes)),
    ];
    const counting = new Set(log.segments.map(keyOf));
    // Segments that no longer count, and are not in history yet.
    for (const id of before.toReversed()) {
      if (last === undefined || inOrder(id, last) >= 0 || counting.has(keyOf(id))) continue;
      const dropped = log.dropped.find((each) => isSameSegment(each, id));
      const isPast = dropped ?? (await hasCounted(disk, folder, id, () => startsAt(disk, files)));
      if (isPast) files.push(fileOf(folder, id, dropped?.bytes));
    }
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

/** Where the files begin in the sequence, as far as they say so. */
export function startsAt(disk: Disk, files: readonly PastFile[]): FileStart[] {
  return files.map((file) => ({ id: file, start: startAt(disk, file) }));
}

function startAt(disk: Disk, file: PastFile): number | undefined {
  for (const path of file.paths) {
    const start = startIn(disk, path, file)?.sequence ?? 0;
    if (start > 0) return start;
  }
  return undefined;
}

/**
 * Whether a segment that no list has counted at some time. One without own records may be that of an owner that was late: its
 * prologue became complete after the successor had looked for it. Then its start would hide what the successor had found
 * beyond it. If the segment counted, the number behind its prologue went to the next record, so a later file begins there or
 * before. `starts`: of segments that counted; those behind it are enough.
 */
export async function hasCounted(
  disk: Disk,
  folder: string,
  id: SegmentId,
  starts: () => readonly FileStart[],
): Promise<boolean> {
  if (await isUnopened(disk, folder, id)) return false;
  const bytes = await readKept(disk, segmentPath(folder, id));
  if (!bytes || hasOwnRecords({ id, bytes })) return true;
  const { ownStart = 0 } = prologueOf(bytes, id) ?? {};
  return startBehind(id, starts()) <= ownStart;
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
