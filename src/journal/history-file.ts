// One file of history, or a segment: where its own records begin in the sequence, and what of it counts. A start is a
// number of the sequence, a begin is a time.
import { systemErrorCode } from '../base/errors.ts';
import type { Disk } from './disk.ts';
import {
  historyFilePath,
  inOrder,
  isSameSegment,
  quarantineFilePath,
  segmentPath,
} from './paths.ts';
import { decodeStoreRecord, encodeRecord, isStoreRecord, isStoreType } from './record-codec.ts';
import {
  HeaderScan,
  isRecord,
  isValid,
  nextRecord,
  readRecord,
  recordBytes,
  recordHeaderBytes,
  type SegmentId,
  scanRecords,
  segmentSeed,
  typeAt,
} from './record-framing.ts';
import type { StampRecord } from './record-types.ts';
import { headersBytesRead } from './segment-header.ts';
import { stampOfNone } from './sequence.ts';

const stampBytes = encodeRecord(stampOfNone, segmentSeed({ epoch: 0, segment: 0 })).reduce(
  (sum, { length }) => sum + length,
  0,
);

/** The name of the residue: epochs count from 1, so it is before all others. */
export const residueId: SegmentId = { epoch: 0, segment: 0 };

export function isResidue({ epoch }: SegmentId): boolean {
  return epoch === residueId.epoch;
}

/** A file that was read as a whole. */
export interface FileContent {
  readonly id: SegmentId;
  readonly bytes: Buffer;
}

/** Reads `bytes` of a file, or fewer at its end. */
type ReadPart = (offset: number, bytes: number) => Buffer;

/**
 * Where the file begins: the lowest number of a record in the prologue of a segment, which its owner carried over; else
 * that of the stamp behind it, or of the first one of a packed file. Records of earlier files with this number or a higher
 * one do not count. They were not surely durable when that owner opened: part of them may be torn by now, and what it
 * carried over is whole. undefined if an earlier version wrote the file.
 */
export function startOf(bytes: Buffer, id: SegmentId): StampRecord | undefined {
  return readStart((offset, count) => bytes.subarray(offset, offset + count), id);
}

/** startOf() of a file on disk. */
export function startIn(disk: Disk, path: string, id: SegmentId): StampRecord | undefined {
  return readStart(partReader(disk, path), id);
}

/** Where a file begins in the sequence. */
export interface FileStart {
  readonly id: SegmentId;
  /** undefined if an earlier version wrote it; 0 for the residue, which may have what was in such a file. */
  readonly start: number | undefined;
}

/** The lowest number at which a file behind this one begins: from there on its records do not count. */
export function startBehind(file: SegmentId, starts: readonly FileStart[]): number {
  const behind = starts.filter(({ id }) => inOrder(file, id) < 0).map(({ start }) => start);
  return Math.min(Number.MAX_VALUE, ...behind.map((start) => start || Number.MAX_VALUE));
}

/**
 * Whether the first segment of the next epoch is among these files. It begins at the number of the first record that its
 * owner did not find durable in this one.
 */
export function isFollowed({ epoch }: SegmentId, files: readonly SegmentId[]): boolean {
  return files.some((each) => isSameSegment(each, { epoch: epoch + 1, segment: 1 }));
}

/** The number of the first record behind the prologue of a segment; undefined for a packed file, and as startOf(). */
export function ownStartIn(disk: Disk, path: string, id: SegmentId): number | undefined {
  const own = findStamp(partReader(disk, path), id);
  return own && !own.isPacked ? own.stamp.sequence : undefined;
}

/**
 * The number behind the prologue of the next segment of the epoch: that of the record behind the last one of the file. 0 if
 * no file says it.
 */
export function nextOwnStartIn(disk: Disk, folder: string, { epoch, segment }: SegmentId): number {
  const next = { epoch, segment: segment + 1 };
  const paths = [historyFilePath, segmentPath, quarantineFilePath];
  const starts = paths.map((path) => ownStartIn(disk, path(folder, next), next));
  return starts.find((start) => start !== undefined) ?? 0;
}

/** Of a file that cannot be read there are no bytes: it counts as damaged. undefined if it is not there. */
export async function readKept(disk: Disk, path: string): Promise<Buffer | undefined> {
  try {
    return await disk.read(path);
  } catch (error) {
    if (isUnreadable(error)) return Buffer.alloc(0);
    throw error;
  }
}

/** As readKept(). */
function partReader(disk: Disk, path: string): ReadPart {
  return (offset, bytes) => {
    try {
      return disk.readPart(path, offset, bytes);
    } catch (error) {
      if (isUnreadable(error)) return Buffer.alloc(0);
      throw error;
    }
  };
}

/** Something else has the name of a file, such as a link, or the user may not read it. */
function isUnreadable(error: unknown): boolean {
  return unreadable.has(systemErrorCode(error));
}

const unreadable: ReadonlySet<string> = new Set(['ELOOP', 'EINVAL', 'EFBIG', 'EISDIR', 'EACCES']);

/** When the first of its own records was written; undefined if it is not known. */
export function beginOf(disk: Disk, path: string, id: SegmentId): number | undefined {
  const own = findStamp(partReader(disk, path), id);
  return own && own.stamp.time > 0 ? own.stamp.time : undefined;
}

function readStart(readPart: ReadPart, id: SegmentId): StampRecord | undefined {
  const own = findStamp(readPart, id);
  if (!own) return undefined;
  const prologue = prologueOf(readPart(0, own.end), id);
  return { ...own.stamp, sequence: Math.min(own.stamp.sequence, prologue?.start ?? Infinity) };
}

interface OwnStamp {
  readonly stamp: StampRecord;
  readonly end: number;
  readonly isPacked: boolean;
}

/** The stamp behind a prologue, or the first one of a packed file, and where it ends. */
function findStamp(readPart: ReadPart, id: SegmentId): OwnStamp | undefined {
  const first = storeRecordAt(readPart, 0, id);
  if (first?.record.kind === 'stamp') {
    return { stamp: first.record, end: first.end, isPacked: true };
  }
  // A segment begins with two copies of its header, and the first may be corrupt.
  const second = first ?? storeRecordAt(readPart, nextOffset(readPart, id), id);
  if (second?.record.kind !== 'segment') return undefined;
  const end = (first ? second.end : second.offset) + second.record.prologueBytes;
  const last = storeRecordAt(readPart, end - stampBytes, id);
  return last?.record.kind === 'stamp' ? { stamp: last.record, end, isPacked: false } : undefined;
}

/** Where the first record behind the begin of the file begins. */
function nextOffset(readPart: ReadPart, id: SegmentId): number {
  const bytes = readPart(0, headersBytesRead);
  return nextRecord(bytes, 1, bytes.length, segmentSeed(id));
}

/** The prologue of a segment. */
export interface Prologue {
  readonly end: number;
  /** The number of the record behind it; undefined if it has no stamp. */
  readonly ownStart: number | undefined;
  /** The lowest number of a record in it, which its owner carried over; else as `ownStart`. */
  readonly start: number | undefined;
  /** It is not corrupt, and all there. */
  readonly isWhole: boolean;
}

/** undefined for a file that begins with no segment header. */
export function prologueOf(bytes: Buffer, id: SegmentId): Prologue | undefined {
  const seed = segmentSeed(id);
  let end: number | undefined;
  let ownStart: number | undefined;
  let start: number | undefined;
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
    ownStart = record.sequence;
    start = Math.min(start ?? ownStart, ownStart);
  }
  return end === undefined
    ? undefined
    : { end, ownStart, start, isWhole: isWhole && bytes.length >= end };
}

/**
 * Whether there is a record of the engine behind the prologue; anywhere in a file of an earlier version, which does not
 * say where its prologue ends. Corruption does not hide the records that follow it.
 */
export function hasOwnRecords(file: FileContent): boolean {
  const { bytes, id } = file;
  const own = findStamp((offset, count) => bytes.subarray(offset, offset + count), id);
  return hasRecordsFrom(own?.end ?? 0, file);
}

/** Whether there is a record of the engine from this offset on. */
export function hasRecordsFrom(begin: number, { bytes, id }: FileContent): boolean {
  const scan = new HeaderScan(bytes, bytes.length, segmentSeed(id));
  while (scan.next()) {
    if (scan.isLost || scan.offset < begin) continue;
    if (!isStoreType(typeAt(bytes, scan.offset))) return true;
  }
  return false;
}

function recordAt(readPart: ReadPart, offset: number, id: SegmentId) {
  const bytes = readPart(offset, recordBytes(readPart(offset, recordHeaderBytes)));
  return readRecord(bytes, 0, segmentSeed(id));
}

function storeRecordAt(readPart: ReadPart, offset: number, id: SegmentId) {
  const raw = recordAt(readPart, offset, id);
  if (!raw) return undefined;
  try {
    const record = decodeStoreRecord(raw);
    return record && { record, offset, end: offset + raw.end };
  } catch {
    return undefined;
  }
}
