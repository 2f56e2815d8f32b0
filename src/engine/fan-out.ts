// A post stores one message for each mailbox that it names. Each has an id and a number of its own, and is
// held and settled by itself. One record stores them all, so a crash leaves all of them or none.
import assert from 'node:assert/strict';
import { IpcError } from '../base/errors.ts';
import {
  type Envelope,
  fingerprintOf,
  type Hold,
  isSameMessage,
  type MessageId,
  type Name,
  type SessionId,
  sessionMessageId,
} from '../model/message.ts';
import { mailboxesOf, namedMessageId } from '../model/post.ts';
import type { PostedRecord } from '../model/records.ts';
import type { PostRequest, StoredResponse } from '../model/requests.ts';
import type { Deduplication } from './deduplication.ts';
import { mailElsewhere, type PostOutcome, storedMessage } from './receipts.ts';
import type { StoredPost } from './session-posts.ts';
import type { State } from './state.ts';

/** One message of a post. */
export interface AddressedMessage {
  readonly id: MessageId;
  readonly to: Name;
  /** It was stored already. */
  readonly storedAs: StoredPost | undefined;
  /** It was never stored, but a holder settled it: the number under which it was delivered. */
  readonly settledAs: number | undefined;
}

/** A session counts its messages, so a post to three mailboxes takes three counts. */
export function addressedMessages(
  post: PostRequest,
  session: SessionId,
  deduplication: Deduplication,
): AddressedMessage[] {
  return mailboxesOf(post).map((to, index) => {
    const count = post.count + index;
    const isNamed = post.id !== '';
    const id = isNamed ? namedMessageId(post.id, index) : sessionMessageId(session, count);
    // The same as stored(id), without splitting the id again.
    const storedAs = isNamed
      ? deduplication.stored(id)
      : deduplication.sessions.get(session, count);
    return { id, to, storedAs, settledAs: deduplication.settledAs(id) };
  });
}

/** It was stored, or all of it was settled without being stored. */
export function wasPosted(messages: readonly AddressedMessage[]): boolean {
  const isStored = messages.some(({ storedAs }) => storedAs !== undefined);
  return isStored || messages.every(({ settledAs }) => settledAs !== undefined);
}

/** Their numbers follow each other from `nextNumber`, except of messages that are settled already and keep theirs. */
export function envelopesFor(
  { from, answers, body, checksum }: PostRequest,
  messages: readonly AddressedMessage[],
  { time, origin, depth }: Pick<Envelope, 'time' | 'origin' | 'depth'>,
  nextNumber: number,
): Envelope[] {
  const bodyBytes = body.length;
  let next = nextNumber;
  return messages.map(({ id, to, settledAs }) => {
    const number = settledAs ?? next++;
    // In the order of orderedEnvelope().
    return { id, number, to, from, time, answers, origin, bodyBytes, checksum, depth };
  });
}

/** Those that are to be stored: at least one. `messages`: those of the envelopes, in the same order. */
export function unsettledOf(
  envelopes: readonly Envelope[],
  messages: readonly AddressedMessage[],
): [Envelope, ...Envelope[]] {
  const stored = envelopes.filter((_, index) => messages[index]?.settledAs === undefined);
  assert(stored.length > 0, 'a post that is stored has a message');
  return stored as [Envelope, ...Envelope[]];
}

/** `stored`: the messages of the post that are to be stored. `settles`: the numbers of those that it settles. */
export function postedRecord(
  { ackedUpTo, body }: PostRequest,
  stored: readonly [Envelope, ...Envelope[]],
  settles: readonly number[],
): PostedRecord {
  const [envelope] = stored;
  return { kind: 'posted', envelope, also: behindFirst(stored), ackedUpTo, settles, body };
}

/** The messages of a repeated post; undefined when its content differs from what was stored. */
export function storedBefore(
  post: PostRequest,
  messages: readonly AddressedMessage[],
  state: { message(number: number): { readonly envelope: Envelope } | undefined },
): { readonly id: MessageId; readonly number: number }[] | undefined {
  const stored = messages.flatMap(({ id, to, storedAs, settledAs }) => {
    if (storedAs === undefined) return settledAs === undefined ? [] : [{ id, number: settledAs }];
    const { number, fingerprint } = storedAs;
    const live = state.message(number)?.envelope;
    const isSame = live
      ? isSameMessage(live, { ...post, to })
      : fingerprint === undefined ||
        fingerprint === fingerprintOf({ ...post, to, bodyBytes: post.body.length });
    return isSame ? [{ id, number }] : [];
  });
  return stored.length === messages.length ? stored : undefined;
}

/** For a repeated post of which storedBefore() finds nothing. */
export function idConflict(messages: readonly AddressedMessage[]): IpcError {
  const taken = messages.find(({ storedAs }) => storedAs !== undefined);
  const parts = 'body, mailboxes, sender or answered message';
  const what = `a message with the id ${taken?.id} was stored, but its ${parts} differs`;
  return new IpcError('id_conflict', what);
}

/** `messages`: all messages of the post, with the numbers under which they are or were stored. */
export function storedResponse(
  post: PostRequest,
  messages: readonly Hold[],
  state: State,
  outcome: PostOutcome & Pick<StoredResponse, 'notHeld'>,
): StoredResponse {
  const { poster, duplicate, notHeld } = outcome;
  const stored = messages.map((each) => storedMessage(each, state, outcome));
  const [first] = stored;
  assert(first, 'a post has a message');
  // Field by field: on the road of every post, a spread takes longer than all the rest.
  return {
    kind: 'stored',
    request: post.request,
    id: first.id,
    number: first.number,
    reader: first.reader,
    watched: first.watched,
    paused: first.paused,
    before: first.before,
    holder: first.holder,
    same: first.same,
    also: behindFirst(stored),
    duplicate,
    notHeld,
    elsewhere: mailElsewhere(poster, mailboxesOf(post), state),
  };
}

const none: readonly never[] = [];

/** The other items of a list, which mostly has one. */
function behindFirst<T>(list: readonly T[]): readonly T[] {
  return list.length > 1 ? list.slice(1) : none;
}
