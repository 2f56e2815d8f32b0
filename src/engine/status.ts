// The engine's part of a status: of the mailboxes that have a message or a parked wait the first ones, and how many
// there are. What it counts is kept up to date as messages come and go, so a status looks only at what it shows.
import type { Name } from '../model/message.ts';
import type { MailboxStatus, StatusResponse, StorageStatus } from '../model/requests.ts';
import type { EngineLimits } from './commands.ts';
import type { NameCounts } from './name-counts.ts';
import type { State } from './state.ts';
import type { Waiters } from './waiters.ts';

type WaitCounts = Pick<Waiters<never>, 'count' | 'mailboxNames'>;

/** The broker replaces it. */
const storageUnknown: StorageStatus = { damaged: 0, storageStalledMs: 0, warnings: [] };

/** `names`: those of all mailboxes that have messages or waits. */
export function statusOf(
  state: State,
  waiters: WaitCounts,
  names: NameCounts,
  { statusMailboxesMax }: EngineLimits,
): Omit<StatusResponse, 'request' | 'sessions'> {
  const shown = shownNames(state, waiters, statusMailboxesMax);
  const deadLetters = first(state.deadLetters, statusMailboxesMax);
  return {
    kind: 'status',
    messages: state.size,
    bytes: state.bytes,
    mailboxCount: names.size,
    mailboxes: Array.from(shown, (mailbox) => mailboxStatus(mailbox, state, waiters)),
    deadLetterCount: state.deadLetterCount,
    deadLetters: deadLetters.map(([to, messages]) => ({ to, messages })),
    ...storageUnknown,
  };
}

function shownNames(state: State, waiters: WaitCounts, max: number): ReadonlySet<Name> {
  const shown = new Set(first(state.mailboxNames(), max));
  for (const name of waiters.mailboxNames()) {
    if (shown.size === max) break;
    shown.add(name);
  }
  return shown;
}

function mailboxStatus(mailbox: Name, state: State, waiters: WaitCounts): MailboxStatus {
  const oldest = [state.firstReady(mailbox), state.firstHeld(mailbox)];
  const times = oldest.flatMap((message) => (message ? [message.envelope.time] : []));
  return {
    mailbox,
    ...state.counts(mailbox),
    waiting: waiters.count(mailbox),
    oldestTime: times.length > 0 ? Math.min(...times) : 0,
  };
}

function first<Item>(items: Iterable<Item>, max: number): Item[] {
  const taken: Item[] = [];
  for (const item of items) {
    if (taken.length === max) break;
    taken.push(item);
  }
  return taken;
}
