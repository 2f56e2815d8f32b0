// Why a post is refused: its count, or no room. Nothing old is ever dropped to make room.
import { IpcError } from './errors.ts';
import type { Ledger } from './ledger.ts';
import type { Name, SessionId } from './message.ts';
import type { Post } from './requests.ts';
import type { EngineLimits, PostCommand } from './step.ts';

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
    fullMailbox(post.to, post.body.length, ledger, limits)
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
  if (post.count <= mark + postsAboveMarkMax) return undefined;
  const what = `post ${post.count} is more than ${postsAboveMarkMax} above the mark ${mark}`;
  return new IpcError('too_many_unanswered', what);
}

function fullDisk({ isDiskFull }: PostCommand): IpcError | undefined {
  if (!isDiskFull) return undefined;
  return new IpcError('store_full', 'the disk of the store is full; this post was not stored');
}

function fullStore(
  { body }: Post,
  { size, bytes }: Ledger,
  { messagesMax, storeBytesMax }: EngineLimits,
): IpcError | undefined {
  if (size >= messagesMax) {
    return new IpcError('store_full', `the store holds ${messagesMax} messages, its limit`);
  }
  if (bytes + body.length <= storeBytesMax) return undefined;
  return new IpcError('store_full', `the store holds ${bytes} of ${storeBytesMax} bytes`);
}

/** What runs out of attempts finds room in `dead-letters` all the same. */
export function fullMailbox(
  to: Name,
  bodyBytes: number,
  ledger: Ledger,
  { mailboxMessagesMax, mailboxBytesMax, mailboxesMax }: EngineLimits,
): IpcError | undefined {
  const { messages, bytes } = ledger.sizeOf(to);
  if (messages === 0 && ledger.mailboxCount >= mailboxesMax) {
    return new IpcError('too_many_mailboxes', `${mailboxesMax} mailboxes have mail, the limit`);
  }
  if (messages >= mailboxMessagesMax) {
    const what = `the mailbox holds ${mailboxMessagesMax} messages, its limit`;
    return new IpcError('mailbox_full', what);
  }
  if (bytes + bodyBytes <= mailboxBytesMax) return undefined;
  return new IpcError('mailbox_full', `the mailbox holds ${bytes} of ${mailboxBytesMax} bytes`);
}
