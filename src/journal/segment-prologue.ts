// The prologue of a segment: its header twice, the records that an owner carries over or that found no room in the segment
// before, the deduplication snapshot, and a stamp.
import type { JournalRecord } from '../model/records.ts';
import { encodeRecord } from './record-codec.ts';
import type { Seed } from './record-framing.ts';
import type { StoreRecord } from './record-types.ts';
import { type EncodedRecords, encodeAll } from './segment-entries.ts';
import type { SegmentRecord } from './segment-header.ts';
import { byteLength } from './segment-writer.ts';

export interface SegmentPrologue {
  readonly buffers: readonly Buffer[];
  /** Where its records begin, from the first byte of the segment on. */
  readonly recordsBegin: number;
  /** Length of all but the records. */
  readonly snapshotBytes: number;
}

/** `snapshot`: the state after the records, and the stamp. */
export function encodePrologue(
  header: Omit<SegmentRecord, 'prologueBytes'>,
  records: EncodedRecords,
  snapshot: readonly (JournalRecord | StoreRecord)[],
  seed: Seed,
): SegmentPrologue {
  const behind = encodeAll(snapshot, seed).buffers;
  const headerBytes = byteLength(encodeRecord({ ...header, prologueBytes: 0 }, seed));
  const prologueBytes = headerBytes + byteLength(records.buffers) + byteLength(behind);
  const encoded = encodeRecord({ ...header, prologueBytes }, seed);
  // Twice: corruption of the only list of the segments that count would cost more than one message.
  const buffers = [...encoded, ...encoded, ...records.buffers, ...behind];
  const recordsBegin = 2 * headerBytes;
  return { buffers, recordsBegin, snapshotBytes: recordsBegin + byteLength(behind) };
}
