// Makes a store look as a version wrote it that knew no stamps.
import { decodeStoreRecord, isStoreRecord } from '../../../src/journal/record-codec.ts';
import {
  isRecord,
  isValid,
  metaOf,
  type SegmentId,
  scanRecords,
  sealRecord,
  segmentSeed,
} from '../../../src/journal/record-framing.ts';
import type { CrashDisk } from './crash-disk.ts';

/** A type that no version knows, and that may be skipped. */
const unknownType = 250;
const segmentName = /epochs\/(\d+)\/seg-(\d+)\.log$/;

/** Each stamp of the log becomes a record of the same length that is skipped. */
export function removeStamps(disk: CrashDisk): void {
  for (const [path, bytes] of disk.files()) {
    const [, epoch, segment] = segmentName.exec(path) ?? [];
    if (!epoch || !segment) continue;
    blankStamps(bytes, { epoch: Number(epoch), segment: Number(segment) });
    disk.tamper(path, bytes);
  }
}

function blankStamps(bytes: Buffer, id: SegmentId): void {
  const seed = segmentSeed(id);
  for (const found of [...scanRecords(bytes, bytes.length, seed)]) {
    if (!isRecord(found) || !isValid(found) || !isStoreRecord(found)) continue;
    if (decodeStoreRecord(found)?.kind !== 'stamp') continue;
    const { flags, body, bodyChecksum, offset } = found;
    const fields = { type: unknownType, flags, body, bodyChecksum };
    Buffer.concat(sealRecord(fields, (writer) => writer.raw(metaOf(found)), seed)).copy(
      bytes,
      offset,
    );
  }
}
