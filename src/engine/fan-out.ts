// A post stores one message for each mailbox that it names. Each has an id and a number of its own, and is
// held and settled by itself. One record stores them all, so a crash leaves all of them or none.
import assert from 'node:assert/strict';
import { IpcError } from '../base/errors.ts';
import { orderedEnvelope } from '../model/envelope.ts';
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
    const isNamed = post.id !== '';
    const id = isNamed
      ? namedMessageId(post.id, index)
      : sessionMessageId(session, post.count + index);
    const [storedAs, settledAs] = [deduplication.stored(id), deduplication.settledAs(id)];
    return { id, to, storedAs, settledAs };
  });
}

/** Gives consecutive numbers, except to messages that are settled already and keep theirs. */
export function numberedFrom(
  nextNumber: number,
  messages: readonly AddressedMessage[],
): (AddressedMessage & { readonly number: number })[] {
  let next = nextNumber;
  return messages.map((message) => ({ ...message, number: message.settledAs ?? next++ }));
}

/** Of the messages that are to be stored: at least one. */
export function envelopesFor(
  { from, answers, body, checksum }: PostRequest,
  messages: readonly (AddressedMessage & { readonly number: number })[],
  shared: Pick<Envelope, 'time' | 'origin' | 'depth'>,
): [Envelope, ...Envelope[]] {
  const bodyBytes = body.length;
  const unsettled = messages.filter(({ settledAs }) => settledAs === undefined);
  const [envelope, ...also] = unsettled.map(({ id, number, to }) => {
    return orderedEnvelope({ ...shared, id, number, to, from, answers, bodyBytes, checksum });
  });
  assert(envelope, 'a post that is stored has a message');
  return [envelope, ...also];
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
  const [first, ...also] = messages.map((each) => storedMessage(each, state, outcome));
  assert(first, 'a post has a message');
  const elsewhere = mailElsewhere(poster, mailboxesOf(post), state);
  return { kind: 'stored', request: post.request, ...first, also, duplicate, notHeld, elsewhere };
}
