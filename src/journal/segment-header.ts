// The record that every segment begins with, and positions in the log.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import type { SegmentId } from './record-framing.ts';

/** Raised when an older version can no longer read the store. */
export const journalFormat = 1;

/** Both copies of a header are within it, unless the store has more than a thousand segments. */
export const headersBytesRead = 65_536;

/** A segment, and how many of its first bytes count. */
export interface Extent extends SegmentId {
  readonly bytes: number;
}

/** A position in the segments of one epoch. Segment 0 is before all of them. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

/** The first record of every segment. */
export interface SegmentRecord {
  readonly kind: 'segment';
  readonly format: number;
  /** The store's id, 32 hex digits. */
  readonly store: string;
  /** Above the number of every message written before it. */
  readonly nextNumber: number;
  /** Length of the rest of the prologue. Without it the first segment of an epoch does not count. */
  readonly prologueBytes: number;
  /** The sync point at the time when the segment was begun. */
  readonly durable: Position;
  /** Every earlier segment that counts, oldest first. */
  readonly earlier: readonly Extent[];
}

export function writeSegment(writer: ByteWriter, record: SegmentRecord): void {
  writer.u16(record.format).raw(Buffer.from(record.store, 'hex'));
  writer.u64(record.nextNumber).u64(record.prologueBytes);
  writePosition(writer, record.durable);
  writer.list(record.earlier, (_, { epoch, segment, bytes }) =>
    writer.u32(epoch).u32(segment).u64(bytes),
  );
}

export function readSegment(reader: ByteReader): SegmentRecord {
  const format = readFormat(reader);
  const store = reader.raw(16).toString('hex');
  const nextNumber = reader.u64();
  const prologueBytes = reader.u64();
  const durable = readPosition(reader);
  const earlier = reader.list(16, () => ({
    epoch: reader.u32(),
    segment: reader.u32(),
    bytes: reader.u64(),
  }));
  return { kind: 'segment', format, store, nextNumber, prologueBytes, durable, earlier };
}

/** It always comes first, so that a newer one is not mistaken for corruption. Throws store_newer. */
export function readFormat(reader: ByteReader): number {
  const format = reader.u16();
  if (format <= journalFormat) return format;
  throw new IpcError(
    'store_newer',
    `written by a newer version (format ${format}; this is ${journalFormat})`,
  );
}

export function writePosition(writer: ByteWriter, { segment, offset }: Position): void {
  writer.u32(segment).u64(offset);
}

export function readPosition(reader: ByteReader): Position {
  return { segment: reader.u32(), offset: reader.u64() };
}
