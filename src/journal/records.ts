// Records to bytes and back: docs/journal.md. No file is touched here.
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { ByteReader, ByteWriter } from '../core/bytes.ts';
import {
  readEnvelope,
  readMessageId,
  readName,
  readNumber,
  readSessionId,
  writeEnvelope,
} from '../core/envelope.ts';
import { IpcError, unreachable } from '../core/errors.ts';
import { bodyBytesMax, headerBytesMax, idBytesMax, namedIdsMax } from '../core/limits.ts';
import { type Envelope, parseSessionId, type SessionId } from '../core/message.ts';
import type { JournalRecord } from '../core/requests.ts';

/** Raised when an older program could no longer read the store. */
export const journalFormat = 1;

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

/** The first bytes of a segment, as many as count. */
export interface Extent extends SegmentId {
  readonly bytes: number;
}

/** A place in the segments of one epoch. Segment 0 is before all of them. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

/** First in every segment. */
export interface SegmentRecord {
  readonly kind: 'segment';
  readonly format: number;
  /** The store's id, 32 hex digits. */
  readonly store: string;
  /** Above the number of every message written before. */
  readonly nextNumber: number;
  /** Bytes after this record without which the first segment of an epoch does not count. */
  readonly openingBytes: number;
  /** A mark, as of when the segment was begun. */
  readonly durable: Position;
  /** Every earlier segment that counts, oldest first. */
  readonly earlier: readonly Extent[];
}

/** All bytes of this epoch before `durable` were synced before this was written. */
export interface MarkRecord {
  readonly kind: 'mark';
  readonly durable: Position;
}

/** The segment counts no more: what was live in it was copied, and synced, before this was written. */
export interface RemovedRecord extends SegmentId {
  readonly kind: 'removed';
}

export type StoreRecord = SegmentRecord | MarkRecord | RemovedRecord;

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
const flagOptional = 1;

const typeOf = {
  segment: 1,
  mark: 2,
  removed: 3,
  posted: 16,
  copied: 17,
  offered: 18,
  settled: 19,
  released: 20,
  moved: 21,
  session: 22,
  forgotten: 23,
  named: 24,
} as const satisfies Record<(JournalRecord | StoreRecord)['kind'], number>;

const kindOf = new Map<number, keyof typeof typeOf>(
  Object.entries(typeOf).map(([kind, type]) => [type, kind as keyof typeof typeOf]),
);
const noBody = Buffer.alloc(0);

/** What the header checksums of one segment start from: a record is sound in its own segment only. */
export type Seed = number & { readonly brand: 'Seed' };

export function segmentSeed({ epoch, segment }: SegmentId): Seed {
  return crc32(new ByteWriter().u32(epoch).u32(segment).bytes()) as Seed;
}

/** The body is not copied. */
export function encodeRecord(record: JournalRecord | StoreRecord, seed: Seed): Buffer[] {
  const writer = new ByteWriter().raw(Buffer.alloc(recordHeaderBytes));
  writeMeta(writer, record);
  const head = writer.bytes();
  const body = 'body' in record ? record.body : noBody;
  const bodyChecksum = 'body' in record ? record.envelope.checksum : 0;
  sealHead(head, { type: typeOf[record.kind], flags: 0, body, bodyChecksum }, seed);
  return body.length > 0 ? [head, body] : [head];
}

/** The same record for another segment. */
export function resealRecord(record: RawRecord, seed: Seed): Buffer[] {
  const head = Buffer.concat([Buffer.alloc(recordHeaderBytes), record.meta]);
  sealHead(head, record, seed);
  return record.body.length > 0 ? [head, record.body] : [head];
}

type Sealed = Pick<RawRecord, 'type' | 'flags' | 'body' | 'bodyChecksum'>;

function sealHead(head: Buffer, { type, flags, body, bodyChecksum }: Sealed, seed: Seed): void {
  const metaBytes = head.length - recordHeaderBytes;
  assert(metaBytes <= metaBytesMax && body.length <= bodyBytesMax, 'a record has its limits');
  head.writeUInt16BE(magic, 0);
  head.writeUInt8(type, 2);
  head.writeUInt8(flags, 3);
  head.writeUInt32BE(metaBytes, 4);
  head.writeUInt32BE(body.length, 8);
  head.writeUInt32BE(bodyChecksum, 12);
  head.writeUInt32BE(headChecksum(head, 0, metaBytes, seed), 16);
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

/** Marks anywhere from `offset` on, whatever lies between them. */
export function* findMarks(bytes: Buffer, offset: number, seed: Seed): Generator<MarkRecord> {
  let at = bytes.indexOf(magicBytes, offset);
  for (; at !== -1; at = bytes.indexOf(magicBytes, at + 1)) {
    if (bytes[at + 2] !== typeOf.mark) continue;
    const record = readRecord(bytes, at, seed);
    if (record) yield readMark(new ByteReader(record.meta));
  }
}

/** A record of the journal's own, which no other segment may repeat. */
export function isStoreRecord({ type }: RawRecord): boolean {
  return type === typeOf.segment || type === typeOf.mark || type === typeOf.removed;
}

/** Records of the journal's own; undefined for any other. */
export function decodeStoreRecord(record: RawRecord): StoreRecord | undefined {
  return decoded(record, (reader) => {
    switch (record.type) {
      case typeOf.segment:
        return readSegment(reader);
      case typeOf.mark:
        return readMark(reader);
      case typeOf.removed:
        return { kind: 'removed', epoch: reader.u32(), segment: reader.u32() };
      default:
        return undefined;
    }
  });
}

/** Records of the engine; undefined for the journal's own, and for those that may be passed over. */
export function decodeRecord(record: RawRecord): JournalRecord | undefined {
  const kind = kindOf.get(record.type);
  if (kind === undefined) {
    if (record.flags & flagOptional) return undefined;
    throw new IpcError('store_newer', `the store has records of type ${record.type}`);
  }
  return decoded(record, (reader) => readMeta(kind, reader, record));
}

/** What passed its checksum and still breaks a rule was wrong before it was written. */
function decoded<T>(record: RawRecord, read: (reader: ByteReader) => T | undefined): T | undefined {
  const reader = new ByteReader(record.meta);
  try {
    const value = read(reader);
    if (value !== undefined) reader.end();
    return value;
  } catch (error) {
    if (!(error instanceof IpcError) || error.code === 'store_newer') throw error;
    const what = `a record of type ${record.type} at byte ${record.offset}: ${error.message}`;
    throw new IpcError('store_damaged', what, { cause: error });
  }
}

function writeMeta(writer: ByteWriter, record: JournalRecord | StoreRecord): void {
  switch (record.kind) {
    case 'segment':
      return writeSegment(writer, record);
    case 'mark':
      return writePosition(writer, record.durable);
    case 'removed':
      writer.u32(record.epoch).u32(record.segment);
      return;
    case 'posted':
      writeEnvelope(writer, record.envelope);
      writer.u64(record.mark).list(record.settles, (number) => writer.u64(number));
      return;
    case 'copied':
      writeEnvelope(writer, record.envelope);
      writer.text(record.mailbox).u32(record.attempt).text(record.holder);
      return;
    case 'offered':
      writer.u64(record.number).text(record.holder).u32(record.attempt);
      return;
    case 'settled':
      writer.list(record.numbers, (number) => writer.u64(number));
      return;
    case 'released':
      writer.u64(record.number).u32(record.attempt);
      return;
    case 'moved':
      writer.u64(record.number).text(record.mailbox).u32(record.attempt);
      return;
    case 'session':
      writer.text(record.session).u64(record.mark);
      writer.list(record.answers, ([count, number]) => writer.u64(count).u64(number));
      return;
    case 'forgotten':
      writer.text(record.session);
      return;
    case 'named':
      writer.list(record.ids, ([id, number]) => writer.text(id).u64(number));
      return;
    default:
      return unreachable(record);
  }
}

function readMeta(
  kind: keyof typeof typeOf,
  reader: ByteReader,
  { body, bodyChecksum }: RawRecord,
): JournalRecord | undefined {
  switch (kind) {
    case 'segment':
    case 'mark':
    case 'removed':
      return undefined;
    case 'posted': {
      const envelope = readEnvelopeOf(reader, body, bodyChecksum);
      const mark = reader.u64();
      return { kind, envelope, mark, settles: reader.list(8, () => readNumber(reader)), body };
    }
    case 'copied': {
      const envelope = readEnvelopeOf(reader, body, bodyChecksum);
      const mailbox = readName(reader);
      return { kind, envelope, mailbox, attempt: reader.u32(), holder: readHolder(reader), body };
    }
    case 'offered': {
      const number = readNumber(reader);
      return { kind, number, holder: readSessionId(reader), attempt: reader.u32() };
    }
    case 'settled':
      return { kind, numbers: reader.list(8, () => readNumber(reader)) };
    case 'released':
      return { kind, number: readNumber(reader), attempt: reader.u32() };
    case 'moved': {
      const number = readNumber(reader);
      return { kind, number, mailbox: readName(reader), attempt: reader.u32() };
    }
    case 'session': {
      const session = readSessionId(reader);
      const mark = reader.u64();
      return { kind, session, mark, answers: reader.list(16, () => readAnswer(reader)) };
    }
    case 'forgotten':
      return { kind, session: readSessionId(reader) };
    case 'named':
      return { kind, ids: reader.list(10, () => [readMessageId(reader), readNumber(reader)]) };
    default:
      return unreachable(kind);
  }
}

function readEnvelopeOf(reader: ByteReader, body: Buffer, bodyChecksum: number): Envelope {
  const envelope = readEnvelope(reader);
  if (envelope.bodyBytes !== body.length || envelope.checksum !== bodyChecksum) {
    throw new IpcError('bad_frame', `message ${envelope.number} has the body of another`);
  }
  return envelope;
}

function readHolder(reader: ByteReader): SessionId | '' {
  const holder = reader.text();
  return holder === '' ? '' : parseSessionId(holder);
}

function readAnswer(reader: ByteReader): readonly [count: number, number: number] {
  return [reader.u64(), readNumber(reader)];
}

function writeSegment(writer: ByteWriter, record: SegmentRecord): void {
  writer.u16(record.format).raw(Buffer.from(record.store, 'hex'));
  writer.u64(record.nextNumber).u64(record.openingBytes);
  writePosition(writer, record.durable);
  writer.list(record.earlier, ({ epoch, segment, bytes }) =>
    writer.u32(epoch).u32(segment).u64(bytes),
  );
}

/** The format comes first, for ever, so that a newer one is told from a damaged one. */
function readSegment(reader: ByteReader): SegmentRecord {
  const format = reader.u16();
  if (format > journalFormat) {
    throw new IpcError('store_newer', `the store has format ${format}; this is ${journalFormat}`);
  }
  const store = reader.raw(16).toString('hex');
  const nextNumber = reader.u64();
  const openingBytes = reader.u64();
  const durable = readPosition(reader);
  const earlier = reader.list(16, () => ({
    epoch: reader.u32(),
    segment: reader.u32(),
    bytes: reader.u64(),
  }));
  return { kind: 'segment', format, store, nextNumber, openingBytes, durable, earlier };
}

function readMark(reader: ByteReader): MarkRecord {
  return { kind: 'mark', durable: readPosition(reader) };
}

function writePosition(writer: ByteWriter, { segment, offset }: Position): void {
  writer.u32(segment).u64(offset);
}

function readPosition(reader: ByteReader): Position {
  return { segment: reader.u32(), offset: reader.u64() };
}
