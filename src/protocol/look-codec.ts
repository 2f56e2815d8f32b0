// The headers of a peek and a drop, and of their responses.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { bodyBytesMax, fetchMessagesMax, messagesPerDrop } from '../base/limits.ts';
import {
  readFlag,
  readMessageId,
  readName,
  readOrigin,
  readOriginFolder,
  readStoredNameOrNone,
  readTime,
  withFolder,
  writeOrigin,
} from '../model/envelope.ts';
import { parseMessageId, parseName, parseSessionId } from '../model/message.ts';
import type {
  DroppedMessage,
  DroppedResponse,
  DropRequest,
  Holder,
  PeekedResponse,
  PeekRequest,
} from '../model/requests.ts';
import type { Frame } from './frame.ts';
import {
  checkChecksum,
  checkNoBody,
  readFullEnvelope,
  readHeader,
  readLastHold,
  writeFullEnvelope,
  writeLastHold,
} from './header-fields.ts';
import { type JsonFields, readJson, writeJson } from './json-header.ts';

/** An id of one character, with its length. */
const idBytesMin = 2;
/** Two empty texts and a process id. */
const originBytesMin = 6;

export function writePeekHeader(
  writer: ByteWriter,
  { mailbox, after, messagesMax, partBytesMax }: PeekRequest,
): void {
  writer.text(mailbox).u64(after).u32(messagesMax).u32(partBytesMax);
}

export function decodePeek(frame: Frame): PeekRequest {
  const peek = readHeader(frame, (reader) => ({
    kind: 'peek' as const,
    request: frame.request,
    mailbox: readName(reader),
    after: reader.u64(),
    messagesMax: reader.u32(),
    partBytesMax: reader.u32(),
  }));
  if (peek.messagesMax <= fetchMessagesMax && peek.partBytesMax <= bodyBytesMax) return peek;
  const what = `a peek at ${peek.messagesMax} messages, ${peek.partBytesMax} bytes of each`;
  const limits = `limits ${fetchMessagesMax} messages, ${bodyBytesMax} bytes`;
  throw new IpcError('bad_parameter', `${what}; ${limits}`);
}

export function writePeekedHeader(
  writer: ByteWriter,
  peeked: PeekedResponse,
  isDamaged: boolean,
): void {
  writer.u32(peeked.attempt).u8(Number(isDamaged));
  writer.text(peeked.mailbox);
  writeHolder(writer, peeked.holder);
  writeFullEnvelope(writer, peeked.envelope);
  writeLastHold(writer, peeked.lastHold);
}

/** `body`: the first bytes of the message's body; undefined when that is damaged. */
export function decodePeeked(frame: Frame): {
  response: PeekedResponse;
  body: Buffer | undefined;
} {
  const { request, body } = frame;
  let isDamaged = false;
  const response = readHeader(frame, (reader): PeekedResponse => {
    const attempt = reader.u32();
    isDamaged = readFlag(reader);
    const mailbox = readName(reader);
    const holder = readHolder(reader);
    const envelope = readFullEnvelope(reader);
    const history = readLastHold(reader);
    const about = { envelope, mailbox, attempt, holder, partBytes: body.length };
    return { kind: 'peeked', request, ...about, ...history };
  });
  if (response.attempt === 0) throw new IpcError('bad_frame', 'a peeked message with attempt 0');
  if (isDamaged) {
    checkNoBody(frame);
    return { response, body: undefined };
  }
  const { bodyBytes, checksum } = response.envelope;
  if (body.length > bodyBytes) {
    throw new IpcError('bad_frame', `${body.length} bytes of a body of ${bodyBytes}`);
  }
  if (body.length === bodyBytes) checkChecksum(body, checksum);
  return { response, body };
}

/** undefined: of a ready message. */
export function writeHolder(writer: ByteWriter, holder: Holder | undefined): void {
  const origin = holder?.origin;
  writer.text(holder?.session ?? '');
  writer.optional(origin, writeOrigin);
  writer
    .text(origin?.folder ?? '')
    .text(holder?.name ?? '')
    .u64(holder?.since ?? 0);
}

/** A ready message has no holder and no origin; a held one has the origin of its holder, if that is connected. */
export function readHolder(reader: ByteReader): Holder | undefined {
  const session = reader.text();
  const program = reader.optional(originBytesMin, readOrigin);
  const folder = readOriginFolder(reader);
  const origin = program && withFolder(program, folder);
  const name = readStoredNameOrNone(reader);
  const since = readTime(reader) || undefined;
  if (session !== '') return { session: parseSessionId(session), origin, name, since };
  if (!origin && name === '' && since === undefined) return undefined;
  throw new IpcError('bad_frame', 'a ready message with the origin, name or time of a holder');
}

export function writeDropHeader(writer: ByteWriter, drop: DropRequest): void {
  const { mailbox, dryRun, ageMsMin, after, upTo, ids } = drop;
  writer.text(mailbox).u8(Number(dryRun));
  writer.u64(ageMsMin).u64(after).u64(upTo);
  writer.texts(ids);
}

export function decodeDrop(frame: Frame): DropRequest {
  const drop = readHeader(frame, (reader) => ({
    kind: 'drop' as const,
    request: frame.request,
    mailbox: readName(reader),
    dryRun: readFlag(reader),
    ageMsMin: reader.u64(),
    after: reader.u64(),
    upTo: reader.u64(),
    ids: reader.list(idBytesMin, readMessageId),
  }));
  if (drop.ids.length <= messagesPerDrop) return drop;
  const what = `${drop.ids.length} ids at once; limit ${messagesPerDrop}`;
  throw new IpcError('bad_parameter', what);
}

export function writeDroppedHeader(
  writer: ByteWriter,
  { dropped, held, next, upTo }: DroppedResponse,
): void {
  writeJson(writer, { dropped: dropped.map(plain), held, next, upTo });
}

export function decodeDropped(frame: Frame): DroppedResponse {
  const fields = readJson(frame);
  return {
    kind: 'dropped',
    request: frame.request,
    dropped: fields.objects('dropped').map(droppedMessage),
    held: fields.whole('held'),
    next: fields.whole('next'),
    upTo: fields.whole('upTo'),
  };
}

function plain({ id, number, from }: DroppedMessage): DroppedMessage {
  return { id, number, from };
}

function droppedMessage(fields: JsonFields): DroppedMessage {
  const from = fields.text('from');
  return {
    id: parseMessageId(fields.text('id')),
    number: fields.whole('number'),
    from: from === '' ? from : parseName(from),
  };
}
