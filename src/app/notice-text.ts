// The texts of a notice, each one line. One enters the conversation of an agent, so neither has a word of a message or
// the name of its sender.
import { quoted } from '../base/quoted.ts';
import type { Notice } from '../model/mail-ahead.ts';
import { counted } from './counts.ts';
import { roughTime } from './durations.ts';

/** Wakes an agent. `count`: the notices of the session, from 1; some hosts drop a text that is the same as the last. */
export function noticeText(
  { mailbox, unread }: Pick<Notice, 'mailbox' | 'unread'>,
  count: number,
): string {
  const name = quoted(mailbox);
  const what = `${waiting(unread)} in mailbox ${name} (notice ${count})`;
  const them = unread === 1 ? 'it' : 'them';
  return `[ipc] Automatic notice, not from your user: ${what}. Read ${them} with the ipc tool: wait on ${name}.`;
}

/** For a person or a program: `2 messages wait in "ann": the first is #7, 3 min old.` */
export function presentNotice({ mailbox, unread, number, ageMs }: Notice): string {
  const first = unread === 1 ? '' : 'the first is ';
  return `${waiting(unread)} in ${quoted(mailbox)}: ${first}#${number}, ${roughTime(ageMs)} old.`;
}

function waiting(unread: number): string {
  return counted(unread, 'message waits', 'messages wait');
}
