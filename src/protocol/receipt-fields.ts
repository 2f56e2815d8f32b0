// The fields with which responses tell a session of other mail: what waits elsewhere, and what a post found ahead of
// its message.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { mailboxesPerReadMax, mailElsewhereMax, timeMsMax } from '../base/limits.ts';
import { readFlag, readNumber, readStoredName, readStoredNameOrNone } from '../model/envelope.ts';
import type { HeldAhead, MailElsewhere, SameText, StoredMessage } from '../model/mail-ahead.ts';
import type { Name } from '../model/message.ts';
import {
  nameBytesMin,
  readListUpTo,
  readOptionalList,
  writeOptionalNames,
} from './header-fields.ts';

/** Mail ahead of a message that was posted. */
type Ahead = Pick<StoredMessage, 'before' | 'holder' | 'same'>;

/** The smallest items: a name of one character and a count; a number, an empty name and a time; and so on. */
const elsewhereBytesMin = 2 + 4;
const holderBytesMin = 8 + 1 + 8;
const sameBytesMin = 8 + 8 + 1;
/** A count and two empty lists. */
export const aheadBytesMin = 3 * 4;

export function writeElsewhere(writer: ByteWriter, elsewhere: readonly MailElsewhere[]): void {
  writer.list(elsewhere, writeElsewhereItem);
}

function writeElsewhereItem(writer: ByteWriter, { mailbox, ready }: MailElsewhere): void {
  writer.text(mailbox).u32(ready);
}

export function readElsewhere(reader: ByteReader): readonly MailElsewhere[] {
  return readListUpTo(reader, mailElsewhereMax, elsewhereBytesMin, readElsewhereItem);
}

function readElsewhereItem(reader: ByteReader): MailElsewhere {
  return { mailbox: readStoredName(reader), ready: reader.u32() };
}

/** The last field of an end: no bytes when none of its mailboxes is paused. */
export function writePaused(writer: ByteWriter, paused: readonly Name[] = []): void {
  writeOptionalNames(writer, paused);
}

export function readPaused(reader: ByteReader): { paused?: readonly Name[] } {
  const paused = readOptionalList(reader, nameBytesMin, readStoredName);
  if (paused.length > mailboxesPerReadMax) {
    throw new IpcError('bad_frame', `${paused.length} paused mailboxes of one read`);
  }
  return paused.length > 0 ? { paused } : {};
}

export function writeAhead(writer: ByteWriter, { before, holder, same }: Ahead): void {
  writer.u32(before).optional(holder, writeHolder).optional(same, writeSame);
}

function writeHolder(writer: ByteWriter, { number, name, heldMs }: HeldAhead): void {
  writer.u64(number).text(name).u64(heldMs);
}

function writeSame(writer: ByteWriter, { number, ageMs, isHeld }: SameText): void {
  writer.u64(number).u64(ageMs).u8(Number(isHeld));
}

export function readAhead(reader: ByteReader): Ahead {
  const before = reader.u32();
  const holder = reader.optional(holderBytesMin, readHolder);
  const same = reader.optional(sameBytesMin, readSame);
  return { before, holder, same };
}

function readHolder(reader: ByteReader): HeldAhead {
  const number = readNumber(reader);
  return { number, name: readStoredNameOrNone(reader), heldMs: readDuration(reader) };
}

function readSame(reader: ByteReader): SameText {
  const number = readNumber(reader);
  return { number, ageMs: readDuration(reader), isHeld: readFlag(reader) };
}

/** In milliseconds. */
export function readDuration(reader: ByteReader): number {
  const ms = reader.u64();
  if (ms <= timeMsMax) return ms;
  throw new IpcError('bad_frame', `a duration of ${ms} ms`);
}
