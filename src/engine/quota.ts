// Why a post is refused: its count, or no room for one of its messages. Nothing old is ever dropped to
// make room.
import { IpcError } from '../base/errors.ts';
import type { Name, SessionId } from '../model/message.ts';
import { mailboxesOf } from '../model/post.ts';
import type { Post } from '../model/requests.ts';
import type { EngineLimits, PostCommand } from './commands.ts';
import type { Ledger } from './state.ts';

export function refusalOf(
  post: PostCommand,
  session: SessionId,
  ledger: Ledger,
  limits: EngineLimits,
): IpcError | undefined {
  return (
    wrongCount(post, session, ledger, limits) ??
    fullDisk(post) ??
    fullStore(post, ledger, limits) ??
    fullMailboxes(mailboxesOf(post), post.body.length, ledger, limits)
  );
}

function wrongCount(
  post: Post,
  session: SessionId,
  ledger: Ledger,
  { postsAboveMarkMax }: EngineLimits,
): IpcError | undefined {
  if (post.id !== '') return undefined;
  const mark = Math.max(ledger.ids.markOf(session), post.mark);
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
  { alsoTo, body }: Post,
  { size, bytes }: Ledger,
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
  ledger: Ledger,
  limits: EngineLimits,
): IpcError | undefined {
  const { mailboxCount } = ledger;
  const begun = names.filter((name) => ledger.sizeOf(name).messages === 0).length;
  if (begun > 0 && mailboxCount + begun > limits.mailboxesMax) {
    const what = `mailboxes that have mail: ${mailboxCount}; the limit is ${limits.mailboxesMax}`;
    return new IpcError('too_many_mailboxes', what);
  }
  for (const name of names) {
    const refusal = fullMailbox(name, bodyBytes, ledger, limits);
    if (refusal) return refusal;
  }
  return undefined;
}

function fullMailbox(
  name: Name,
  bodyBytes: number,
  ledger: Ledger,
  { mailboxMessagesMax, mailboxBytesMax }: EngineLimits,
): IpcError | undefined {
  const { messages, bytes } = ledger.sizeOf(name);
  const which = `the mailbox ${JSON.stringify(name)}`;
  if (messages >= mailboxMessagesMax) {
    return new IpcError('mailbox_full', `${which} holds ${messages} messages, its limit`);
  }
  if (bytes + bodyBytes <= mailboxBytesMax) return undefined;
  return new IpcError('mailbox_full', `${which} holds ${bytes} of ${mailboxBytesMax} bytes`);
}
