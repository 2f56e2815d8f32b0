// A post and its messages: one for each mailbox that it names, with an id and a number of its own, so
// that each is held and settled by itself. One record stores them all, so a crash leaves all or none.

import {
  type Envelope,
  isSameMessage,
  type MessageId,
  type Name,
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
  /** The number under which it was stored before. */
  readonly storedAs: number | undefined;
  /** It was never stored: the number of the offer by which a holder settled it all the same. */
  readonly settledAs: number | undefined;
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
      return {
        id,
        to,
        storedAs: deduplication.numberOfNamed(id),
        settledAs: deduplication.settledAs(id),
      };
    }
    const count = post.count + index;
    const id = sessionMessageId(session, count);
    return {
      id,
      to,
      storedAs: deduplication.numberOf(session, count),
      settledAs: deduplication.settledAs(id),
    };
  });
}

/** One after the other, but for those that are not stored any more. */
export function numberedFrom(
  nextNumber: number,
  messages: readonly AddressedMessage[],
): (AddressedMessage & { readonly number: number })[] {
  let next = nextNumber;
  return messages.map((message) => ({ ...message, number: message.settledAs ?? next++ }));
}

export function envelopesFor(
  { from, answers, body, checksum }: PostRequest,
  messages: readonly (AddressedMessage & { readonly number: number })[],
  { time, origin }: Pick<Envelope, 'time' | 'origin'>,
): Envelope[] {
  const bodyBytes = body.length;
  return messages.map(({ id, number, to }) => {
    return { id, number, to, from, time, answers, origin, bodyBytes, checksum };
  });
}

/** All messages of a post that is not to be stored again; undefined when it was stored in other words. */
export function storedBefore(
  post: PostRequest,
  messages: readonly AddressedMessage[],
  ledger: { message(number: number): { readonly envelope: Envelope } | undefined },
): { readonly id: MessageId; readonly number: number }[] | undefined {
  const stored = messages.flatMap(({ id, to, storedAs, settledAs }) => {
    if (storedAs === undefined) return settledAs === undefined ? [] : [{ id, number: settledAs }];
    const live = ledger.message(storedAs)?.envelope;
    return live && !isSameMessage(live, { ...post, to }) ? [] : [{ id, number: storedAs }];
  });
  return stored.length === messages.length ? stored : undefined;
}
