// A post and its messages: one for each mailbox that it names, with an id and a number of its own, so
// that each is held and settled by itself. One record stores them all, so a crash leaves all or none.

import {
  type Envelope,
  isSameMessage,
  type MessageId,
  type Name,
  type Origin,
  type SessionId,
  sessionMessageId,
} from '../model/message.ts';
import { mailboxesOf, namedMessageId } from '../model/post.ts';
import type { PostRequest } from '../model/requests.ts';
import type { Deduplication } from './deduplication.ts';

/** One message of a post. */
export interface AddressedMessage {
  readonly id: MessageId;
  readonly to: Name;
  /** Under which it was stored before. */
  readonly known: number | undefined;
}

/** A session numbers its messages one by one: a post to three mailboxes takes three counts. */
export function addressedMessages(
  post: PostRequest,
  session: SessionId,
  deduplication: Deduplication,
): AddressedMessage[] {
  return mailboxesOf(post).map((to, index) => {
    if (post.id !== '') {
      const id = namedMessageId(post.id, index);
      return { id, to, known: deduplication.numberOfNamed(id) };
    }
    const count = post.count + index;
    return {
      id: sessionMessageId(session, count),
      to,
      known: deduplication.numberOf(session, count),
    };
  });
}

/** Numbered one after the other. */
export function envelopesFor(
  { from, answers, body, checksum }: PostRequest,
  messages: readonly AddressedMessage[],
  first: { readonly number: number; readonly time: number; readonly origin: Origin },
): Envelope[] {
  const { number, time, origin } = first;
  const bodyBytes = body.length;
  return messages.map(({ id, to }, index) => {
    return { id, number: number + index, to, from, time, answers, origin, bodyBytes, checksum };
  });
}

/** All messages of a post that was stored before; undefined when it was, but not in these words. */
export function storedBefore(
  post: PostRequest,
  messages: readonly AddressedMessage[],
  ledger: { message(number: number): { readonly envelope: Envelope } | undefined },
): { readonly id: MessageId; readonly number: number }[] | undefined {
  const stored = messages.flatMap(({ id, to, known: number }) => {
    if (number === undefined) return [];
    const live = ledger.message(number)?.envelope;
    return live && !isSameMessage(live, { ...post, to }) ? [] : [{ id, number }];
  });
  return stored.length === messages.length ? stored : undefined;
}
