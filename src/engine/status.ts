// The engine's part of a status: of the mailboxes that have a message, a parked wait or a watch the first ones, and how
// many there are. What it counts is kept up to date as messages come and go, so a status looks only at what it shows.
import type { MailboxStatus } from '../model/look-results.ts';
import type { Name } from '../model/message.ts';
import type { StatusResponse, StorageStatus } from '../model/requests.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { SessionsStatus } from './session-list.ts';
import type { State } from './state.ts';
import type { Waiters } from './waiters.ts';
import type { Watches } from './watches.ts';

export type WaitCounts = Pick<Waiters<never>, 'count' | 'mailboxNames'>;
export type WatchCounts = Pick<Watches<never>, 'count' | 'mailboxNames' | 'isUnread'>;

/** The broker replaces it. */
const storageUnknown: StorageStatus = { damaged: 0, storageStalledMs: 0, warnings: [] };

export function statusOf(
  state: State,
  waiters: WaitCounts,
  watches: WatchCounts,
  { statusMailboxesMax }: EngineLimits,
): Omit<StatusResponse, 'request' | keyof SessionsStatus> {
  // Each name that is paused takes the place of a mailbox, so that all fit into the header of the response.
  const shownMax = Math.max(0, statusMailboxesMax - state.paused.size);
  const deadLetters = first(state.deadLetters, statusMailboxesMax);
  return {
    kind: 'status',
    messages: state.size,
    bytes: state.bytes,
    mailboxCount: state.listedCount,
    mailboxes: shownMailboxes(state, waiters, watches, shownMax),
    deadLetterCount: state.deadLetterCount,
    deadLetters: deadLetters.map(([to, messages]) => ({ to, messages })),
    paused: [...state.paused],
    ...storageUnknown,
  };
}

/** Those with messages first. */
function shownMailboxes(
  state: State,
  waiters: WaitCounts,
  watches: WatchCounts,
  max: number,
): MailboxStatus[] {
  const shown: MailboxStatus[] = [];
  const counted = (mailbox: Name) => {
    const paused = state.isPaused(mailbox);
    return { waiting: waiters.count(mailbox), watching: watches.count(mailbox), paused };
  };
  for (const { oldestTime, ...each } of state.mailboxes(max)) {
    shown.push({ ...each, ...counted(each.mailbox), oldestTime });
  }
  const empty = { ready: 0, held: 0, oldestTime: 0 };
  for (const mailbox of waiters.mailboxNames()) {
    if (shown.length === max) break;
    if (state.sizeOf(mailbox).messages > 0) continue;
    shown.push({ mailbox, ...empty, ...counted(mailbox) });
  }
  for (const mailbox of watches.mailboxNames()) {
    if (shown.length === max) break;
    if (state.sizeOf(mailbox).messages > 0 || waiters.count(mailbox) > 0) continue;
    shown.push({ mailbox, ...empty, ...counted(mailbox) });
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
