// Records as they are written to one segment.
import type { JournalRecord } from '../model/records.ts';
import type { LiveIndex, LogFile } from './live-index.ts';
import { encodeRecord, type StoreRecord } from './record-codec.ts';
import type { Seed } from './record-framing.ts';
import { byteLength } from './segment-writer.ts';

export interface SegmentEntry {
  /** undefined if its type is unknown. */
  readonly record: JournalRecord | StoreRecord | undefined;
  readonly buffers: readonly Buffer[];
}

export function entriesOf(
  records: readonly (JournalRecord | StoreRecord)[],
  seed: Seed,
): readonly SegmentEntry[] {
  return records.map((record) => ({ record, buffers: encodeRecord(record, seed) }));
}

/** `offset`: of the first of them in the file. Returns the messages that they ended. */
export function applyEntries(
  live: LiveIndex,
  entries: readonly SegmentEntry[],
  file: LogFile,
  offset: number,
): readonly number[] {
  let begin = offset;
  return entries.flatMap(({ record, buffers }) => {
    const location = { file, offset: begin, bytes: byteLength(buffers) };
    begin += location.bytes;
    return record ? live.apply(record, location) : [];
  });
}
