// What responses say beside their own matter, so that no agent has to ask: the session's unread mail in other
// mailboxes, and what stands between a stored message and its reader. Each takes a bounded number of looks.
import { emptyList } from '../base/empty-list.ts';
import { mailElsewhereMax, sameTextLook } from '../base/limits.ts';
import type { HeldAhead, MailElsewhere, SameText, StoredMessage } from '../model/mail-ahead.ts';
import type { Envelope, Hold, MailboxList, Name } from '../model/message.ts';
import type { EndResponse, RequestNumber, StoredResponse } from '../model/requests.ts';
import type { SessionConnection } from './connections.ts';
import { readyIn } from './mailbox-reads.ts';
import type { MailboxState } from './mailbox-state.ts';
import type { LiveMessage, State } from './state.ts';

/**
 * The mailboxes with unread mail among those that the session has read, the last read first, then the one of its name,
 * even if it never read that. Left out are `own`, the mailboxes of the request, and paused ones, which nobody can read
 * now.
 */
export function mailElsewhere(
  { name, readMailboxes }: Pick<SessionConnection, 'name' | 'readMailboxes'>,
  own: readonly Name[],
  state: State,
): readonly MailElsewhere[] {
  const { newestFirst } = readMailboxes;
  let found: readonly MailElsewhere[] = emptyList;
  for (const mailbox of newestFirst) found = withUnread(found, mailbox, own, state);
  if (name === undefined || newestFirst.includes(name)) return found;
  return withUnread(found, name, own, state);
}

function withUnread(
  found: readonly MailElsewhere[],
  mailbox: Name,
  own: readonly Name[],
  state: State,
): readonly MailElsewhere[] {
  if (found.length === mailElsewhereMax || own.includes(mailbox)) return found;
  const ready = state.readyCount(mailbox);
  return ready > 0 && !state.isPaused(mailbox) ? [...found, { mailbox, ready }] : found;
}

/** The end of a wait or a fetch. */
export function endResponse(
  request: RequestNumber,
  mailboxes: MailboxList,
  connection: SessionConnection,
  state: State,
): EndResponse {
  const elsewhere = mailElsewhere(connection, mailboxes, state);
  const paused = mailboxes.filter((mailbox) => state.isPaused(mailbox));
  const left = { remaining: readyIn(mailboxes, state), elsewhere };
  return { kind: 'end', request, ...left, ...(paused.length > 0 && { paused }) };
}

/** What the response to a post says apart from its messages, and who gets it. */
export interface PostReceipt extends Pick<StoredResponse, 'duplicate' | 'notHeld'> {
  readonly poster: SessionConnection;
  /** Now, in milliseconds since 1970. */
  readonly time: number;
}

/** A message of a post as its poster learns of it. */
export function storedMessage(
  hold: Hold,
  state: State,
  { poster, duplicate, time }: PostReceipt,
  isWatched: (mailbox: Name) => boolean,
): StoredMessage {
  const { id, number } = hold;
  const message = state.find(hold);
  const mailbox = message && state.mailbox(message.mailbox);
  // If not, it is settled by now, or a dead letter.
  const isThere = message && mailbox && message.mailbox === message.envelope.to;
  const same = isThere && !duplicate ? sameText(message, mailbox, state, time) : undefined;
  const reader = message?.holder !== undefined;
  if (!isThere || reader) {
    const [watched, paused] = [false, false];
    return { id, number, reader, watched, paused, before: 0, holder: undefined, same };
  }
  const { ready, held } = mailbox;
  const before = ready.size - ready.countAbove(message.envelope.number - 1);
  const holder = heldAhead(held.first, poster, state, time);
  const paused = state.isPaused(message.mailbox);
  const watched = !paused && isWatched(message.mailbox);
  return { id, number, reader, watched, paused, before, holder, same };
}

/** `number`: of the first held message; undefined without one. The result is undefined also if the poster holds it itself. */
function heldAhead(
  number: number | undefined,
  { session }: SessionConnection,
  state: State,
  time: number,
): HeldAhead | undefined {
  if (number === undefined) return undefined;
  const { holder, heldSince } = state.live(number);
  if (holder === undefined || holder === session) return undefined;
  const heldMs = Math.max(0, time - (heldSince ?? time));
  return { number, name: state.holderName(holder), heldMs };
}

/** A message without a sender says nothing about who posted it. */
function sameText(
  { envelope }: LiveMessage,
  { ready: readyNumbers, held: heldNumbers }: Pick<MailboxState, 'ready' | 'held'>,
  state: State,
  time: number,
): SameText | undefined {
  if (envelope.from === '') return undefined;
  // The newest first. Without lists: this runs for each post.
  for (let ready = 0, held = 0; ready + held < sameTextLook; ) {
    const lastReady = readyNumbers.fromEnd(ready) ?? 0;
    const number = Math.max(lastReady, heldNumbers.fromEnd(held) ?? 0);
    if (number === 0) return undefined;
    if (number === lastReady) ready++;
    else held++;
    if (number === envelope.number) continue;
    const { envelope: other, holder } = state.look(number);
    if (!isSameText(other, envelope)) continue;
    const ageMs = Math.max(0, time - other.time);
    return { number, ageMs, isHeld: holder !== undefined };
  }
  return undefined;
}

/**
 * A post that answers nothing may repeat an answer: a session that has lost its tickets posts its answer again without
 * one.
 */
function isSameText(earlier: Envelope, posted: Envelope): boolean {
  return (
    earlier.checksum === posted.checksum &&
    earlier.bodyBytes === posted.bodyBytes &&
    earlier.from === posted.from &&
    (earlier.answers === posted.answers || posted.answers === '')
  );
}
