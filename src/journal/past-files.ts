// The files in which a store's past is, oldest first: history, quarantine, and the log itself.
import type { Disk } from './disk.ts';
import { startIn } from './history-file.ts';
import {
  historyFilePath,
  listEpochs,
  listHistory,
  listQuarantine,
  listSegments,
  quarantineFilePath,
  segmentPath,
} from './paths.ts';
import { decodeStoreRecord, isStoreRecord } from './record-codec.ts';
import {
  isRecord,
  isValid,
  recordBytes,
  recordHeaderBytes,
  type SegmentId,
  scanRecords,
  segmentSeed,
} from './record-framing.ts';
import { survey } from './recovery.ts';

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
    const leaving = before.filter((id) => {
      return last !== undefined && isBefore(id, last) && !counting.has(keyOf(id));
    });
    const files = [
      ...kept,
      ...leaving.map((id) => fileOf(folder, id, undefined)),
      ...log.segments.map((segment) => fileOf(folder, segment, segment.bytes)),
    ];
    // Stable: of two files with one id, that of history is read first, since it may be packed.
    files.sort((one, other) => (isBefore(one, other) ? -1 : isBefore(other, one) ? 1 : 0));
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

export function isBefore(one: SegmentId, other: SegmentId): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.segment < other.segment);
}

function keyOf({ epoch, segment }: SegmentId): string {
  return `${epoch} ${segment}`;
}

/** The prologue of a segment. */
export interface Prologue {
  readonly end: number;
  /** The number of the record behind it; undefined if it has no stamp. */
  readonly start: number | undefined;
  /** The lowest number of a record in it, which its owner carried over; else as `start`. */
  readonly begin: number | undefined;
  /** It is not corrupt, and all there. */
  readonly isWhole: boolean;
}

/** undefined for a file that begins with no segment header. */
export function prologueOf(bytes: Buffer, id: SegmentId): Prologue | undefined {
  const seed = segmentSeed(id);
  let end: number | undefined;
  let start: number | undefined;
  let begin: number | undefined;
  let isWhole = true;
  for (const found of scanRecords(bytes, bytes.length, seed)) {
    if (end !== undefined && found.offset >= end) break;
    if (!isRecord(found) || !isValid(found)) {
      isWhole = false;
      continue;
    }
    const record = isStoreRecord(found) ? decodeStoreRecord(found) : undefined;
    if (end === undefined) {
      if (record?.kind !== 'segment') return undefined;
      // If its first copy is corrupt, this is the second one, with which the rest of the prologue begins.
      end = (found.offset === 0 ? found.end : found.offset) + record.prologueBytes;
    }
    if (record?.kind !== 'stamp' || record.sequence === 0) continue;
    start = record.sequence;
    begin = Math.min(begin ?? start, start);
  }
  return end === undefined
    ? undefined
    : { end, start, begin, isWhole: isWhole && bytes.length >= end };
}

/**
 * The lowest number of a record in the file; undefined if it does not say so. What the owner of a later file carried over
 * counts there, since the end of the earlier file may be torn by now.
 */
export function startAt(disk: Disk, file: PastFile): number | undefined {
  for (const path of file.paths) {
    const start = startIn(disk, path, file)?.sequence ?? 0;
    if (start === 0) continue;
    const first = disk.readPart(path, 0, recordBytes(disk.readPart(path, 0, recordHeaderBytes)));
    const end = prologueOf(first, file)?.end;
    const prologue = end === undefined ? undefined : prologueOf(disk.readPart(path, 0, end), file);
    return Math.min(start, prologue?.begin ?? start);
  }
  return undefined;
}
