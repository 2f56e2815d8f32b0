import { quoted } from '../base/quoted.ts';
import type { Notice } from '../model/mail-ahead.ts';

/** The text that wakes an agent. It enters the agent's conversation, so it has no sender and no body. */
export function noticeText({ mailbox, unread }: Notice, count: number): string {
  const name = quoted(mailbox);
  const messages = unread === 1 ? '1 message waits' : `${unread} messages wait`;
  return `[ipc] Automatic notice, not from your user: ${messages} in mailbox ${name} (notice ${count}). Read with the ipc tool: wait on ${name}.`;
}
