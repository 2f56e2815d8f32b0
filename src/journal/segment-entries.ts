// Records as they are written to one segment.
import { ByteWriter } from '../base/binary.ts';
import type { JournalRecord } from '../model/records.ts';
import type { BodyCache, WrittenBytes } from './body-cache.ts';
import type { LiveIndex, LogFile } from './live-index.ts';
import { writeRecord } from './record-codec.ts';
import type { Seed } from './record-framing.ts';
import type { StoreRecord } from './record-types.ts';
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

/** A longer body costs less if it is written from where it lies. */
export const copiedBytesMax = 16 * 1024;
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

/**
 * `offset`: of the first of them in the file. The bodies of posts stay in the cache, if there is one. Those that are
 * copied are of old messages, and would take the room of newer ones.
 */
export function applyEncoded(
  live: LiveIndex,
  { records, buffers, ends }: EncodedRecords,
  file: LogFile,
  offset: number,
  cache?: BodyCache,
): void {
  let begin = 0;
  /** Buffers up to here are done, and where they end. */
  let [taken, takenEnd] = [0, 0];
  let written: WrittenBytes | undefined;
  for (let index = 0; index < records.length; index++) {
    const [record, end] = [records[index], ends[index] as number];
    // The body of a record is at its end.
    while (takenEnd < end) {
      takenEnd += (buffers[taken++] as Buffer).length;
      written = undefined;
    }
    const isCached = record?.kind === 'posted' && record.body !== undefined;
    // The bytes are dropped when no message before this one is live.
    if (isCached && !written?.bytes) {
      const buffer = buffers[taken - 1] as Buffer;
      written = cache?.add(buffer, offset + takenEnd - buffer.length);
    }
    const cached = isCached ? written : undefined;
    const location = { file, offset: offset + begin, bytes: end - begin, written: cached };
    if (record) live.apply(record, location);
    begin = end;
  }
}
