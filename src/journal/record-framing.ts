// The framing of a record: a header of 20 bytes, meta, and body, with checksums over all of it. The meaning
// of the meta is in record-codec.ts. Does no I/O.
import assert from 'node:assert/strict';
import { ByteWriter, putU32, u32At } from '../base/binary.ts';
import { crc32, shortCrc32 } from '../base/crc32.ts';
import { bodyBytesMax, headerBytesMax, prologueBytesMax } from '../base/limits.ts';

/** Magic, type, flags, metaBytes, bodyBytes, bodyChecksum, headerChecksum. */
export const recordHeaderBytes = 20;
/** Longest meta. Segment headers and records of remembered ids are the longest. */
const metaBytesMax = 4 * headerBytesMax;
assert(prologueBytesMax <= metaBytesMax, 'all remembered ids of one kind fit one record');

export interface SegmentId {
  readonly epoch: number;
  /** Counts from 1 within the epoch. */
  readonly segment: number;
}

/** A record with a valid header, before its meta is decoded. */
export interface RawRecord {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly end: number;
  /** In which its meta lies, from `metaOffset` to `bodyOffset`. */
  readonly bytes: Buffer;
  readonly metaOffset: number;
  readonly bodyOffset: number;
  /** undefined if it is corrupt, or not all there. */
  readonly body: Buffer | undefined;
  readonly bodyChecksum: number;
}

/** A record with a valid header and body. */
export interface ValidRecord extends RawRecord {
  readonly body: Buffer;
}

/** A range in which no record with a valid header begins. */
export interface LostBytes {
  readonly offset: number;
  readonly end: number;
}

/** 0xff never occurs in UTF-8, so no body can hold bytes that look like a record. */
const magic = 0xff4a;
const magicBytes = Buffer.of(magic >> 8, magic & 0xff);
/** A reader that does not know the type may skip the record. */
export const flagOptional = 1;
/** Longest meta whose checksum is computed in JavaScript; nearly all are shorter. */
const shortMetaBytes = 256;

/** Start value of a segment's header checksums: so a record is valid in its own segment only. */
export type Seed = number & { readonly brand: 'Seed' };

export function segmentSeed({ epoch, segment }: SegmentId): Seed {
  return crc32(new ByteWriter().u32(epoch).u32(segment).bytes()) as Seed;
}

type Fields = Pick<ValidRecord, 'type' | 'flags' | 'body' | 'bodyChecksum'>;

/** Returns the bytes of a record; the body is not copied. */
export function sealRecord(
  fields: Fields,
  writeMeta: (writer: ByteWriter) => void,
  seed: Seed,
): Buffer[] {
  const writer = new ByteWriter();
  const begin = beginRecord(writer);
  writeMeta(writer);
  endMeta(writer, begin, fields, seed);
  return fields.body.length > 0 ? [writer.bytes(), fields.body] : [writer.bytes()];
}

/** Leaves place for the header. The meta is to be written behind it, then endMeta() called, then the body written. */
export function beginRecord(writer: ByteWriter): number {
  return writer.skip(recordHeaderBytes);
}

/** Writes the header of the record that began there, once its meta is written. */
export function endMeta(
  writer: ByteWriter,
  begin: number,
  { type, flags, body, bodyChecksum }: Fields,
  seed: Seed,
): void {
  const metaBytes = writer.length - begin - recordHeaderBytes;
  assert(metaBytes <= metaBytesMax, 'the meta of a record stays within its limit');
  assert(body.length <= bodyBytesMax, 'the body of a record stays within its limit');
  const bytes = writer.memory;
  putU32(bytes, begin, ((magic << 16) | (type << 8) | flags) >>> 0);
  putU32(bytes, begin + 4, metaBytes);
  putU32(bytes, begin + 8, body.length);
  putU32(bytes, begin + 12, bodyChecksum);
  putU32(bytes, begin + 16, headerChecksum(bytes, begin, metaBytes, seed));
}

/** The same record, for another segment. */
export function resealRecord(record: ValidRecord, seed: Seed): Buffer[] {
  return sealRecord(record, (writer) => writer.raw(metaOf(record)), seed);
}

function headerChecksum(bytes: Buffer, offset: number, metaBytes: number, seed: Seed): number {
  // Of the header up to the checksum in it.
  const sum = shortCrc32(bytes, offset, offset + 16, seed);
  const meta = offset + recordHeaderBytes;
  const end = meta + metaBytes;
  if (metaBytes <= shortMetaBytes) return shortCrc32(bytes, meta, end, sum);
  return crc32(bytes.subarray(meta, end), sum);
}

export function metaOf({ bytes, metaOffset, bodyOffset }: RawRecord): Buffer {
  return bytes.subarray(metaOffset, bodyOffset);
}

/** The record that begins at `offset`; undefined unless all of it is valid. */
export function readRecord(bytes: Buffer, offset: number, seed: Seed): ValidRecord | undefined {
  const record = readRawRecord(bytes, offset, seed);
  return record && isValid(record) ? record : undefined;
}

export function isValid(record: RawRecord): record is ValidRecord {
  return record.body !== undefined;
}

/** The record that begins at `offset`, even with a corrupt body; undefined without a valid header. */
function readRawRecord(bytes: Buffer, offset: number, seed: Seed): RawRecord | undefined {
  const header = readHeader(bytes, offset, seed);
  return header && rawRecordAt(bytes, header);
}

/** The record with this header. `isChecked`: its body is compared with its checksum. */
export function rawRecordAt(bytes: Buffer, header: RecordHeader, isChecked = true): RawRecord {
  const { offset, bodyOffset, end } = header;
  const bodyChecksum = bodyChecksumAt(bytes, offset);
  const read = bytes.subarray(bodyOffset, end);
  const isWhole = end <= bytes.length && (!isChecked || crc32(read) === bodyChecksum);
  const type = typeAt(bytes, offset);
  const flags = bytes.readUInt8(offset + 3);
  const metaOffset = offset + recordHeaderBytes;
  const body = isWhole ? read : undefined;
  return { type, flags, offset, end, bytes, metaOffset, bodyOffset, body, bodyChecksum };
}

/** A valid header: where its record, and the body of that, begins and ends. */
export interface RecordHeader {
  readonly offset: number;
  readonly bodyOffset: number;
  readonly end: number;
}

/** undefined if the header is not valid. */
export function readHeader(bytes: Buffer, offset: number, seed: Seed): RecordHeader | undefined {
  const bodyOffset = bodyOffsetOf(bytes, offset, seed);
  if (bodyOffset === 0) return undefined;
  return { offset, bodyOffset, end: bodyOffset + bodyBytesAt(bytes, offset) };
}

/** Where the body of the record that begins at `offset` begins; 0 if its header is not valid. */
function bodyOffsetOf(bytes: Buffer, offset: number, seed: Seed): number {
  if (offset + recordHeaderBytes > bytes.length) return 0;
  if (((bytes[offset] as number) << 8) + (bytes[offset + 1] as number) !== magic) return 0;
  const metaBytes = u32At(bytes, offset + 4);
  if (metaBytes > metaBytesMax || bodyBytesAt(bytes, offset) > bodyBytesMax) return 0;
  const bodyOffset = offset + recordHeaderBytes + metaBytes;
  if (bodyOffset > bytes.length) return 0;
  const checksum = headerChecksum(bytes, offset, metaBytes, seed);
  return checksum === u32At(bytes, offset + 16) ? bodyOffset : 0;
}

/** The type of the record that begins at `offset`, whose header is valid. */
export function typeAt(bytes: Buffer, offset: number): number {
  return bytes[offset + 2] as number;
}

/** The checksum of its body. */
export function bodyChecksumAt(bytes: Buffer, offset: number): number {
  return u32At(bytes, offset + 12);
}

/** The length of its body. */
export function bodyBytesAt(bytes: Buffer, offset: number): number {
  return u32At(bytes, offset + 8);
}

/** Length of the whole record, going by its first 20 bytes, which may be corrupt. */
export function recordBytes(bytes: Buffer): number {
  if (bytes.length < recordHeaderBytes || bytes.readUInt16BE(0) !== magic) return recordHeaderBytes;
  const metaBytes = Math.min(bytes.readUInt32BE(4), metaBytesMax);
  return recordHeaderBytes + metaBytes + Math.min(bytes.readUInt32BE(8), bodyBytesMax);
}

/** The valid records from `offset` on, up to the first that is not valid. */
export function* readRecords(bytes: Buffer, seed: Seed, offset = 0): Generator<ValidRecord> {
  let at = offset;
  for (;;) {
    const record = readRecord(bytes, at, seed);
    if (!record) return;
    yield record;
    at = record.end;
  }
}

/** All that the first `bytesMax` bytes hold; `bytes` may be shorter than that. */
export function* scanRecords(
  bytes: Buffer,
  bytesMax: number,
  seed: Seed,
): Generator<RawRecord | LostBytes> {
  for (const scan = new HeaderScan(bytes, bytesMax, seed); scan.next(); ) {
    yield scan.isLost ? { offset: scan.offset, end: scan.end } : rawRecordAt(bytes, scan);
  }
}

/**
 * The same without reading the records, and without an object of each: a replay passes a million of them. The scan itself
 * is the header of the record that it is at, until the next call of next().
 */
export class HeaderScan implements RecordHeader {
  readonly #bytes: Buffer;
  readonly #bytesMax: number;
  readonly #seed: Seed;
  offset = 0;
  bodyOffset = 0;
  end = 0;
  /** No record with a valid header begins from `offset` to `end`. */
  isLost = false;

  constructor(bytes: Buffer, bytesMax: number, seed: Seed) {
    this.#bytes = bytes;
    this.#bytesMax = bytesMax;
    this.#seed = seed;
  }

  /** False at the end. */
  next(): boolean {
    const bytes = this.#bytes;
    const bytesMax = this.#bytesMax;
    const offset = this.end;
    if (offset >= bytesMax) return false;
    const bodyOffset = bodyOffsetOf(bytes, offset, this.#seed);
    const end = bodyOffset === 0 ? 0 : bodyOffset + bodyBytesAt(bytes, offset);
    this.offset = offset;
    this.bodyOffset = bodyOffset;
    this.isLost = bodyOffset === 0 || end > bytesMax;
    this.end = this.isLost ? nextRecord(bytes, offset + 1, bytesMax, this.#seed) : end;
    return true;
  }
}

export function isRecord(found: RawRecord | LostBytes): found is RawRecord {
  return 'type' in found;
}

/** Offset of the next record that ends by `bytesMax`; without one, `bytesMax`. */
export function nextRecord(bytes: Buffer, from: number, bytesMax: number, seed: Seed): number {
  let at = bytes.indexOf(magicBytes, from);
  for (; at !== -1; at = bytes.indexOf(magicBytes, at + 1)) {
    const header = readHeader(bytes, at, seed);
    if (header && header.end <= bytesMax) return at;
  }
  return bytesMax;
}
