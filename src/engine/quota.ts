// Why a post or a wait is refused: a wrong count, no room, or too many parked calls. Stored mail is never
// dropped to make room.
import { IpcError } from '../base/errors.ts';
import type { Name, SessionId } from '../model/message.ts';
import { mailboxesOf } from '../model/post.ts';
import type { PostRequest } from '../model/requests.ts';
import type { EngineLimits, PostCommand } from './commands.ts';
import type { SessionConnection } from './connections.ts';
import type { State } from './state.ts';

export function waitRefusal(parked: number, { waitsMax: max }: EngineLimits): IpcError | undefined {
  if (parked < max) return undefined;
  const what = `${max} waits are parked in the broker, which is the limit`;
  return new IpcError('too_many_waits', what);
}

export function parkRefusal(
  { waiters, reads, earlyFetches }: SessionConnection,
  { waitsPerConnectionMax: max }: EngineLimits,
): IpcError | undefined {
  if (waiters.size + reads.size + earlyFetches.size < max) return undefined;
  const what = `${max} calls of this connection are parked, which is the limit`;
  return new IpcError('too_many_waits', what);
}

export function quotaRefusal(
  post: PostCommand,
  session: SessionId,
  state: State,
  limits: EngineLimits,
): IpcError | undefined {
  return (
    wrongCount(post, session, state, limits) ??
    post.refusal ??
    fullStore(post, state, limits) ??
    fullMailboxes(mailboxesOf(post), post.body.length, state, limits)
  );
}

function wrongCount(
  post: PostRequest,
  session: SessionId,
  state: State,
  { unacknowledgedPostsMax }: EngineLimits,
): IpcError | undefined {
  if (post.id !== '') return undefined;
  const ackedUpTo = Math.max(state.deduplication.ackedUpTo(session), post.ackedUpTo);
  if (post.count <= ackedUpTo) {
    const what = `post ${post.count} is not above the acknowledged count ${ackedUpTo}`;
    return new IpcError('bad_frame', what);
  }
  const last = post.count + post.alsoTo.length;
  if (last <= ackedUpTo + unacknowledgedPostsMax) return undefined;
  const what = `post ${last} is more than ${unacknowledgedPostsMax} above the acknowledged count ${ackedUpTo}`;
  return new IpcError('too_many_unanswered', what);
}

function fullStore(
  { alsoTo, body }: PostRequest,
  { size, bytes }: State,
  { messagesMax, storeBytesMax }: EngineLimits,
): IpcError | undefined {
  const count = 1 + alsoTo.length;
  if (size + count > messagesMax) {
    return new IpcError('store_full', `the store holds ${size} of ${messagesMax} messages`);
  }
  if (bytes + count * body.length <= storeBytesMax) return undefined;
  return new IpcError('store_full', `the store holds ${bytes} of ${storeBytesMax} bytes`);
}

/** Room for one more message in each. A message that is out of attempts always has room in `dead-letters`. */
export function fullMailboxes(
  names: readonly Name[],
  bodyBytes: number,
  state: State,
  limits: EngineLimits,
): IpcError | undefined {
  const { mailboxCount } = state;
  const added = names.filter((name) => state.sizeOf(name).messages === 0).length;
  if (added > 0 && mailboxCount + added > limits.mailboxesMax) {
    const what = `mailboxes that have mail: ${mailboxCount}; the limit is ${limits.mailboxesMax}`;
    return new IpcError('too_many_mailboxes', what);
  }
  for (const name of names) {
    const refusal = fullMailbox(name, bodyBytes, state, limits);
    if (refusal) return refusal;
  }
  return undefined;
}

function fullMailbox(
  name: Name,
  bodyBytes: number,
  state: State,
  { mailboxMessagesMax, mailboxBytesMax }: EngineLimits,
): IpcError | undefined {
  const { messages, bytes } = state.sizeOf(name);
  const where = `the mailbox ${JSON.stringify(name)}`;
  if (messages >= mailboxMessagesMax) {
    return new IpcError('mailbox_full', `${where} holds ${messages} messages, which is its limit`);
  }
  if (bytes + bodyBytes <= mailboxBytesMax) return undefined;
  return new IpcError('mailbox_full', `${where} holds ${bytes} of ${mailboxBytesMax} bytes`);
}
