// The text with which an agent is woken. It enters the agent's conversation, so it has no word of a message and no
// name of its sender.
import { quoted } from '../base/quoted.ts';
import type { Notice } from '../model/mail-ahead.ts';

/** One line. `count`: the notices of the session, from 1; some hosts drop a text that is the same as the last one. */
export function noticeText(
  { mailbox, unread }: Pick<Notice, 'mailbox' | 'unread'>,
  count: number,
): string {
  const name = quoted(mailbox);
  const [messages, them] =
    unread === 1 ? ['1 message waits', 'it'] : [`${unread} messages wait`, 'them'];
  const what = `${messages} in mailbox ${name} (notice ${count})`;
  return `[ipc] Automatic notice, not from your user: ${what}. Read ${them} with the ipc tool: wait on ${name}.`;
}
