// Why a post or a wait is refused: a wrong count, no room, or too many parked calls. Stored mail is never
// dropped to make room.
import { IpcError } from '../base/errors.ts';
import {
  type Envelope,
  isDeadLetter,
  type MailboxList,
  type Name,
  type SessionId,
} from '../model/message.ts';
import type { PostRequest } from '../model/requests.ts';
import type { ImportCommand, PostCommand } from './commands.ts';
import type { SessionConnection } from './connections.ts';
import type { EngineLimits } from './engine-limits.ts';
import { indexBytesOf } from './index-bytes.ts';
import type { MailboxSize } from './mailbox-state.ts';
import type { LiveMessage, State } from './state.ts';

/** A message that is to be stored, or to enter another mailbox. */
type Added = Pick<LiveMessage, 'envelope'>;

/** `parked`: waits and reads of all connections. */
export function parkRefusal(
  { waiters, reads, earlyFetches }: SessionConnection,
  parked: number,
  { waitsMax, waitsPerConnectionMax }: EngineLimits,
): IpcError | undefined {
  if (parked >= waitsMax) {
    const what = `${waitsMax} calls are parked in the broker, which is the limit`;
    return new IpcError('too_many_waits', what);
  }
  if (waiters.size + reads.size + earlyFetches.size < waitsPerConnectionMax) return undefined;
  const what = `${waitsPerConnectionMax} calls of this connection are parked, which is the limit`;
  return new IpcError('too_many_waits', what);
}

/**
 * A wait takes memory for each of its mailboxes, so all that waits name have the limits of parked calls, too.
 * `stands`: how many mailboxes all waits name.
 */
export function standRefusal(
  { length }: MailboxList,
  stands: number,
  { waitStands }: Pick<SessionConnection, 'waitStands'>,
  { waitsMax, waitsPerConnectionMax }: EngineLimits,
): IpcError | undefined {
  if (stands + length > waitsMax) {
    const what = `the waits parked in the broker name ${stands} mailboxes; the limit is ${waitsMax}`;
    return new IpcError('too_many_waits', what);
  }
  if (waitStands + length <= waitsPerConnectionMax) return undefined;
  const what = `the waits of this connection name ${waitStands} mailboxes; the limit is ${waitsPerConnectionMax}`;
  return new IpcError('too_many_waits', what);
}

/** `stands`: how many mailboxes all watches name. */
export function watchRefusal(
  { length }: MailboxList,
  stands: number,
  { watchStands }: Pick<SessionConnection, 'watchStands'>,
  { watchesMax, watchesPerConnectionMax }: EngineLimits,
): IpcError | undefined {
  if (stands + length > watchesMax) {
    const what = `the watches of the broker name ${stands} mailboxes; the limit is ${watchesMax}`;
    return new IpcError('too_many_waits', what);
  }
  if (watchStands + length <= watchesPerConnectionMax) return undefined;
  const what = `the watches of this connection name ${watchStands} mailboxes; the limit is ${watchesPerConnectionMax}`;
  return new IpcError('too_many_waits', what);
}

/** A dead letter always has room in `dead-letters`. */
export function importRefusal(
  { envelope, mailbox, refusal }: ImportCommand,
  state: State,
  limits: EngineLimits,
): IpcError | undefined {
  const added = [{ envelope }];
  const isDead = isDeadLetter(mailbox, envelope.to);
  const isFull = isDead ? undefined : fullMailboxes(added, state, limits);
  return refusal ?? fullStore(added, state, limits) ?? isFull;
}

/** `added`: the messages of the post. */
export function quotaRefusal(
  post: PostCommand,
  added: readonly Added[],
  session: SessionId,
  state: State,
  limits: EngineLimits,
): IpcError | undefined {
  return (
    wrongCount(post, session, state, limits) ??
    post.refusal ??
    fullStore(added, state, limits) ??
    fullMailboxes(added, state, limits)
  );
}

function wrongCount(
  post: PostRequest,
  session: SessionId,
  state: State,
  { unacknowledgedPostsMax, guaranteedPosts }: EngineLimits,
): IpcError | undefined {
  if (post.id !== '') return undefined;
  const { sessions } = state.deduplication;
  const ackedUpTo = Math.max(sessions.ackedUpTo(session), post.ackedUpTo);
  if (post.count <= ackedUpTo) {
    const what = `post ${post.count} is not above the acknowledged count ${ackedUpTo}`;
    return new IpcError('bad_frame', what);
  }
  const last = post.count + post.alsoTo.length;
  if (last > ackedUpTo + unacknowledgedPostsMax) {
    const what = `post ${last} is more than ${unacknowledgedPostsMax} above the acknowledged count ${ackedUpTo}`;
    return new IpcError('too_many_unanswered', what);
  }
  if (sessions.hasRoom(session, ackedUpTo, 1 + post.alsoTo.length)) return undefined;
  const what = `the posts of all sessions without acknowledged responses are at their limit; this session may have ${guaranteedPosts}`;
  return new IpcError('too_many_unanswered', what);
}

function fullStore(
  added: readonly Added[],
  { size, bytes, indexBytes }: State,
  { messagesMax, storeBytesMax, indexBytesMax }: EngineLimits,
): IpcError | undefined {
  if (size + added.length > messagesMax) {
    return new IpcError('store_full', `the store holds ${size} of ${messagesMax} messages`);
  }
  let [addedBytes, addedIndexBytes] = [0, 0];
  for (const { envelope } of added) {
    addedBytes += envelope.bodyBytes;
    addedIndexBytes += indexBytesOf(envelope);
  }
  if (bytes + addedBytes > storeBytesMax) {
    return new IpcError('store_full', `the store holds ${bytes} of ${storeBytesMax} bytes`);
  }
  if (indexBytes + addedIndexBytes <= indexBytesMax) return undefined;
  const what = `the messages of the store take ${indexBytes} of ${indexBytesMax} bytes of memory`;
  return new IpcError('store_full', what);
}

/** Room for each in its mailbox. A message that is out of attempts always has room in `dead-letters`. */
export function fullMailboxes(
  added: readonly Added[],
  state: State,
  limits: EngineLimits,
): IpcError | undefined {
  const { mailboxCount } = state;
  let fresh = 0;
  let refusal: IpcError | undefined;
  for (const { envelope } of added) {
    const size = state.sizeOf(envelope.to);
    if (size.messages === 0) fresh++;
    refusal ??= fullMailbox(envelope, size, limits);
  }
  if (fresh === 0 || mailboxCount + fresh <= limits.mailboxesMax) return refusal;
  const what = `mailboxes that have mail: ${mailboxCount}; the limit is ${limits.mailboxesMax}`;
  return new IpcError('too_many_mailboxes', what);
}

function fullMailbox(
  added: Envelope,
  { messages, bytes, indexBytes }: MailboxSize,
  { mailboxMessagesMax, mailboxBytesMax, mailboxIndexBytesMax: indexMax }: EngineLimits,
): IpcError | undefined {
  if (messages >= mailboxMessagesMax) {
    return mailboxFull(`${shown(added.to)} holds ${messages} messages, which is its limit`);
  }
  if (bytes + added.bodyBytes > mailboxBytesMax) {
    return mailboxFull(`${shown(added.to)} holds ${bytes} of ${mailboxBytesMax} bytes`);
  }
  if (indexBytes + indexBytesOf(added) <= indexMax) return undefined;
  const where = `the messages of ${shown(added.to)}`;
  return mailboxFull(`${where} take ${indexBytes} of ${indexMax} bytes of memory`);
}

function shown(mailbox: Name): string {
  return `the mailbox ${JSON.stringify(mailbox)}`;
}

function mailboxFull(what: string): IpcError {
  return new IpcError('mailbox_full', what);
}
