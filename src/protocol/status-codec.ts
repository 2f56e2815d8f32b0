// A status response. Its header is JSON; its body has the sessions, for which the header has no room.
import { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import {
  pausedMailboxesMax,
  statusHoldsMax,
  statusMailboxesMax,
  statusSessionsMax,
  statusWaitsMax,
  timeMsMax,
} from '../base/limits.ts';
import {
  readFlag,
  readName,
  readNumber,
  readOrigin,
  readOriginFolder,
  readSessionId,
  readTime,
  withFolder,
  writeOrigin,
} from '../model/envelope.ts';
import type { ConnectedSession, DeadLetterCount, MailboxStatus } from '../model/look-results.ts';
import { type Name, parseStoredName } from '../model/message.ts';
import type { StatusResponse } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import { nameBytesMin, readListUpTo } from './header-fields.ts';
import { type JsonFields, readJson, writeJson } from './json-header.ts';
import { readWakePath } from './read-codec.ts';

/** An id, a name, an origin without labels, a time, an empty text, and four empty lists with a count. */
const sessionBytesMin = 17 + nameBytesMin + 7 + 8 + 1 + 20;
/** A time and a flag. */
const noticeBytes = 9;
const holdBytes = 16;

export function writeStatusHeader(
  writer: ByteWriter,
  { kind: _kind, request: _request, sessionList: _body, ...fields }: StatusResponse,
): void {
  writeJson(writer, fields);
}

export function statusBody({ sessionList }: StatusResponse): Buffer {
  const writer = new ByteWriter();
  writer.list(sessionList, writeSession);
  return writer.bytes();
}

function writeSession(writer: ByteWriter, session: StatusResponse['sessionList'][number]): void {
  const { origin, lastNotice, held, holds } = session;
  writer.text(session.session).text(session.name);
  writeOrigin(writer, origin);
  writer.text(origin.folder ?? '').u64(session.since);
  writer.texts(session.waitsOn).texts(session.watches).text(session.wakePath);
  writer.optional(lastNotice, (_, { time, isRead }) => writer.u64(time).u8(Number(isRead)));
  writer.u32(held).list(holds, (_, { number, since = 0 }) => writer.u64(number).u64(since));
}

export function decodeStatus(frame: Frame): StatusResponse {
  const fields = readJson(frame);
  const addresses = fields.optionalAddresses('addresses');
  return {
    kind: 'status',
    request: frame.request,
    messages: fields.whole('messages'),
    bytes: fields.whole('bytes'),
    sessions: fields.whole('sessions'),
    namedSessions: fields.whole('namedSessions'),
    sessionList: readSessions(frame.body),
    mailboxCount: fields.whole('mailboxCount'),
    mailboxes: fields.objects('mailboxes', statusMailboxesMax).map(mailboxStatus),
    deadLetterCount: fields.whole('deadLetterCount'),
    deadLetters: fields.objects('deadLetters', statusMailboxesMax).map(deadLetterCount),
    paused: pausedNames(fields),
    damaged: fields.whole('damaged'),
    storageStalledMs: fields.whole('storageStalledMs'),
    warnings: fields.texts('warnings'),
    ...(addresses && { addresses }),
  };
}

function readSessions(body: Buffer): readonly ConnectedSession[] {
  const reader = new ByteReader(body);
  const sessions = readListUpTo(reader, statusSessionsMax, sessionBytesMin, readSession);
  reader.end();
  return sessions;
}

function readSession(reader: ByteReader): ConnectedSession {
  const session = readSessionId(reader);
  const name = readName(reader);
  const origin = withFolder(readOrigin(reader), readOriginFolder(reader));
  const since = readTime(reader);
  const waitsOn = readListUpTo(reader, statusWaitsMax, nameBytesMin, readName);
  const watches = readListUpTo(reader, statusWaitsMax, nameBytesMin, readName);
  const wakePath = readWakePath(reader);
  const lastNotice = reader.optional(noticeBytes, () => ({
    time: readTime(reader),
    isRead: readFlag(reader),
  }));
  const held = reader.u32();
  const holds = readListUpTo(reader, statusHoldsMax, holdBytes, () => ({
    number: readNumber(reader),
    since: readTime(reader) || undefined,
  }));
  if (holds.length > held) {
    throw new IpcError('bad_frame', `a session that holds ${held} messages, and lists more`);
  }
  const watching = { watches, wakePath, lastNotice };
  return { session, name, origin, since, waitsOn, ...watching, held, holds };
}

function deadLetterCount(fields: JsonFields): DeadLetterCount {
  return { to: parseStoredName(fields.text('to')), messages: fields.whole('messages') };
}

function pausedNames(fields: JsonFields): (Name | '')[] {
  const names = fields.optionalTexts('paused') ?? [];
  if (names.length > pausedMailboxesMax + 1) {
    throw new IpcError('bad_frame', `a status with ${names.length} paused mailboxes`);
  }
  return names.map((name) => (name === '' ? '' : parseStoredName(name)));
}

function mailboxStatus(fields: JsonFields): MailboxStatus {
  return {
    mailbox: parseStoredName(fields.text('mailbox')),
    ready: fields.whole('ready'),
    held: fields.whole('held'),
    waiting: fields.whole('waiting'),
    watching: fields.whole('watching'),
    paused: fields.optionalFlag('paused') ?? false,
    oldestTime: fields.whole('oldestTime', timeMsMax),
  };
}
