// Encodes and decodes the records of docs/internals/journal.md. Does no I/O.
import assert from 'node:assert/strict';
import { ByteReader, type ByteWriter } from '../base/binary.ts';
import { IpcError, unreachable } from '../base/errors.ts';
import { shared } from '../base/shared-values.ts';
import {
  orderedEnvelope,
  pastHoldBytesMin,
  readEnvelope,
  readFlag,
  readMessageId,
  readNumber,
  readOriginFolder,
  readPastHold,
  readSessionId,
  readStoredName,
  readStoredNameOrNone,
  readTime,
  withFolder,
  writeEnvelope,
  writePastHold,
} from '../model/envelope.ts';
import {
  type Envelope,
  type Hold,
  type MessageId,
  parseSessionId,
  type SessionId,
} from '../model/message.ts';
import type {
  CopiedRecord,
  FingerprintsRecord,
  Holding,
  JournalRecord,
  PostedRecord,
  SessionRecord,
} from '../model/records.ts';
import {
  beginRecord,
  endMeta,
  flagOptional,
  isValid,
  type RawRecord,
  type Seed,
  sealRecord,
} from './record-framing.ts';
import {
  kindOf,
  optionalKinds,
  type StoreRecord,
  tailTypes,
  typeCopiedAnswer,
  typeCopiedCorrupt,
  typeCopiedFolder,
  typeCopiedHold,
  typeMovedHold,
  typeOf,
  typeOfferedNamed,
  typePostedAlso,
  typePostedAnswer,
  typePostedFolder,
  typePostedImport,
  typeReleasedHold,
} from './record-types.ts';
import { readPosition, readSegment, writePosition, writeSegment } from './segment-header.ts';

/** An empty name, and a time. */
const holdingBytesMin = 1 + 8;
/** Each further message: its number, an id of at least one byte, a name of at least one byte. */
const alsoBytesMin = 8 + 2 + 2;

/** The id of a message, with its number. */
const numberedIdBytesMin = 2 + 8;

const noBody = Buffer.alloc(0);

/** The body is not copied. */
export function encodeRecord(record: JournalRecord | StoreRecord, seed: Seed): Buffer[] {
  const fields = fieldsOf(record);
  return sealRecord(fields, (writer) => writeMeta(writer, record, fields.type), seed);
}

/** Writes the record without its body, which is to be written behind it: returns that. */
export function writeRecord(
  writer: ByteWriter,
  record: JournalRecord | StoreRecord,
  seed: Seed,
): Buffer {
  const fields = fieldsOf(record);
  const begin = beginRecord(writer);
  writeMeta(writer, record, fields.type);
  endMeta(writer, begin, fields, seed);
  return fields.body;
}

function fieldsOf(record: JournalRecord | StoreRecord) {
  if (record.kind !== 'posted' && record.kind !== 'copied') {
    const flags = optionalKinds.has(record.kind) ? flagOptional : 0;
    return { type: bodilessType(record), flags, body: noBody, bodyChecksum: 0 };
  }
  const { body, envelope } = record;
  if (body) return { type: messageType(record), flags: 0, body, bodyChecksum: envelope.checksum };
  assert(record.kind === 'copied', 'only a copy is written without its body');
  return { type: typeCopiedCorrupt, flags: 0, body: noBody, bodyChecksum: 0 };
}

function bodilessType(record: Exclude<JournalRecord | StoreRecord, PostedRecord | CopiedRecord>) {
  if (record.kind === 'offered' && record.holding) return typeOfferedNamed;
  if (record.kind === 'released' && record.lastHold) return typeReleasedHold;
  if (record.kind === 'moved' && record.lastHold) return typeMovedHold;
  return typeOf[record.kind];
}

/** Of a record with a body. Older versions read the types that are older than folders, depths and lists of mailboxes. */
function messageType(record: PostedRecord | CopiedRecord): number {
  const { depth, origin } = record.envelope;
  const isCopy = record.kind === 'copied';
  if (isCopy && (record.holding || record.lastHold)) return typeCopiedHold;
  if (!isCopy && record.importKey !== undefined) return typePostedImport;
  if (origin.folder !== undefined) return isCopy ? typeCopiedFolder : typePostedFolder;
  if (depth > 0) return isCopy ? typeCopiedAnswer : typePostedAnswer;
  if (isCopy) return typeOf.copied;
  return record.also.length > 0 ? typePostedAlso : typeOf.posted;
}

/** A record of the journal itself: no other segment may repeat it. */
export function isStoreRecord({ type }: RawRecord): boolean {
  return isStoreType(type);
}

export function isStoreType(type: number): boolean {
  return type < typeOf.posted;
}

/** What the engine calls records of this type; undefined for types of the journal itself, and unknown ones. */
export function kindOfType(type: number): JournalRecord['kind'] | undefined {
  return isStoreType(type) ? undefined : (kindOf.get(type) as JournalRecord['kind'] | undefined);
}

/** undefined for a record that is not the journal's own. */
export function decodeStoreRecord(record: RawRecord): StoreRecord | undefined {
  return decoded(record, (reader) => {
    switch (record.type) {
      case typeOf.segment:
        return readSegment(reader);
      case typeOf.syncPoint:
        return { kind: 'syncPoint', durable: readPosition(reader) };
      case typeOf.removed:
        return { kind: 'removed', epoch: reader.u32(), segment: reader.u32() };
      case typeOf.stamp:
        return { kind: 'stamp', sequence: reader.u64(), time: readTime(reader) };
      default:
        return undefined;
    }
  });
}

/**
 * undefined for a record of the journal itself, and for one of an unknown type that may be skipped. With a
 * corrupt body only `posted` and `copied` are records; all others have none.
 */
export function decodeRecord(record: RawRecord): JournalRecord | undefined {
  const kind = kindOf.get(record.type);
  if (kind === undefined) {
    if (record.flags & flagOptional) return undefined;
    throw new IpcError(
      'store_newer',
      `written by a newer version (records of type ${record.type})`,
    );
  }
  if (!isValid(record) && kind !== 'posted' && kind !== 'copied') {
    throw new IpcError('bad_frame', `the body of a ${kind} record`);
  }
  return decoded(record, (reader) => readMeta(kind, reader, record));
}

/** `corrupt` if a part of the record breaks a rule, although its checksum fits. Throws store_newer. */
export function unlessCorrupt<T, C>(
  decode: (raw: RawRecord) => T,
  raw: RawRecord,
  corrupt: C,
): T | C {
  try {
    return decode(raw);
  } catch (error) {
    if (!(error instanceof IpcError) || error.code === 'store_newer') throw error;
    return corrupt;
  }
}

/** Throws bad_frame if the meta breaks a rule of its type: it was wrong before it was written. */
function decoded<T>(record: RawRecord, read: (reader: ByteReader) => T | undefined): T | undefined {
  const reader = new ByteReader(record.bytes, record.metaOffset, record.bodyOffset);
  const value = read(reader);
  if (value !== undefined) reader.end();
  return value;
}

function writeMeta(writer: ByteWriter, record: JournalRecord | StoreRecord, type: number): void {
  switch (record.kind) {
    case 'segment':
      return writeSegment(writer, record);
    case 'syncPoint':
      return writePosition(writer, record.durable);
    case 'removed':
      writer.u32(record.epoch).u32(record.segment);
      return;
    case 'stamp':
      writer.u64(record.sequence).u64(record.time);
      return;
    case 'posted':
      writeEnvelope(writer, record.envelope);
      writer.u64(record.ackedUpTo).numbers(record.settles);
      if (type !== typeOf.posted) writeAlso(writer, record.also);
      writeTail(writer, record, type);
      return;
    case 'copied':
      writeEnvelope(writer, record.envelope);
      writer.text(record.mailbox).u32(record.attempt).text(record.holder);
      if (record.body) writeTail(writer, record, type);
      return;
    case 'offered':
      writer.u64(record.number).text(record.holder).u32(record.attempt);
      if (record.holding) writeHolding(writer, record.holding);
      return;
    case 'settled':
      writer.numbers(record.numbers);
      return;
    case 'released':
      writer.u64(record.number).u32(record.attempt);
      if (record.lastHold) writePastHold(writer, record.lastHold);
      return;
    case 'moved':
      writer.u64(record.number).text(record.mailbox).u32(record.attempt);
      if (record.lastHold) writePastHold(writer, record.lastHold);
      return;
    case 'session':
      writer.text(record.session).u64(record.ackedUpTo);
      writer.list(record.numbers, writeAnswer);
      return;
    case 'forgotten':
      writer.text(record.session);
      return;
    case 'named':
      writer.list(record.ids, (to, [id, number]) => writeNumberedId(to, id, number));
      return;
    case 'settledById':
      writer.list(record.holds, (to, { id, number }) => writeNumberedId(to, id, number));
      return;
    case 'paused':
      writer.text(record.mailbox).u8(Number(record.isPaused));
      return;
    case 'fingerprints':
      writer.list(record.fingerprints, writeFingerprint);
      return;
    default:
      return unreachable(record);
  }
}

function readMeta(
  kind: keyof typeof typeOf,
  reader: ByteReader,
  record: RawRecord,
): JournalRecord | undefined {
  switch (kind) {
    case 'segment':
    case 'syncPoint':
    case 'removed':
    case 'stamp':
      return undefined;
    case 'posted': {
      const { envelope: read, body } = readEnvelopeOf(reader, record);
      const ackedUpTo = reader.u64();
      const settles = reader.list(8, readNumber);
      const others = record.type === typeOf.posted ? [] : readAlso(reader);
      const envelope = readTail(reader, record.type, read);
      const also = others.map(({ number, id, to }) => {
        return orderedEnvelope({ ...envelope, number, id, to });
      });
      const posted = { kind, envelope, also, ackedUpTo, settles, body };
      return record.type === typePostedImport
        ? { ...posted, importKey: readMessageId(reader) }
        : posted;
    }
    case 'copied': {
      const { envelope: read, body } = readEnvelopeOf(reader, record);
      const mailbox = readStoredName(reader);
      const attempt = reader.u32();
      const holder = readHolder(reader);
      const envelope = readTail(reader, record.type, read);
      const copied = { kind, envelope, mailbox, attempt, holder, body };
      return record.type === typeCopiedHold ? { ...copied, ...readHolds(reader) } : copied;
    }
    case 'offered': {
      const number = readNumber(reader);
      const offered = { kind, number, holder: readSessionId(reader), attempt: reader.u32() };
      if (record.type !== typeOfferedNamed) return offered;
      return { ...offered, holding: readHolding(reader) };
    }
    case 'settled':
      return { kind, numbers: reader.list(8, readNumber) };
    case 'released': {
      const released = { kind, number: readNumber(reader), attempt: reader.u32() };
      if (record.type !== typeReleasedHold) return released;
      return { ...released, lastHold: readPastHold(reader) };
    }
    case 'moved': {
      const number = readNumber(reader);
      const moved = { kind, number, mailbox: readStoredName(reader), attempt: reader.u32() };
      if (record.type !== typeMovedHold) return moved;
      return { ...moved, lastHold: readPastHold(reader) };
    }
    case 'session': {
      const session = readSessionId(reader);
      const ackedUpTo = reader.u64();
      return { kind, session, ackedUpTo, numbers: reader.list(16, readAnswer) };
    }
    case 'forgotten':
      return { kind, session: readSessionId(reader) };
    case 'named': {
      const ids = reader.list(numberedIdBytesMin, readNumberedId);
      return { kind, ids: ids.map(({ id, number }) => [id, number]) };
    }
    case 'settledById':
      return { kind, holds: reader.list(numberedIdBytesMin, readNumberedId) };
    case 'fingerprints': {
      const fingerprints = reader.list(12, () => [readNumber(reader), reader.u32()] as const);
      return { kind, fingerprints };
    }
    case 'paused': {
      const mailbox = readStoredNameOrNone(reader);
      return { kind, mailbox, isPaused: readFlag(reader) };
    }
    default:
      return unreachable(kind);
  }
}

/** The envelope, and the body if it is valid. Throws if the body is not the one of the envelope. */
function readEnvelopeOf(
  reader: ByteReader,
  { type, body, bodyChecksum }: RawRecord,
): { envelope: Envelope; body: Buffer | undefined } {
  const envelope = readEnvelope(reader);
  if (type === typeCopiedCorrupt || body === undefined) return { envelope, body: undefined };
  if (envelope.bodyBytes !== body.length || envelope.checksum !== bodyChecksum) {
    throw new IpcError('bad_frame', `message ${envelope.number} has the body of another`);
  }
  return { envelope, body };
}

function writeAlso(writer: ByteWriter, also: readonly Envelope[]): void {
  writer.list(also, (_, { number, id, to }) => writer.u64(number).text(id).text(to));
}

function readAlso(reader: ByteReader): readonly Pick<Envelope, 'number' | 'id' | 'to'>[] {
  return reader.list(alsoBytesMin, () => {
    const number = readNumber(reader);
    return { number, id: readMessageId(reader), to: readStoredName(reader) };
  });
}

/** The fields of the envelope that the oldest types do not have. */
function writeTail(writer: ByteWriter, record: PostedRecord | CopiedRecord, type: number): void {
  const { depth, origin } = record.envelope;
  const hasFolder = origin.folder !== undefined || tailTypes.has(type);
  if (depth > 0 || hasFolder) writer.u32(depth);
  if (hasFolder) writer.text(origin.folder ?? '');
  if (record.kind === 'posted' && record.importKey !== undefined) writer.text(record.importKey);
  if (record.kind !== 'copied' || type !== typeCopiedHold) return;
  const { holding, lastHold } = record;
  writer.optional(holding, writeHolding);
  writer.optional(lastHold, writePastHold);
}

function readTail(reader: ByteReader, type: number, envelope: Envelope): Envelope {
  const hasFolder = type === typePostedFolder || type === typeCopiedFolder || tailTypes.has(type);
  const hasDepth = hasFolder || type === typePostedAnswer || type === typeCopiedAnswer;
  if (!hasDepth) return envelope;
  const depth = reader.u32();
  const origin = hasFolder
    ? withFolder(envelope.origin, readOriginFolder(reader))
    : envelope.origin;
  return orderedEnvelope({ ...envelope, depth, origin });
}

function writeHolding(writer: ByteWriter, { name, since }: Holding): void {
  writer.text(name).u64(since);
}

function readHolding(reader: ByteReader): Holding {
  return { name: readStoredNameOrNone(reader), since: readTime(reader) };
}

function readHolds(reader: ByteReader): Pick<CopiedRecord, 'holding' | 'lastHold'> {
  const [holding, ...others] = reader.list(holdingBytesMin, readHolding);
  const [lastHold, ...earlier] = reader.list(pastHoldBytesMin, readPastHold);
  if (others.length + earlier.length === 0) return { holding, lastHold };
  throw new IpcError('bad_frame', 'a copied message has at most one holder and one past hold');
}

function readHolder(reader: ByteReader): SessionId | '' {
  const holder = reader.text();
  return holder === '' ? '' : shared(parseSessionId(holder));
}

/** An item of `named`, and of `settledById`. */
function writeNumberedId(writer: ByteWriter, id: MessageId, number: number): void {
  writer.text(id).u64(number);
}

function readNumberedId(reader: ByteReader): Hold {
  return { id: readMessageId(reader), number: readNumber(reader) };
}

function writeFingerprint(
  writer: ByteWriter,
  [number, of]: FingerprintsRecord['fingerprints'][number],
): void {
  writer.u64(number).u32(of);
}

function writeAnswer(writer: ByteWriter, [count, number]: SessionRecord['numbers'][number]): void {
  writer.u64(count).u64(number);
}

function readAnswer(reader: ByteReader): readonly [count: number, number: number] {
  return [reader.u64(), readNumber(reader)];
}
