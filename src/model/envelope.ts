// The bytes of envelopes, names, ids and holds: the same in frames and in journal records. A field that
// breaks its rule is an IpcError, which protocol and journal treat each in their own way.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { bodyBytesMax, holdsMax, nameBytesMax, timeMsMax } from '../base/limits.ts';
import { once } from '../base/once.ts';
import { SharedValues, shared } from '../base/shared-values.ts';
import { TextTable } from '../base/text-table.ts';
import type {
  Envelope,
  Hold,
  HoldEnd,
  MessageId,
  Name,
  Origin,
  PastHold,
  SessionId,
} from './message.ts';
import { parseMessageId, parseName, parseSessionId, parseStoredName } from './message.ts';

const controlCharacter = once(() => /\p{Cc}/u);
/** A number of eight bytes, and the length of an id of one character. */
const holdBytesMin = 8 + 2;
/** An empty name, two times and how it ended. */
export const pastHoldBytesMin = 1 + 8 + 8 + 1;
const holdEnds: readonly (HoldEnd | undefined)[] = [
  undefined,
  'released',
  'disconnected',
  'rejected',
];
const origins = new SharedValues<Origin>();
/** The last origin of some process ids: nearly all mail comes from few processes. */
const lastOrigins = new Array<Origin | undefined>(1_024).fill(undefined);
const storedNames = new TextTable<Name | ''>((text) =>
  text === '' ? '' : shared(parseStoredName(text)),
);
/** The names in requests. Those of a mailbox's posts follow each other. */
const names = new TextTable<Name | ''>((text) => (text === '' ? '' : shared(parseName(text))));
/** Each kind has a table of its own, since a table finds at once what was read there last. */
const programs = new TextTable<string>((text) => text);
const machines = new TextTable<string>((text) => text);
const folders = new TextTable<string>((text) => text);

/** All texts may be empty. */
export function parseOrigin(program: string, pid: number, machine: string, folder = ''): Origin {
  // Each origin is read without its folder first.
  const place = (2 * pid + Number(folder !== '')) % lastOrigins.length;
  const last = lastOrigins[place];
  const isSame = last?.pid === pid && last.program === program && last.machine === machine;
  if (isSame && (last.folder ?? '') === folder) return last;
  const origin = sharedOrigin(program, pid, machine, folder);
  lastOrigins[place] = origin;
  return origin;
}

function sharedOrigin(program: string, pid: number, machine: string, folder: string): Origin {
  // A valid text has no control character, so no two origins have the same key.
  const key = `${program}\n${pid}\n${machine}\n${folder}`;
  const known = origins.get(key);
  if (known) return known;
  for (const label of [program, machine, folder]) {
    if (
      !label.isWellFormed() ||
      controlCharacter().test(label) ||
      Buffer.byteLength(label) > nameBytesMax
    ) {
      throw new IpcError('bad_frame', 'an origin has a malformed text');
    }
  }
  const origin = { program: shared(program), pid, machine: shared(machine) };
  return origins.set(key, folder === '' ? origin : { ...origin, folder: shared(folder) });
}

/** The origin with a folder that came in a field of its own. */
export function withFolder(origin: Origin, folder: string): Origin {
  return parseOrigin(origin.program, origin.pid, origin.machine, folder);
}

/** The folder of an origin, which parseOrigin() is to check. */
export function readOriginFolder(reader: ByteReader): string {
  return reader.textIn(folders);
}

/** A folder in a field of its own; '' for none. */
export function readFolder(reader: ByteReader): string {
  return parseOrigin('', 0, '', readOriginFolder(reader)).folder ?? '';
}

/** Without the depth and the folder, which records and frames have in places of their own. */
export function writeEnvelope(writer: ByteWriter, envelope: Envelope): void {
  writer.u64(envelope.number).u64(envelope.time);
  writer.text(envelope.id).text(envelope.to).text(envelope.from).text(envelope.answers);
  writeOrigin(writer, envelope.origin);
  writer.u32(envelope.bodyBytes).u32(envelope.checksum);
}

/**
 * All envelopes that are kept have their fields in one order, and are made without a spread: V8 gives an object that
 * begins with one a hidden class of its own, which takes 400 bytes.
 */
export function orderedEnvelope(fields: Envelope): Envelope {
  const { id, number, to, from, time, answers, origin, bodyBytes, checksum, depth } = fields;
  return { id, number, to, from, time, answers, origin, bodyBytes, checksum, depth };
}

/** With the depth 0: where a record has another one, it follows later. */
export function readEnvelope(reader: ByteReader): Envelope {
  const number = readNumber(reader);
  const time = readTime(reader);
  const id = readMessageId(reader);
  const to = readStoredName(reader);
  const from = readStoredNameOrNone(reader);
  const answers = readMessageIdOrNone(reader);
  const origin = readOrigin(reader);
  const bodyBytes = reader.u32();
  if (bodyBytes > bodyBytesMax)
    throw new IpcError('bad_frame', `a body of ${bodyBytes} bytes; the limit is ${bodyBytesMax}`);
  const checksum = reader.u32();
  return { id, number, to, from, time, answers, origin, bodyBytes, checksum, depth: 0 };
}

/** Without the folder. */
export function writeOrigin(writer: ByteWriter, origin: Origin): void {
  writer.text(origin.program).u32(origin.pid).text(origin.machine);
}

export function readOrigin(reader: ByteReader): Origin {
  return parseOrigin(reader.textIn(programs), reader.u32(), reader.textIn(machines));
}

export function writeHolds(writer: ByteWriter, holds: readonly Hold[]): void {
  writer.list(holds, writeHold);
}

function writeHold(writer: ByteWriter, { number, id }: Hold): void {
  writer.u64(number).text(id);
}

export function readHolds(reader: ByteReader): readonly Hold[] {
  const holds = reader.list(holdBytesMin, readHold);
  if (holds.length > holdsMax) {
    throw new IpcError(
      'too_many_holds',
      `${holds.length} messages in one request; the limit is ${holdsMax}`,
    );
  }
  return holds;
}

function readHold(reader: ByteReader): Hold {
  return { number: readNumber(reader), id: readMessageId(reader) };
}

export function writePastHold(writer: ByteWriter, { name, from, to, ended }: PastHold): void {
  writer.text(name).u64(from).u64(to).u8(holdEnds.indexOf(ended));
}

export function readPastHold(reader: ByteReader): PastHold {
  const name = readStoredNameOrNone(reader);
  const from = readTime(reader);
  const to = readTime(reader);
  const code = reader.u8();
  const ended = holdEnds[code];
  if (!ended) throw new IpcError('bad_frame', `a hold that ended with the code ${code}`);
  return { name, from, to, ended };
}

export function readTime(reader: ByteReader): number {
  const time = reader.u64();
  if (time > timeMsMax) throw new IpcError('bad_frame', `the time ${time} is out of range`);
  return time;
}

/** The number of a message, from 1. */
export function readNumber(reader: ByteReader): number {
  const number = reader.u64();
  if (number === 0) throw new IpcError('bad_frame', 'the number of a message is 0');
  return number;
}

export function readStoredName(reader: ByteReader): Name {
  const name = reader.textIn(storedNames);
  return name === '' ? parseStoredName(name) : name;
}

export function readStoredNameOrNone(reader: ByteReader): Name | '' {
  return reader.textIn(storedNames);
}

/** A name in a request. */
export function readName(reader: ByteReader): Name {
  const name = reader.textIn(names);
  return name === '' ? parseName(name) : name;
}

export function readNameOrNone(reader: ByteReader): Name | '' {
  return reader.textIn(names);
}

export function readMessageId(reader: ByteReader): MessageId {
  return parseMessageId(reader.text());
}

export function readMessageIdOrNone(reader: ByteReader): MessageId | '' {
  const text = reader.text();
  return text === '' ? '' : parseMessageId(text);
}

export function readSessionId(reader: ByteReader): SessionId {
  return shared(parseSessionId(reader.text()));
}

export function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new IpcError('bad_frame', `a flag of ${value}`);
  return value === 1;
}
