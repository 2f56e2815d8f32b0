// The engine's part of a status: of the mailboxes that have a message or a parked wait the first ones, and how many
// there are. What it counts is kept up to date as messages come and go, so a status looks only at what it shows.
import type { MailboxStatus, StatusResponse, StorageStatus } from '../model/requests.ts';
import type { EngineLimits } from './commands.ts';
import type { SessionsStatus } from './session-list.ts';
import type { State } from './state.ts';
import type { Waiters } from './waiters.ts';

export type WaitCounts = Pick<Waiters<never>, 'count' | 'mailboxNames' | 'sessionsOn'>;

/** The broker replaces it. */
const storageUnknown: StorageStatus = { damaged: 0, storageStalledMs: 0, warnings: [] };

export function statusOf(
  state: State,
  waiters: WaitCounts,
  { statusMailboxesMax }: EngineLimits,
): Omit<StatusResponse, 'request' | keyof SessionsStatus> {
  const deadLetters = first(state.deadLetters, statusMailboxesMax);
  return {
    kind: 'status',
    messages: state.size,
    bytes: state.bytes,
    mailboxCount: state.listedCount,
    mailboxes: shownMailboxes(state, waiters, statusMailboxesMax),
    deadLetterCount: state.deadLetterCount,
    deadLetters: deadLetters.map(([to, messages]) => ({ to, messages })),
    ...storageUnknown,
  };
}

/** Those with messages first. */
function shownMailboxes(state: State, waiters: WaitCounts, max: number): MailboxStatus[] {
  const shown: MailboxStatus[] = [];
  for (const { mailbox, ready, held, oldestTime } of state.mailboxes(max)) {
    shown.push({ mailbox, ready, held, waiting: waiters.count(mailbox), oldestTime });
  }
  for (const mailbox of waiters.mailboxNames()) {
    if (shown.length === max) break;
    if (state.sizeOf(mailbox).messages > 0) continue;
    const waiting = waiters.count(mailbox);
    shown.push({ mailbox, ready: 0, held: 0, waiting, oldestTime: 0 });
  }
  return shown;
}

function first<Item>(items: Iterable<Item>, max: number): Item[] {
  const taken: Item[] = [];
  for (const item of items) {
    if (taken.length === max) break;
    taken.push(item);
  }
  return taken;
}
