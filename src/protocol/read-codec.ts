// The headers of a wait, a watch and a fetch, and of a notice. What only a read of several mailboxes has is at the end.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import {
  fetchBytesMax,
  fetchMessagesMax,
  mailboxesPerReadMax,
  waitMsMax,
  wakePathBytesMax,
  watchPauseMsMax,
} from '../base/limits.ts';
import {
  readMessageIdOrNone,
  readName,
  readNumber,
  readStoredName,
  readTime,
} from '../model/envelope.ts';
import type { MailboxList } from '../model/message.ts';
import type {
  FetchRequest,
  NoticeResponse,
  Told,
  WaitRequest,
  WatchRequest,
} from '../model/requests.ts';
import type { Frame } from './frame.ts';
import {
  headerReader,
  nameBytesMin,
  readHeader,
  readOptionalList,
  writeOptionalNames,
} from './header-fields.ts';
import { readDuration } from './receipt-fields.ts';

/** A number, an attempt, a time and a pause. */
const toldBytes = 8 + 4 + 8 + 4;

export function writeWaitHeader(
  writer: ByteWriter,
  { mailboxes, waitMs, answers }: WaitRequest,
): void {
  const [first, ...rest] = mailboxes;
  writer.text(first).u32(waitMs).text(answers);
  writeOptionalNames(writer, rest);
}

export function decodeWait(frame: Frame): WaitRequest {
  const reader = headerReader(frame);
  const first = readName(reader);
  const waitMs = reader.u32();
  const answers = readMessageIdOrNone(reader);
  const rest = readRest(reader);
  reader.end();
  checkWaitMs(waitMs);
  if (answers !== '' && rest.length > 0) {
    throw new IpcError('bad_parameter', 'a wait for an answer names one mailbox');
  }
  const mailboxes: MailboxList =
    rest.length === 0 ? [first] : checkedMailboxes('wait', [first, ...rest]);
  return { kind: 'wait', request: frame.request, mailboxes, answers, waitMs };
}

export function writeWatchHeader(
  writer: ByteWriter,
  { mailboxes, waitMs, told, path }: WatchRequest,
): void {
  const [first, ...rest] = mailboxes;
  writer.text(first).u32(waitMs).text(path);
  writer.optional(told, writeTold);
  writeOptionalNames(writer, rest);
}

function writeTold(writer: ByteWriter, { number, attempt, time, pauseMs }: Told): void {
  writer.u64(number).u32(attempt).u64(time).u32(pauseMs);
}

export function decodeWatch(frame: Frame): WatchRequest {
  const { first, told, rest, ...watch } = readHeader(frame, (reader) => ({
    first: readName(reader),
    waitMs: reader.u32(),
    path: readWakePath(reader),
    told: reader.optional(toldBytes, readTold),
    rest: readRest(reader),
  }));
  checkWaitMs(watch.waitMs);
  const mailboxes = checkedMailboxes('watch', [first, ...rest]);
  return { kind: 'watch', request: frame.request, ...watch, mailboxes, told };
}

export function writeNoticeHeader(
  writer: ByteWriter,
  { mailbox, unread, number, attempt, ageMs }: NoticeResponse,
): void {
  writer.text(mailbox).u32(unread).u64(number).u32(attempt).u64(ageMs);
}

export function decodeNotice(frame: Frame): NoticeResponse {
  const notice = readHeader(frame, (reader) => ({
    mailbox: readStoredName(reader),
    unread: reader.u32(),
    number: readNumber(reader),
    attempt: reader.u32(),
    ageMs: readDuration(reader),
  }));
  if (notice.unread === 0 || notice.attempt === 0) {
    throw new IpcError('bad_frame', 'a notice without unread mail');
  }
  return { kind: 'notice', request: frame.request, ...notice };
}

/** In printable ASCII, because it is shown. */
export function readWakePath(reader: ByteReader): string {
  const path = reader.text();
  if (path.length <= wakePathBytesMax && /^[ -~]*$/.test(path)) return path;
  throw new IpcError(
    'bad_parameter',
    'the name of a way to wake a session is too long, or not ASCII',
  );
}

function readTold(reader: ByteReader): Told {
  const told = {
    number: readNumber(reader),
    attempt: reader.u32(),
    time: readTime(reader),
    pauseMs: reader.u32(),
  };
  if (told.pauseMs <= watchPauseMsMax) return told;
  throw new IpcError('bad_parameter', `a pause of ${told.pauseMs} ms; limit ${watchPauseMsMax}`);
}

function checkWaitMs(waitMs: number): void {
  if (waitMs > waitMsMax) throw new IpcError('bad_timeout', `${waitMs} ms; limit ${waitMsMax}`);
}

export function writeFetchHeader(
  writer: ByteWriter,
  { mailboxes, bytesMax, messagesMax }: FetchRequest,
): void {
  const [first, ...rest] = mailboxes;
  writer.text(first).u32(bytesMax).u32(messagesMax);
  writeOptionalNames(writer, rest);
}

export function decodeFetch(frame: Frame): FetchRequest {
  const { first, bytesMax, messagesMax, rest } = readHeader(frame, (reader) => ({
    first: readName(reader),
    bytesMax: reader.u32(),
    messagesMax: reader.u32(),
    rest: readRest(reader),
  }));
  if (bytesMax > fetchBytesMax || messagesMax > fetchMessagesMax) {
    const limits = `${fetchBytesMax} bytes, ${fetchMessagesMax} messages`;
    throw new IpcError(
      'bad_parameter',
      `a fetch of ${bytesMax} bytes, ${messagesMax} messages; limits ${limits}`,
    );
  }
  const mailboxes = checkedMailboxes('fetch', [first, ...rest]);
  return { kind: 'fetch', request: frame.request, mailboxes, bytesMax, messagesMax };
}

function readRest(reader: ByteReader) {
  return readOptionalList(reader, nameBytesMin, readName);
}

function checkedMailboxes(kind: 'wait' | 'watch' | 'fetch', mailboxes: MailboxList): MailboxList {
  if (mailboxes.length === 1) return mailboxes;
  if (mailboxes.length > mailboxesPerReadMax) {
    const what = `a ${kind} from ${mailboxes.length} mailboxes; limit ${mailboxesPerReadMax}`;
    throw new IpcError('bad_parameter', what);
  }
  if (new Set(mailboxes).size === mailboxes.length) return mailboxes;
  throw new IpcError('bad_parameter', `a ${kind} names a mailbox twice`);
}
