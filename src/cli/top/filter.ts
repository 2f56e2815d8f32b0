// The filter of the screen: words that must all occur in a line, in any case of letters.
import type { SessionStatus } from '../../model/mail-service.ts';
import type { FlowEntry } from './flow.ts';
import { stateWords } from './flow-table.ts';
import type { MailboxLine } from './mailbox-table.ts';

export function wordsOf(filter: string): string[] {
  return filter
    .toLowerCase()
    .split(' ')
    .filter((word) => word !== '');
}

export function sessionMatches(session: SessionStatus, words: readonly string[]): boolean {
  const { name, origin, waitsOn, watches } = session;
  const { program, machine, folder = '' } = origin;
  return haveAll([name, program, machine, folder, ...waitsOn, ...watches], words);
}

export function mailboxMatches({ mailbox, paused }: MailboxLine, words: readonly string[]) {
  return haveAll([mailbox, paused ? 'paused' : ''], words);
}

export function entryMatches(entry: FlowEntry, words: readonly string[]): boolean {
  if ('note' in entry) return haveAll([entry.note.words], words);
  const { story } = entry;
  const { from, to, id, origin } = story.stored.envelope;
  return haveAll(
    [from, to, story.mailbox, id, origin.program, stateWords(story), story.text ?? ''],
    words,
  );
}

function haveAll(parts: readonly string[], words: readonly string[]): boolean {
  const text = parts.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}
