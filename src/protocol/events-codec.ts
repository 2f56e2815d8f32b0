// The headers of a request for events, of one event, and of the end of a batch.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError, unreachable } from '../base/errors.ts';
import { eventMailboxesMax } from '../base/event-limits.ts';
import { bodyBytesMax, waitMsMax } from '../base/limits.ts';
import {
  readFlag,
  readMessageId,
  readMessageIdOrNone,
  readName,
  readNumber,
  readSessionId,
  readStoredName,
  readStoredNameOrNone,
  readTime,
} from '../model/envelope.ts';
import type { EventResponse, EventsEndResponse, EventsRequest } from '../model/event-requests.ts';
import type { EventGap, EventMessage, MailEvent } from '../model/mail-events.ts';
import type { Frame } from './frame.ts';
import {
  checkChecksum,
  checkNoBody,
  nameBytesMin,
  readFullEnvelope,
  readHeader,
  readLastHold,
  writeFullEnvelope,
  writeLastHold,
} from './header-fields.ts';

/** Where a batch begins, as its place in this list. */
const places = ['start', 'now', 'cursor'] as const;
/** A kind is its place in this list. */
const kinds: readonly MailEvent['kind'][] = [
  'stored',
  'delivered',
  'requeued',
  'settled',
  'dropped',
  'deadLettered',
  'retried',
  'paused',
  'resumed',
];
/** How the frame of a `stored` event has the part of the body, as its place in this list. */
const parts = ['given', 'damaged', 'same'] as const;
const gapBytes = 16;

export function writeEventsHeader(
  writer: ByteWriter,
  { after, waitMs, partBytesMax, mailboxes }: EventsRequest,
): void {
  const place = typeof after === 'string' ? after : 'cursor';
  const { epoch, sequence } = typeof after === 'string' ? { epoch: 0, sequence: 0 } : after;
  writer.u8(places.indexOf(place)).u64(epoch).u64(sequence);
  writer.u32(waitMs).u32(partBytesMax);
  writer.texts(mailboxes);
}

export function decodeEvents(frame: Frame): EventsRequest {
  const events = readHeader(frame, (reader) => ({
    kind: 'events' as const,
    request: frame.request,
    after: readPlace(reader),
    waitMs: reader.u32(),
    partBytesMax: reader.u32(),
    mailboxes: reader.list(nameBytesMin, readName),
  }));
  const { waitMs, partBytesMax, mailboxes } = events;
  if (waitMs > waitMsMax) throw new IpcError('bad_timeout', `${waitMs} ms; limit ${waitMsMax}`);
  if (partBytesMax <= bodyBytesMax && mailboxes.length <= eventMailboxesMax) return events;
  const what = `events of ${mailboxes.length} mailboxes, ${partBytesMax} bytes of each body`;
  const limits = `limits ${eventMailboxesMax} mailboxes, ${bodyBytesMax} bytes`;
  throw new IpcError('bad_parameter', `${what}; ${limits}`);
}

function readPlace(reader: ByteReader): EventsRequest['after'] {
  const code = reader.u8();
  const place = places[code];
  const cursor = { epoch: reader.u64(), sequence: reader.u64() };
  if (place === 'cursor') return cursor;
  if (place !== undefined && cursor.epoch + cursor.sequence === 0) return place;
  throw new IpcError('bad_frame', `events from the place ${code}`);
}

export function writeEventHeader(writer: ByteWriter, { event, hasSamePart }: EventResponse): void {
  writer.u8(kinds.indexOf(event.kind));
  writer.u64(event.sequence).u64(event.time);
  writeEvent(writer, event, hasSamePart);
}

export function eventBody({ event, hasSamePart }: EventResponse): Buffer | undefined {
  return event.kind === 'stored' && !hasSamePart ? event.part : undefined;
}

function writeEvent(writer: ByteWriter, event: MailEvent, hasSamePart: boolean): void {
  switch (event.kind) {
    case 'stored': {
      const whole = event.part ? 'given' : 'damaged';
      writer.u8(parts.indexOf(hasSamePart ? 'same' : whole));
      return writeFullEnvelope(writer, event.envelope);
    }
    case 'paused':
    case 'resumed':
      writer.text(event.mailbox);
      return;
  }
  const { number, id, to, from } = event.message;
  writer.u64(number).text(id).text(to).text(from);
  switch (event.kind) {
    case 'delivered':
      writer.text(event.mailbox).u32(event.attempt).text(event.session).text(event.name);
      return;
    case 'requeued':
      writer.text(event.mailbox).u32(event.attempt);
      return writeLastHold(writer, event.lastHold);
    case 'settled':
      writer.text(event.mailbox).text(event.session).text(event.name);
      writer.text(event.by ?? '');
      return;
    case 'dropped':
      writer.text(event.mailbox);
      return;
    case 'deadLettered':
      return writeLastHold(writer, event.lastHold);
    case 'retried':
      return;
    default:
      return unreachable(event);
  }
}

/** The part of a `stored` event is the body of the frame; undefined if `hasSamePart`, or when it is damaged. */
export function decodeEvent(frame: Frame): EventResponse {
  let hasSamePart = false;
  const event = readHeader(frame, (reader): MailEvent => {
    const code = reader.u8();
    const kind = kinds[code];
    if (!kind) throw new IpcError('bad_frame', `an event of the kind ${code}`);
    const of = { sequence: reader.u64(), time: readTime(reader) };
    if (kind === 'paused' || kind === 'resumed') {
      return { kind, ...of, mailbox: readStoredNameOrNone(reader) };
    }
    if (kind !== 'stored') return readMessageEvent(reader, kind, of);
    const part = parts[reader.u8()];
    if (part === undefined) throw new IpcError('bad_frame', 'a stored event with a wrong flag');
    hasSamePart = part === 'same';
    return {
      ...{ kind, ...of, envelope: readFullEnvelope(reader) },
      part: part === 'given' ? frame.body : undefined,
    };
  });
  if (event.kind !== 'stored' || !event.part) checkNoBody(frame);
  else checkPart(event.part, event.envelope);
  return { kind: 'event', request: frame.request, event, hasSamePart };
}

function checkPart(
  part: Buffer,
  { bodyBytes, checksum }: { readonly bodyBytes: number; readonly checksum: number },
): void {
  if (part.length > bodyBytes) {
    throw new IpcError('bad_frame', `${part.length} bytes of a body of ${bodyBytes}`);
  }
  if (part.length === bodyBytes) checkChecksum(part, checksum);
}

type MessageEventKind = Exclude<MailEvent['kind'], 'stored' | 'paused' | 'resumed'>;

function readMessageEvent(
  reader: ByteReader,
  kind: MessageEventKind,
  of: Pick<MailEvent, 'sequence' | 'time'>,
): MailEvent {
  const message = readMessage(reader);
  switch (kind) {
    case 'delivered': {
      const where = { mailbox: readStoredName(reader), attempt: readAttempt(reader) };
      const who = { session: readSessionId(reader), name: readStoredNameOrNone(reader) };
      return { kind, ...of, message, ...where, ...who };
    }
    case 'requeued': {
      const where = { mailbox: readStoredName(reader), attempt: readAttempt(reader) };
      return { kind, ...of, message, ...where, lastHold: readLastHold(reader).lastHold };
    }
    case 'settled': {
      const mailbox = readStoredName(reader);
      const who = { session: readSessionId(reader), name: readStoredNameOrNone(reader) };
      const by = readMessageIdOrNone(reader) || undefined;
      return { kind, ...of, message, mailbox, ...who, by };
    }
    case 'dropped':
      return { kind, ...of, message, mailbox: readStoredName(reader) };
    case 'deadLettered':
      return { kind, ...of, message, lastHold: readLastHold(reader).lastHold };
    case 'retried':
      return { kind, ...of, message };
    default:
      return unreachable(kind);
  }
}

function readMessage(reader: ByteReader): EventMessage {
  return {
    number: readNumber(reader),
    id: readMessageId(reader),
    to: readStoredName(reader),
    from: readStoredNameOrNone(reader),
  };
}

function readAttempt(reader: ByteReader): number {
  const attempt = reader.u32();
  if (attempt === 0) throw new IpcError('bad_frame', 'an event with the attempt 0');
  return attempt;
}

export function writeEventsEndHeader(
  writer: ByteWriter,
  { next, gap, hasMore }: EventsEndResponse,
): void {
  writer.u64(next.epoch).u64(next.sequence).u8(Number(hasMore));
  writer.optional(gap, (_, { from, to }) => writer.u64(from).u64(to));
}

export function decodeEventsEnd(frame: Frame): EventsEndResponse {
  const end = readHeader(frame, (reader) => ({
    next: { epoch: reader.u64(), sequence: reader.u64() },
    hasMore: readFlag(reader),
    gap: reader.optional(gapBytes, readGap),
  }));
  return { kind: 'eventsEnd', request: frame.request, ...end };
}

function readGap(reader: ByteReader): EventGap {
  const gap = { from: reader.u64(), to: reader.u64() };
  if (gap.from > 0 && gap.from <= gap.to) return gap;
  throw new IpcError('bad_frame', `a gap from ${gap.from} to ${gap.to}`);
}
