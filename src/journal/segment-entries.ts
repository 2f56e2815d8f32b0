// Records as they are written to one segment.
import { ByteWriter } from '../base/binary.ts';
import type { JournalRecord } from '../model/records.ts';
import type { LiveIndex, LogFile } from './live-index.ts';
import { type StoreRecord, writeRecord } from './record-codec.ts';
import type { Seed } from './record-framing.ts';
import { byteLength } from './segment-writer.ts';

/** A record that is written again, or anew. */
export interface SegmentEntry {
  /** undefined if its type is unknown. */
  readonly record: JournalRecord | StoreRecord | undefined;
  readonly buffers: readonly Buffer[];
}

/** Records that are written together. */
export interface EncodedRecords {
  readonly records: readonly SegmentEntry['record'][];
  readonly buffers: readonly Buffer[];
  /** Where each of them ends, from the first byte of all. */
  readonly ends: readonly number[];
}

/** A body of this length costs less if it is written from where it lies. */
const copiedBytesMax = 16 * 1024;
/** Of a record without a large body, as a guess. */
const recordBytesUsual = 512;

/** Only large bodies are not copied. */
export function encodeAll(
  records: readonly (JournalRecord | StoreRecord)[],
  seed: Seed,
): EncodedRecords {
  const buffers: Buffer[] = [];
  const ends: number[] = [];
  let writer = new ByteWriter(records.length * recordBytesUsual);
  let end = 0;
  for (const record of records) {
    const begin = writer.length;
    const body = writeRecord(writer, record, seed);
    end += writer.length - begin + body.length;
    ends.push(end);
    if (body.length <= copiedBytesMax) {
      writer.raw(body);
      continue;
    }
    buffers.push(writer.bytes(), body);
    writer = new ByteWriter();
  }
  if (writer.length > 0) buffers.push(writer.bytes());
  return { records, buffers, ends };
}

export function encodedEntries(entries: readonly SegmentEntry[]): EncodedRecords {
  let end = 0;
  return {
    records: entries.map(({ record }) => record),
    buffers: entries.flatMap(({ buffers }) => buffers),
    ends: entries.map(({ buffers }) => (end += byteLength(buffers))),
  };
}

/** `offset`: of the first of them in the file. `ended` is called with each message that they end. */
export function applyEncoded(
  live: LiveIndex,
  { records, ends }: EncodedRecords,
  file: LogFile,
  offset: number,
  ended: (number: number) => void,
): void {
  let begin = offset;
  for (const [index, record] of records.entries()) {
    const bytes = offset + (ends[index] as number) - begin;
    if (record)
      for (const number of live.apply(record, { file, offset: begin, bytes })) ended(number);
    begin += bytes;
  }
}
