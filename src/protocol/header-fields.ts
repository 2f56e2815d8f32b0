// What the headers of several frame kinds have in common, and the checks of bodies.
import { isUtf8 } from 'node:buffer';
import { ByteReader, ByteWriter } from '../base/binary.ts';
import { emptyList } from '../base/empty-list.ts';
import { IpcError } from '../base/errors.ts';
import { addressesMax } from '../base/limits.ts';
import {
  pastHoldBytesMin,
  readEnvelope,
  readFolder,
  readHolds,
  readOriginFolder,
  readPastHold,
  withFolder,
  writeEnvelope,
  writeHolds,
  writePastHold,
} from '../model/envelope.ts';
import {
  bodyChecksum,
  type Envelope,
  type Hold,
  type MessageId,
  type Name,
  type PastHold,
  parseNamedId,
} from '../model/message.ts';
import type { Frame } from './frame.ts';

/** The largest COUNT of an id SESSION.COUNT: 15 digits. */
const countMax = 999_999_999_999_999;
/** The smallest name in a list: its length, and one character. */
export const nameBytesMin = 2;
/** An IPv4 address; an IPv6 address, with a zone or without. */
const ipv4Form = /^\d{1,3}(\.\d{1,3}){3}$/;
const ipv6Form = /^(?=[^:]*:[^:]*:)[\da-f:.]{2,45}(%[\w.-]{1,16})?$/i;

/** The body of a hello, and of its response. */
export function holdsBytes(holds: readonly Hold[]): Buffer {
  const writer = new ByteWriter();
  writeHolds(writer, holds);
  return writer.bytes();
}

export function holdsOf(bytes: Buffer): readonly Hold[] {
  const reader = new ByteReader(bytes);
  const holds = readHolds(reader);
  reader.end();
  return holds;
}

export function headerReader({ bytes, headerAt, headerEnd }: Frame): ByteReader {
  return new ByteReader(bytes, headerAt, headerEnd);
}

export function readHeader<T>(frame: Frame, read: (reader: ByteReader) => T): T {
  const reader = headerReader(frame);
  const value = read(reader);
  reader.end();
  return value;
}

/** A list of at most `max` items. */
export function readListUpTo<T>(
  reader: ByteReader,
  max: number,
  itemBytesMin: number,
  read: (reader: ByteReader) => T,
): readonly T[] {
  const items = reader.list(itemBytesMin, read);
  if (items.length <= max) return items;
  throw new IpcError('bad_frame', `a list of ${items.length}; the limit is ${max}`);
}

/** An optional list at the end of a header: an empty list takes no bytes, not even for its count. */
export function writeOptionalList<T>(
  writer: ByteWriter,
  rest: readonly T[],
  write: (writer: ByteWriter, item: T) => void,
): void {
  if (rest.length > 0) writer.list(rest, write);
}

/** writeOptionalList() for names. */
export function writeOptionalNames(writer: ByteWriter, names: readonly Name[]): void {
  if (names.length > 0) writer.texts(names);
}

export function readOptionalList<T>(
  reader: ByteReader,
  itemBytesMin: number,
  read: (reader: ByteReader) => T,
): readonly T[] {
  if (reader.isAtEnd) return emptyList;
  const rest = reader.list(itemBytesMin, read);
  if (rest.length === 0) throw new IpcError('bad_frame', 'an empty list at the end of a header');
  return rest;
}

/** An envelope as frames have it. */
export function writeFullEnvelope(writer: ByteWriter, envelope: Envelope): void {
  writeEnvelope(writer, envelope);
  writer.u32(envelope.depth).text(envelope.origin.folder ?? '');
}

export function readFullEnvelope(reader: ByteReader): Envelope {
  const envelope: { -readonly [Field in keyof Envelope]: Envelope[Field] } = readEnvelope(reader);
  envelope.depth = reader.u32();
  envelope.origin = withFolder(envelope.origin, readOriginFolder(reader));
  return envelope;
}

/** A message has one if it was delivered before and not settled, else none. */
export function writeLastHold(writer: ByteWriter, lastHold: PastHold | undefined): void {
  writer.optional(lastHold, writePastHold);
}

export function readLastHold(reader: ByteReader): { lastHold?: PastHold } {
  const lastHold = reader.optional(pastHoldBytesMin, readPastHold);
  return lastHold ? { lastHold } : {};
}

/** The folder of a session that waits on the same mailbox. */
export function readOtherFolder(reader: ByteReader): { otherFolder?: string } {
  const otherFolder = readFolder(reader);
  return otherFolder === '' ? {} : { otherFolder };
}

/** Checks the addresses of a response. They are shown, so nothing but IP addresses is accepted. */
export function checkAddresses(addresses: string[]): string[] {
  const isRight = (each: string) => ipv4Form.test(each) || ipv6Form.test(each);
  if (addresses.length <= addressesMax && addresses.every(isRight)) return addresses;
  throw new IpcError('bad_frame', `not a list of at most ${addressesMax} IP addresses`);
}

export function checkNoHeader({ headerAt, headerEnd }: Frame): void {
  if (headerEnd > headerAt) throw new IpcError('bad_frame', 'a header in a frame that has none');
}

export function checkNoBody(frame: Frame): void {
  if (frame.body.length > 0) throw new IpcError('bad_frame', 'a body in a frame that has none');
}

export function checkBody(body: Buffer, checksum: number): void {
  checkChecksum(body, checksum);
  if (!isUtf8(body)) throw new IpcError('bad_body', 'the message is not UTF-8');
}

export function checkChecksum(body: Buffer, checksum: number): void {
  if (bodyChecksum(body) !== checksum) {
    throw new IpcError(
      'body_damaged',
      `a body of ${body.length} bytes does not match its checksum`,
    );
  }
}

export function readCount(reader: ByteReader): number {
  const count = reader.u64();
  checkCount(count);
  return count;
}

export function checkCount(count: number): void {
  if (count > countMax) throw new IpcError('bad_frame', `a count of ${count}`);
}

export function readChosenId(reader: ByteReader): MessageId | '' {
  const text = reader.text();
  return text === '' ? '' : parseNamedId(text);
}
