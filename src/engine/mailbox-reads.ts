// What a fetch delivers, a peek shows and a drop settles: each a bounded part of a mailbox. A peek and a drop say
// where the next request goes on. A drop takes only what is ready: a message that a session holds may be in work.
import { fetchBytesMax, messagesPerDrop } from '../base/limits.ts';
import type { Envelope, Origin, SessionId } from '../model/message.ts';
import type {
  DropRequest,
  EndResponse,
  FetchRequest,
  PeekedResponse,
  PeekRequest,
} from '../model/requests.ts';
import type { LiveMessage, State } from './state.ts';

/** The caller delivers each message before it asks for the next one. */
export function* fetchable(
  { mailbox, bytesMax, messagesMax }: FetchRequest,
  state: State,
): Generator<LiveMessage, void> {
  let bytesLeft = bytesMax;
  for (let count = 0; count < messagesMax; count++) {
    const message = state.firstReady(mailbox);
    if (!message) return;
    bytesLeft -= message.envelope.bodyBytes;
    if (bytesLeft < 0 && count > 0) return;
    yield message;
  }
}

/** A response for each message, in the order of their numbers, then the end. */
export function peekResponses(
  peek: PeekRequest,
  state: State,
  originOf: (session: SessionId) => Origin | undefined,
): (PeekedResponse | EndResponse)[] {
  const { request, mailbox, partBytesMax } = peek;
  const { messages, remaining } = seenBy(peek, state);
  const peeked = messages.map(({ envelope, attempt, holder: session }): PeekedResponse => {
    const holder = session && { session, origin: originOf(session) };
    const partBytes = Math.min(envelope.bodyBytes, partBytesMax);
    return { kind: 'peeked', request, envelope, mailbox, attempt, holder, partBytes };
  });
  return [...peeked, { kind: 'end', request, remaining }];
}

function seenBy(
  { mailbox, after, messagesMax, partBytesMax }: PeekRequest,
  state: State,
): { messages: readonly LiveMessage[]; remaining: number } {
  const held = state.heldIn(mailbox).filter(({ envelope }) => envelope.number > after);
  const seen = [...state.readyAbove(mailbox, after, messagesMax), ...held].sort(byNumber);
  let bytesLeft = fetchBytesMax;
  const messages: LiveMessage[] = [];
  for (const message of seen.slice(0, messagesMax)) {
    // The whole body is read from the disk, however little of it is sent.
    if (partBytesMax > 0) bytesLeft -= message.envelope.bodyBytes;
    if (bytesLeft < 0 && messages.length > 0) break;
    messages.push(message);
  }
  const last = messages.at(-1)?.envelope.number ?? after;
  const heldBehind = held.filter(({ envelope }) => envelope.number > last).length;
  return { messages, remaining: state.readyCountAbove(mailbox, last) + heldBehind };
}

/** What a drop settles, lowest number first. `time`: now, in milliseconds since 1970. */
export function droppable(
  { mailbox, ageMsMin, after, upTo, ids }: DropRequest,
  state: State,
  time: number,
): { dropped: readonly Envelope[]; held: number; next: number; upTo: number } {
  const last = upTo === 0 ? state.nextNumber - 1 : upTo;
  const isWanted = ({ envelope }: LiveMessage) =>
    envelope.number <= last && (ageMsMin === 0 || time - envelope.time >= ageMsMin);
  if (ids.length > 0) {
    // All are looked at, since an id that the broker had forgotten may be that of two messages.
    const named = new Set(ids);
    const isNamed = (message: LiveMessage) => isWanted(message) && named.has(message.envelope.id);
    const dropped = state.ready(mailbox).filter(isNamed);
    const held = state.heldIn(mailbox).filter(isNamed).length;
    return { dropped: dropped.map(({ envelope }) => envelope), held, next: 0, upTo: last };
  }
  const seen = state.readyAbove(mailbox, after, messagesPerDrop);
  const end = seen.length < messagesPerDrop ? last : (seen.at(-1)?.envelope.number ?? last);
  return {
    dropped: seen.filter(isWanted).map(({ envelope }) => envelope),
    // Counted once: with the first request.
    held: after === 0 ? state.heldIn(mailbox).filter(isWanted).length : 0,
    next: end < last ? end : 0,
    upTo: last,
  };
}

function byNumber({ envelope: one }: LiveMessage, { envelope: other }: LiveMessage): number {
  return one.number - other.number;
}
