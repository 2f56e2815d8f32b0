// The engine's part of a status: every mailbox that has a message or a parked wait.
import type { Name } from '../model/message.ts';
import type { MailboxStatus, StatusResponse, StorageStatus } from '../model/requests.ts';
import type { EngineLimits } from './commands.ts';
import type { State } from './state.ts';
import type { Waiters } from './waiters.ts';

/** The broker replaces it. */
const storageUnknown: StorageStatus = { damaged: 0, storageStalledMs: 0, warnings: [] };

export function statusOf(
  state: State,
  waiters: Waiters<unknown>,
  { statusMailboxesMax }: EngineLimits,
): Omit<StatusResponse, 'request' | 'sessions'> {
  const mailboxes = mailboxStatuses(state, waiters);
  const deadLetters = [...state.deadLetters].map(([to, messages]) => ({ to, messages }));
  return {
    kind: 'status',
    messages: state.size,
    bytes: state.bytes,
    mailboxCount: mailboxes.length,
    mailboxes: mailboxes.slice(0, statusMailboxesMax),
    deadLetterCount: deadLetters.reduce((sum, { messages }) => sum + messages, 0),
    deadLetters: deadLetters.slice(0, statusMailboxesMax),
    ...storageUnknown,
  };
}

function mailboxStatuses(state: State, waiters: Waiters<unknown>): MailboxStatus[] {
  const oldestHeld = oldestHeldTimes(state);
  const names = new Set([...state.mailboxNames(), ...waiters.mailboxNames()]);
  return [...names].map((mailbox) => {
    const times = [state.firstReady(mailbox)?.envelope.time, oldestHeld.get(mailbox)];
    const oldestTime = Math.min(...times.filter((time) => time !== undefined));
    return {
      mailbox,
      ...state.counts(mailbox),
      waiting: waiters.count(mailbox),
      oldestTime: Number.isFinite(oldestTime) ? oldestTime : 0,
    };
  });
}

function oldestHeldTimes(state: State): Map<Name, number> {
  const oldest = new Map<Name, number>();
  for (const session of state.holders()) {
    for (const { mailbox, envelope } of state.heldBy(session)) {
      oldest.set(mailbox, Math.min(envelope.time, oldest.get(mailbox) ?? envelope.time));
    }
  }
  return oldest;
}
