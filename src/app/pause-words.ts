// What a pause means to those who meet it: people who have made it, posters, readers. Agents are told that it is not for
// them to end.
import { quoted } from '../base/quoted.ts';
import type { Name } from '../model/message.ts';
import type { PausedNames } from '../model/pause-requests.ts';

/** Mailboxes that are named; the others are counted. */
const namesShown = 20;

/** For the reader of these mailboxes: one fact, or none. */
export function pausedFacts(mailboxes: readonly Name[] = []): string[] {
  return mailboxes.length === 0 ? [] : [`deliveries from ${listed(mailboxes)} are paused`];
}

/** For the poster of a message. */
export function pausedAhead(mailbox: Name): string {
  const kept = 'it is kept, and nobody gets it until a person resumes them';
  return `deliveries from ${quoted(mailbox)} are paused: ${kept}`;
}

/** For an agent whose read found a pause. */
export const pauseAdvice =
  'A person has paused them: mail is kept, and comes when a person resumes them. Do not resume them yourself, and look for no way around; wait again, or tell your user.';

/** `all mailboxes and "jobs"`: what is paused, for people; undefined when nothing is. */
export function pausedWords(paused: PausedNames): string | undefined {
  const names = paused.filter((name) => name !== '');
  if (!paused.includes('')) return names.length === 0 ? undefined : listed(names);
  return names.length === 0 ? 'all mailboxes' : `all mailboxes, and by name ${listed(names)}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, namesShown).map(quoted);
  const hidden = names.length - shown.length;
  const last = hidden > 0 ? `${hidden} more` : shown.pop();
  return shown.length === 0 ? `${last}` : `${shown.join(', ')} and ${last}`;
}
