// The headers of a wait and of a fetch. What only a read of several mailboxes has is at the end.
import { type ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { fetchBytesMax, fetchMessagesMax, mailboxesPerReadMax, waitMsMax } from '../base/limits.ts';
import { readMessageIdOrNone, readName } from '../model/envelope.ts';
import type { MailboxList } from '../model/message.ts';
import type { FetchRequest, WaitRequest } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import { nameBytesMin, readHeader, readOptionalList, writeOptionalList } from './header-fields.ts';

export function waitHeader({ mailboxes, waitMs, answers }: WaitRequest): Buffer {
  const [first, ...rest] = mailboxes;
  const writer = new ByteWriter().text(first).u32(waitMs).text(answers);
  writeOptionalList(writer, rest, (name) => writer.text(name));
  return writer.bytes();
}

export function decodeWait(frame: Frame): WaitRequest {
  const { first, ...wait } = readHeader(frame, (reader) => ({
    first: readName(reader),
    waitMs: reader.u32(),
    answers: readMessageIdOrNone(reader),
    rest: readRest(reader),
  }));
  const { waitMs, answers, rest } = wait;
  if (waitMs > waitMsMax) throw new IpcError('bad_timeout', `${waitMs} ms; limit ${waitMsMax}`);
  if (answers !== '' && rest.length > 0) {
    throw new IpcError('bad_parameter', 'a wait for an answer names one mailbox');
  }
  const mailboxes = checkedMailboxes('wait', [first, ...rest]);
  return { kind: 'wait', request: frame.request, mailboxes, answers, waitMs };
}

export function fetchHeader({ mailboxes, bytesMax, messagesMax }: FetchRequest): Buffer {
  const [first, ...rest] = mailboxes;
  const writer = new ByteWriter().text(first).u32(bytesMax).u32(messagesMax);
  writeOptionalList(writer, rest, (name) => writer.text(name));
  return writer.bytes();
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
  return readOptionalList(reader, nameBytesMin, () => readName(reader));
}

function checkedMailboxes(kind: 'wait' | 'fetch', mailboxes: MailboxList): MailboxList {
  if (mailboxes.length > mailboxesPerReadMax) {
    const what = `a ${kind} from ${mailboxes.length} mailboxes; limit ${mailboxesPerReadMax}`;
    throw new IpcError('bad_parameter', what);
  }
  if (new Set(mailboxes).size === mailboxes.length) return mailboxes;
  throw new IpcError('bad_parameter', `a ${kind} names a mailbox twice`);
}
