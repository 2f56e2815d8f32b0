// What a fetch delivers, a peek shows and a drop settles: each a bounded part of a mailbox. A peek and a drop say
// where the next request goes on. A drop takes only what is ready: a message that a session holds may be in work.
import { fetchBytesMax, messagesPerDrop, messagesPerPeek } from '../base/limits.ts';
import type { MailboxList, MessageId, Name } from '../model/message.ts';
import type {
  DroppedResponse,
  DropRequest,
  EndResponse,
  FetchRequest,
  Holder,
  PeekedResponse,
  PeekRequest,
} from '../model/requests.ts';
import type { Connections } from './connections.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { LiveMessage, State } from './state.ts';

/** The next message to be delivered, of the first mailbox that has one. `answers`: as of a wait. */
export function firstReadyOf(
  mailboxes: Iterable<Name>,
  answers: MessageId | '',
  state: State,
): LiveMessage | undefined {
  for (const mailbox of mailboxes) {
    const message = state.nextFor(mailbox, answers);
    if (message) return message;
  }
  return undefined;
}

export function readyIn(mailboxes: MailboxList, state: State): number {
  let ready = 0;
  for (const mailbox of mailboxes) ready += state.readyCount(mailbox);
  return ready;
}

/** One mailbox after the other. The caller delivers each message before it asks for the next one. */
export function* fetchable(
  { mailboxes, bytesMax, messagesMax }: FetchRequest,
  state: State,
): Generator<LiveMessage, void> {
  let bytesLeft = bytesMax;
  let count = 0;
  for (const mailbox of mailboxes) {
    for (;;) {
      const message = state.nextFor(mailbox, '');
      if (!message) break;
      bytesLeft -= message.envelope.bodyBytes;
      if (count === messagesMax || (bytesLeft < 0 && count > 0)) return;
      count++;
      yield message;
    }
  }
}

/** A response for each message, in the order of their numbers, then the end. */
export function peekResponses(
  peek: PeekRequest,
  state: State,
  connections: Pick<Connections, 'ofSession'>,
): (PeekedResponse | EndResponse)[] {
  const { request, mailbox, partBytesMax } = peek;
  const { messages, remaining } = seenBy(peek, state);
  const peeked = messages.map((message): PeekedResponse => {
    const { envelope, attempt, lastHold } = message;
    const holder = holderOf(message, state, connections);
    const partBytes = Math.min(envelope.bodyBytes, partBytesMax);
    return { kind: 'peeked', request, envelope, mailbox, attempt, holder, lastHold, partBytes };
  });
  return [...peeked, { kind: 'end', request, remaining, elsewhere: [] }];
}

export function holderOf(
  { holder: session, heldSince: since }: LiveMessage,
  state: State,
  connections: Pick<Connections, 'ofSession'>,
): Holder | undefined {
  if (session === undefined) return undefined;
  const { origin } = connections.ofSession(session) ?? {};
  return { session, origin, name: state.holderName(session), since };
}

function seenBy(
  { mailbox, after, messagesMax, partBytesMax }: PeekRequest,
  state: State,
): { messages: readonly LiveMessage[]; remaining: number } {
  let bytesLeft = fetchBytesMax;
  const messages: LiveMessage[] = [];
  for (const message of state.above(mailbox, after, Math.min(messagesMax, messagesPerPeek))) {
    // The whole body is read from the disk, however little of it is sent.
    if (partBytesMax > 0) bytesLeft -= message.envelope.bodyBytes;
    if (bytesLeft < 0 && messages.length > 0) break;
    messages.push(message);
  }
  const last = messages.at(-1)?.envelope.number ?? after;
  return { messages, remaining: state.countAbove(mailbox, last) };
}

/** What a drop settles, lowest number first. `time`: now, in milliseconds since 1970. */
export function droppable(
  { request, mailbox, ageMsMin, after, upTo, ids }: DropRequest,
  state: State,
  limits: Pick<EngineLimits, 'messagesPerLook'>,
  time: number,
): DroppedResponse {
  const last = upTo === 0 ? state.nextNumber - 1 : upTo;
  const named = new Set(ids);
  // All are looked at, since an id that the broker had forgotten may be that of two messages.
  const isWanted = ({ envelope }: LiveMessage) =>
    envelope.number <= last &&
    (ageMsMin === 0 || time - envelope.time >= ageMsMin) &&
    (named.size === 0 || named.has(envelope.id));
  const { found, next } = lookThrough(state, limits, {
    mailbox,
    after,
    max: messagesPerDrop,
    isWanted,
  });
  const dropped = found.filter(({ holder }) => holder === undefined);
  return {
    kind: 'dropped',
    request,
    dropped: dropped.map(({ envelope }) => envelope),
    held: found.length - dropped.length,
    next: next < last ? next : 0,
    upTo: last,
  };
}

export interface Look {
  readonly mailbox: Name;
  /** Only messages with a number above this one. */
  readonly after: number;
  /** How many are wanted. */
  readonly max: number;
  isWanted(message: LiveMessage): boolean;
}

/**
 * The first messages that are wanted, but it looks at `messagesPerLook` at most. `next`: the number behind which the
 * next look goes on; 0 when there is nothing behind.
 */
export function lookThrough(
  state: State,
  { messagesPerLook }: Pick<EngineLimits, 'messagesPerLook'>,
  { mailbox, after, max, isWanted }: Look,
): { found: readonly LiveMessage[]; next: number } {
  const found: LiveMessage[] = [];
  const seen = state.above(mailbox, after, messagesPerLook);
  for (const message of seen) {
    if (isWanted(message)) found.push(message);
    if (found.length === max) return { found, next: message.envelope.number };
  }
  const isAll = seen.length < messagesPerLook;
  return { found, next: isAll ? 0 : (seen.at(-1)?.envelope.number ?? 0) };
}
