// One file of history, or a segment: where its own records begin in the sequence, and what of it counts.
import { systemErrorCode } from '../base/errors.ts';
import type { Disk } from './disk.ts';
import { decodeStoreRecord, encodeRecord, type StampRecord } from './record-codec.ts';
import {
  readRecord,
  recordBytes,
  recordHeaderBytes,
  type SegmentId,
  segmentSeed,
} from './record-framing.ts';
import { stampOfNone } from './sequence.ts';

const stampBytes = encodeRecord(stampOfNone, segmentSeed({ epoch: 0, segment: 0 })).reduce(
  (sum, { length }) => sum + length,
  0,
);
/** Reads `bytes` of a file, or fewer at its end. */
type ReadPart = (offset: number, bytes: number) => Buffer;

/**
 * The stamp behind the prologue of a segment, or the first one of a packed file. Records of earlier files with its number
 * or a higher one do not count: they were not durable when its owner opened. undefined if an earlier version wrote it.
 */
export function startOf(bytes: Buffer, id: SegmentId): StampRecord | undefined {
  return readStart((offset, count) => bytes.subarray(offset, offset + count), id);
}

/** startOf() of a file on disk. */
export function startIn(disk: Disk, path: string, id: SegmentId): StampRecord | undefined {
  try {
    return readStart((offset, bytes) => disk.readPart(path, offset, bytes), id);
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
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

/** Something else has the name of a file, such as a link, or the user may not read it. */
function isUnreadable(error: unknown): boolean {
  return unreadable.has(systemErrorCode(error));
}

const unreadable: ReadonlySet<string> = new Set(['ELOOP', 'EINVAL', 'EFBIG', 'EISDIR', 'EACCES']);

/** When the first of its own records was written; undefined if it is not known. */
export function beginOf(disk: Disk, path: string, id: SegmentId): number | undefined {
  const start = startIn(disk, path, id);
  return start && start.time > 0 ? start.time : undefined;
}

function readStart(readPart: ReadPart, id: SegmentId): StampRecord | undefined {
  const first = storeRecordAt(readPart, 0, id);
  if (first?.record.kind === 'stamp') return first.record;
  // A segment begins with two copies of its header, and the first may be corrupt.
  const second = first ?? storeRecordAt(readPart, recordBytes(readPart(0, recordHeaderBytes)), id);
  if (second?.record.kind !== 'segment') return undefined;
  const prologueEnd = (first ? second.end : second.offset) + second.record.prologueBytes;
  const last = storeRecordAt(readPart, prologueEnd - stampBytes, id);
  return last?.record.kind === 'stamp' ? last.record : undefined;
}

function storeRecordAt(readPart: ReadPart, offset: number, id: SegmentId) {
  const bytes = readPart(offset, recordBytes(readPart(offset, recordHeaderBytes)));
  const raw = readRecord(bytes, 0, segmentSeed(id));
  if (!raw) return undefined;
  try {
    const record = decodeStoreRecord(raw);
    return record && { record, offset, end: offset + raw.end };
  } catch {
    return undefined;
  }
}
