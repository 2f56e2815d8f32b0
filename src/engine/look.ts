// What a peek shows, and what a drop settles. Both look at a bounded part of a mailbox, and say where the next
// request goes on. A drop takes only what is ready: what a session holds is its business.
import { fetchBytesMax, messagesPerDrop } from '../base/limits.ts';
import type { Envelope } from '../model/message.ts';
import type { DropRequest, PeekRequest } from '../model/requests.ts';
import type { LiveMessage, State } from './state.ts';

/** Messages in the order of their numbers, and how many follow. */
export function peekAt(
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

/** `time`: now, in milliseconds since 1970. Nothing is settled yet. */
export function droppable(
  { mailbox, ageMsMin, after, upTo, ids }: DropRequest,
  state: State,
  time: number,
): { dropped: readonly Envelope[]; held: number; next: number; upTo: number } {
  const last = upTo === 0 ? state.nextNumber - 1 : upTo;
  const isWanted = ({ envelope }: LiveMessage) =>
    envelope.number <= last && (ageMsMin === 0 || time - envelope.time >= ageMsMin);
  if (ids.length > 0) {
    const named = [...new Set(ids)]
      .map((id) => state.find({ number: 0, id }))
      .filter((message) => message !== undefined)
      .filter((message) => message.mailbox === mailbox && isWanted(message));
    const ready = named.filter(({ holder }) => holder === undefined).sort(byNumber);
    const dropped = ready.map(({ envelope }) => envelope);
    return { dropped, held: named.length - ready.length, next: 0, upTo: last };
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
