// Why a post is refused: its count, or no room for one of its messages. Nothing old is ever dropped to
// make room.
import { IpcError } from '../base/errors.ts';
import type { Name, SessionId } from '../model/message.ts';
import { mailboxesOf } from '../model/post.ts';
import type { PostRequest } from '../model/requests.ts';
import type { EngineLimits, PostCommand } from './commands.ts';
import type { State } from './state.ts';

export function quotaRefusal(
  post: PostCommand,
  session: SessionId,
  state: State,
  limits: EngineLimits,
): IpcError | undefined {
  return (
    wrongCount(post, session, state, limits) ??
    fullDisk(post) ??
    fullStore(post, state, limits) ??
    fullMailboxes(mailboxesOf(post), post.body.length, state, limits)
  );
}

function wrongCount(
  post: PostRequest,
  session: SessionId,
  state: State,
  { postsAboveMarkMax }: EngineLimits,
): IpcError | undefined {
  if (post.id !== '') return undefined;
  const mark = Math.max(state.deduplication.ackedUpTo(session), post.ackedUpTo);
  if (post.count <= mark) {
    return new IpcError('bad_frame', `post ${post.count} lies below the mark ${mark}`);
  }
  const last = post.count + post.alsoTo.length;
  if (last <= mark + postsAboveMarkMax) return undefined;
  const what = `post ${last} is more than ${postsAboveMarkMax} above the mark ${mark}`;
  return new IpcError('too_many_unanswered', what);
}

function fullDisk({ isDiskFull }: PostCommand): IpcError | undefined {
  if (!isDiskFull) return undefined;
  return new IpcError('store_full', 'the disk of the store is full; this post was not stored');
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

/** One more message in each. What runs out of attempts finds room in `dead-letters` all the same. */
export function fullMailboxes(
  names: readonly Name[],
  bodyBytes: number,
  state: State,
  limits: EngineLimits,
): IpcError | undefined {
  const { mailboxCount } = state;
  const begun = names.filter((name) => state.sizeOf(name).messages === 0).length;
  if (begun > 0 && mailboxCount + begun > limits.mailboxesMax) {
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
  const which = `the mailbox ${JSON.stringify(name)}`;
  if (messages >= mailboxMessagesMax) {
    return new IpcError('mailbox_full', `${which} holds ${messages} messages, its limit`);
  }
  if (bytes + bodyBytes <= mailboxBytesMax) return undefined;
  return new IpcError('mailbox_full', `${which} holds ${bytes} of ${mailboxBytesMax} bytes`);
}
