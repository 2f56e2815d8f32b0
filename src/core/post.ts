// A post and its messages: one for each mailbox that it names, with an id and a number of its own, so
// that each is held and settled by itself. One record stores them all, so a crash leaves all or none.
import type { PostIds } from './ids.ts';
import {
  type Envelope,
  isSameMessage,
  type MessageId,
  type Name,
  type SessionId,
  sessionMessageId,
} from './message.ts';
import type { Post, PostedRecord } from './requests.ts';

/** One message of a post. */
export interface Addressed {
  readonly id: MessageId;
  readonly to: Name;
  /** The number under which it was stored before. */
  readonly storedAs: number | undefined;
  /** It was never stored: the number of the offer by which a holder settled it all the same. */
  readonly settledAs: number | undefined;
}

export function mailboxesOf({ to, alsoTo }: Pick<Post, 'to' | 'alsoTo'>): readonly Name[] {
  return [to, ...alsoTo];
}

/** Of a post with an id given by hand: the id itself, then `ID/2`, `ID/3`, ... */
export function namedMessageId(id: MessageId, index: number): MessageId {
  return index === 0 ? id : (`${id}/${index + 1}` as MessageId);
}

/** A session numbers its messages one by one: a post to three mailboxes takes three counts. */
export function messagesOf(post: Post, session: SessionId, ids: PostIds): Addressed[] {
  return mailboxesOf(post).map((to, index) => {
    if (post.id !== '') {
      const id = namedMessageId(post.id, index);
      return { id, to, storedAs: ids.numberOfNamed(id), settledAs: ids.settledAs(id) };
    }
    const count = post.count + index;
    const id = sessionMessageId(session, count);
    return { id, to, storedAs: ids.numberOf(session, count), settledAs: ids.settledAs(id) };
  });
}

/** One after the other, but for those that are not stored any more. */
export function numberedFrom(
  nextNumber: number,
  messages: readonly Addressed[],
): (Addressed & { readonly number: number })[] {
  let next = nextNumber;
  return messages.map((message) => ({ ...message, number: message.settledAs ?? next++ }));
}

export function envelopesFor(
  { from, answers, body, checksum }: Post,
  messages: readonly (Addressed & { readonly number: number })[],
  { time, origin }: Pick<Envelope, 'time' | 'origin'>,
): Envelope[] {
  const bodyBytes = body.length;
  return messages.map(({ id, number, to }) => {
    return { id, number, to, from, time, answers, origin, bodyBytes, checksum };
  });
}

/** All messages of a post that is not to be stored again; undefined when it was stored in other words. */
export function storedBefore(
  post: Post,
  messages: readonly Addressed[],
  ledger: { message(number: number): { readonly envelope: Envelope } | undefined },
): { readonly id: MessageId; readonly number: number }[] | undefined {
  const stored = messages.flatMap(({ id, to, storedAs, settledAs }) => {
    if (storedAs === undefined) return settledAs === undefined ? [] : [{ id, number: settledAs }];
    const live = ledger.message(storedAs)?.envelope;
    return live && !isSameMessage(live, { ...post, to }) ? [] : [{ id, number: storedAs }];
  });
  return stored.length === messages.length ? stored : undefined;
}

export function envelopesOf({ envelope, also }: PostedRecord): readonly Envelope[] {
  return [envelope, ...also];
}
