// A post stores one message for each mailbox that it names. Each has an id and a number of its own, and is
// held and settled by itself. One record stores them all, so a crash leaves all of them or none.
import assert from 'node:assert/strict';
import { emptyList } from '../base/empty-list.ts';
import { IpcError } from '../base/errors.ts';
import type { StoredMessage } from '../model/mail-ahead.ts';
import type { Held } from '../model/mail-service.ts';
import {
  type Envelope,
  fingerprintOf,
  isSameMessage,
  type Name,
  type SessionId,
  sessionMessageId,
} from '../model/message.ts';
import { mailboxesOf, namedMessageId } from '../model/post.ts';
import type { PostedRecord } from '../model/records.ts';
import type { PostRequest, StoredResponse } from '../model/requests.ts';
import type { Deduplication } from './deduplication.ts';
import { mailElsewhere, type PostReceipt, storedMessage } from './receipts.ts';
import type { StoredPost } from './session-posts.ts';
import type { State } from './state.ts';

/** One message of a post. */
export interface AddressedMessage {
  /** As it is to be stored; of a message that was stored before, only `id` and `to` count. */
  readonly envelope: Envelope;
  /** It was stored already. */
  readonly storedAs: StoredPost | undefined;
  /** It was never stored, but a holder settled it: the number under which it was delivered. */
  readonly settledAs: number | undefined;
}

/** What all messages of a post have in common, beside what it says itself. */
export interface PostOrigin extends Pick<Envelope, 'time' | 'origin' | 'depth'> {
  readonly session: SessionId;
}

/** The messages of a post: at least one. */
export type MessagesOf<Message> = readonly [Message, ...Message[]];

/**
 * A session counts its messages, so a post to three mailboxes takes three counts. Their numbers follow each other from
 * `nextNumber`, except of messages that are settled already and keep theirs.
 */
export function addressedMessages(
  post: PostRequest,
  origin: PostOrigin,
  nextNumber: number,
  deduplication: Deduplication,
): MessagesOf<AddressedMessage> {
  let number = nextNumber;
  const first = addressedMessage(post, post.to, 0, origin, number, deduplication);
  const messages: [AddressedMessage, ...AddressedMessage[]] = [first];
  let last = first;
  for (const to of post.alsoTo) {
    if (last.settledAs === undefined) number++;
    last = addressedMessage(post, to, messages.length, origin, number, deduplication);
    messages.push(last);
  }
  return messages;
}

function addressedMessage(
  { id: chosen, count: firstCount, from, answers, body, checksum }: PostRequest,
  to: Name,
  index: number,
  { session, time, origin, depth }: PostOrigin,
  nextNumber: number,
  deduplication: Deduplication,
): AddressedMessage {
  const count = firstCount + index;
  const isNamed = chosen !== '';
  const id = isNamed ? namedMessageId(chosen, index) : sessionMessageId(session, count);
  // The same as stored(id), without splitting the id again.
  const storedAs = isNamed ? deduplication.stored(id) : deduplication.sessions.get(session, count);
  const settledAs = deduplication.settledAs(id);
  const number = settledAs ?? nextNumber;
  const bodyBytes = body.length;
  // In the order of orderedEnvelope().
  const envelope = { id, number, to, from, time, answers, origin, bodyBytes, checksum, depth };
  return { envelope, storedAs, settledAs };
}

/** It was stored, or all of it was settled without being stored. */
export function wasPosted(messages: readonly AddressedMessage[]): boolean {
  let isSettled = true;
  for (const { storedAs, settledAs } of messages) {
    if (storedAs !== undefined) return true;
    if (settledAs === undefined) isSettled = false;
  }
  return isSettled;
}

/** Of a post that was not stored. `settles`: the numbers of the messages that it settles. */
export function postedRecord(
  { ackedUpTo, body }: PostRequest,
  messages: readonly AddressedMessage[],
  settles: readonly number[],
): PostedRecord {
  const [first, ...others] = messages.length === 1 ? messages : unsettledOf(messages);
  assert(first, 'a post that is stored has a message');
  const also = others.length === 0 ? emptyList : others.map(({ envelope }) => envelope);
  return { kind: 'posted', envelope: first.envelope, also, ackedUpTo, settles, body };
}

function unsettledOf(messages: readonly AddressedMessage[]): AddressedMessage[] {
  return messages.filter(({ settledAs }) => settledAs === undefined);
}

/** The messages of a repeated post; undefined when its content differs from what was stored. */
export function storedBefore(
  post: PostRequest,
  messages: MessagesOf<AddressedMessage>,
  state: { message(number: number): { readonly envelope: Envelope } | undefined },
): MessagesOf<Held> | undefined {
  const stored = messages.flatMap(({ envelope: { id, to }, storedAs, settledAs }) => {
    if (storedAs === undefined) {
      return settledAs === undefined ? [] : [{ envelope: { id, number: settledAs } }];
    }
    const { number, fingerprint } = storedAs;
    const live = state.message(number)?.envelope;
    const isSame = live
      ? isSameMessage(live, { ...post, to })
      : fingerprint === undefined ||
        fingerprint === fingerprintOf({ ...post, to, bodyBytes: post.body.length });
    return isSame ? [{ envelope: { id, number } }] : [];
  });
  const [first, ...others] = stored;
  return first && stored.length === messages.length ? [first, ...others] : undefined;
}

/** For a repeated post of which storedBefore() finds nothing. */
export function idConflict(messages: readonly AddressedMessage[]): IpcError {
  const taken = messages.find(({ storedAs }) => storedAs !== undefined);
  const parts = 'body, mailboxes, sender or answered message';
  const what = `a message with the id ${taken?.envelope.id} was stored, but its ${parts} differs`;
  return new IpcError('id_conflict', what);
}

/** `messages`: all messages of the post, with the numbers under which they are or were stored. */
export function storedResponse(
  post: PostRequest,
  messages: MessagesOf<Held>,
  state: State,
  receipt: PostReceipt,
  isWatched: (mailbox: Name) => boolean,
): StoredResponse {
  const { poster, duplicate, notHeld } = receipt;
  const first = storedMessage(messages[0].envelope, state, receipt, isWatched);
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
    also: messages.length === 1 ? emptyList : alsoStored(messages, state, receipt, isWatched),
    duplicate,
    notHeld,
    elsewhere: mailElsewhere(poster, mailboxesOf(post), state),
  };
}

function alsoStored(
  [_first, ...also]: MessagesOf<Held>,
  state: State,
  receipt: PostReceipt,
  isWatched: (mailbox: Name) => boolean,
): StoredMessage[] {
  return also.map(({ envelope }) => storedMessage(envelope, state, receipt, isWatched));
}
