// A record as bytes: 20 bytes of header, meta, body, each under a checksum; what the meta means is not
// known here. No file is touched.
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { ByteWriter } from '../core/bytes.ts';
import { bodyBytesMax, headerBytesMax, idBytesMax, namedIdsMax } from '../core/limits.ts';

/** Magic, type, flags, three lengths and checksums, and the checksum of all that and the meta. */
export const recordHeaderBytes = 20;
/** Longest meta. A segment's header and the ids given by hand are the longest there are. */
export const metaBytesMax = 4 * headerBytesMax;
assert(namedIdsMax * (1 + idBytesMax + 8) < metaBytesMax, 'all ids given by hand fit one record');

export interface SegmentId {
  readonly epoch: number;
  /** Counts from 1 within the epoch. */
  readonly segment: number;
}

/** Sound, but not understood yet. */
export interface RawRecord {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly end: number;
  readonly meta: Buffer;
  readonly body: Buffer;
  readonly bodyChecksum: number;
}

/** 0xff never occurs in UTF-8, so no body can hold what looks like a record. */
const magic = 0xff4a;
const magicBytes = Buffer.of(magic >> 8, magic & 0xff);
/** A reader that does not know the type may pass over the record. */
export const flagOptional = 1;
const blankHeader = Buffer.alloc(recordHeaderBytes);

/** What the header checksums of one segment start from: a record is sound in its own segment only. */
export type Seed = number & { readonly brand: 'Seed' };

export function segmentSeed({ epoch, segment }: SegmentId): Seed {
  return crc32(new ByteWriter().u32(epoch).u32(segment).bytes()) as Seed;
}

type Fields = Pick<RawRecord, 'type' | 'flags' | 'body' | 'bodyChecksum'>;

/** The bytes of a record; its body is not copied. */
export function sealRecord(
  { type, flags, body, bodyChecksum }: Fields,
  writeMeta: (writer: ByteWriter) => void,
  seed: Seed,
): Buffer[] {
  const writer = new ByteWriter().raw(blankHeader);
  writeMeta(writer);
  const head = writer.bytes();
  const metaBytes = head.length - recordHeaderBytes;
  assert(metaBytes <= metaBytesMax && body.length <= bodyBytesMax, 'a record has its limits');
  head.writeUInt16BE(magic, 0);
  head.writeUInt8(type, 2);
  head.writeUInt8(flags, 3);
  head.writeUInt32BE(metaBytes, 4);
  head.writeUInt32BE(body.length, 8);
  head.writeUInt32BE(bodyChecksum, 12);
  head.writeUInt32BE(headChecksum(head, 0, metaBytes, seed), 16);
  return body.length > 0 ? [head, body] : [head];
}

/** The same record for another segment. */
export function resealRecord(record: RawRecord, seed: Seed): Buffer[] {
  return sealRecord(record, (writer) => writer.raw(record.meta), seed);
}

function headChecksum(bytes: Buffer, offset: number, metaBytes: number, seed: Seed): number {
  const meta = offset + recordHeaderBytes;
  const fields = crc32(bytes.subarray(offset, offset + 16), seed);
  return crc32(bytes.subarray(meta, meta + metaBytes), fields);
}

/** The record that begins at `offset`; undefined unless header, meta and body are whole and sound. */
export function readRecord(bytes: Buffer, offset: number, seed: Seed): RawRecord | undefined {
  const head = readHead(bytes, offset, seed);
  if (!head || head.end > bytes.length) return undefined;
  const meta = bytes.subarray(offset + recordHeaderBytes, head.bodyOffset);
  const body = bytes.subarray(head.bodyOffset, head.end);
  const bodyChecksum = bytes.readUInt32BE(offset + 12);
  if (crc32(body) !== bodyChecksum) return undefined;
  const type = bytes.readUInt8(offset + 2);
  const flags = bytes.readUInt8(offset + 3);
  return { type, flags, offset, end: head.end, meta, body, bodyChecksum };
}

interface Head {
  readonly bodyOffset: number;
  readonly end: number;
}

/** Says where a sound record head ends, and where its body would. */
function readHead(bytes: Buffer, offset: number, seed: Seed): Head | undefined {
  if (offset + recordHeaderBytes > bytes.length) return undefined;
  if (bytes.readUInt16BE(offset) !== magic) return undefined;
  const metaBytes = bytes.readUInt32BE(offset + 4);
  const bodyBytes = bytes.readUInt32BE(offset + 8);
  if (metaBytes > metaBytesMax || bodyBytes > bodyBytesMax) return undefined;
  const bodyOffset = offset + recordHeaderBytes + metaBytes;
  if (bodyOffset > bytes.length) return undefined;
  const checksum = bytes.readUInt32BE(offset + 16);
  if (checksum !== headChecksum(bytes, offset, metaBytes, seed)) return undefined;
  return { bodyOffset, end: bodyOffset + bodyBytes };
}

/** How many bytes must be there to tell whether a record is sound, going by its first 20. */
export function recordBytes(bytes: Buffer): number {
  if (bytes.length < recordHeaderBytes || bytes.readUInt16BE(0) !== magic) return recordHeaderBytes;
  const metaBytes = Math.min(bytes.readUInt32BE(4), metaBytesMax);
  return recordHeaderBytes + metaBytes + Math.min(bytes.readUInt32BE(8), bodyBytesMax);
}

/** Sound records from the first byte on, up to the first that is not. */
export function* readRecords(bytes: Buffer, seed: Seed): Generator<RawRecord> {
  let offset = 0;
  for (;;) {
    const record = readRecord(bytes, offset, seed);
    if (!record) return;
    yield record;
    offset = record.end;
  }
}

/** Sound records of one type anywhere from `offset` on, whatever lies between them. */
export function* findRecords(
  bytes: Buffer,
  offset: number,
  seed: Seed,
  type: number,
): Generator<RawRecord> {
  let at = bytes.indexOf(magicBytes, offset);
  for (; at !== -1; at = bytes.indexOf(magicBytes, at + 1)) {
    const record = bytes[at + 2] === type ? readRecord(bytes, at, seed) : undefined;
    if (record) yield record;
  }
}
