// What a segment begins with: its header twice, the records that come first, and the deduplication snapshot.
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

/** `header`: of a prologue of any length. `snapshot`: the state after the records. */
export function encodePrologue(
  header: SegmentRecord,
  records: EncodedRecords,
  snapshot: readonly (JournalRecord | StoreRecord)[],
  seed: Seed,
): SegmentPrologue {
  const behind = encodeAll(snapshot, seed).buffers;
  const headerBytes = byteLength(encodeRecord(header, seed));
  const prologueBytes = headerBytes + byteLength(records.buffers) + byteLength(behind);
  const encoded = encodeRecord({ ...header, prologueBytes }, seed);
  // Twice: corruption of the only list of the segments that count would cost more than one message.
  const buffers = [...encoded, ...encoded, ...records.buffers, ...behind];
  const recordsBegin = 2 * headerBytes;
  return { buffers, recordsBegin, snapshotBytes: recordsBegin + byteLength(behind) };
}
