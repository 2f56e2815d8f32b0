// What a status says of the mailboxes: everything that has a message or a reader.

import type { Name } from '../model/message.ts';
import type { MailboxStatus, StatusAnswer, StorageStatus } from '../model/requests.ts';
import type { EngineLimits } from './commands.ts';
import type { Ledger } from './state.ts';
import type { Waits } from './waiters.ts';

/** For the broker to fill in. */
const storageUnknown: StorageStatus = { damaged: 0, storageStalledMs: 0, warnings: [] };

export function statusOf(
  ledger: Ledger,
  waits: Waits<unknown>,
  { statusMailboxesMax }: EngineLimits,
): Omit<StatusAnswer, 'request' | 'sessions'> {
  const mailboxes = mailboxStatuses(ledger, waits);
  const deadLetters = [...ledger.deadLetters].map(([to, messages]) => ({ to, messages }));
  return {
    kind: 'status',
    messages: ledger.size,
    bytes: ledger.bytes,
    mailboxCount: mailboxes.length,
    mailboxes: mailboxes.slice(0, statusMailboxesMax),
    deadLetterCount: deadLetters.reduce((sum, { messages }) => sum + messages, 0),
    deadLetters: deadLetters.slice(0, statusMailboxesMax),
    ...storageUnknown,
  };
}

function mailboxStatuses(ledger: Ledger, waits: Waits<unknown>): MailboxStatus[] {
  const oldestHeld = oldestHeldTimes(ledger);
  const names = new Set([...ledger.mailboxNames(), ...waits.mailboxNames()]);
  return [...names].map((mailbox) => {
    const times = [ledger.firstReady(mailbox)?.envelope.time, oldestHeld.get(mailbox)];
    const oldestTime = Math.min(...times.filter((time) => time !== undefined));
    return {
      mailbox,
      ...ledger.counts(mailbox),
      waiting: waits.count(mailbox),
      oldestTime: Number.isFinite(oldestTime) ? oldestTime : 0,
    };
  });
}

function oldestHeldTimes(ledger: Ledger): Map<Name, number> {
  const oldest = new Map<Name, number>();
  for (const session of ledger.holders()) {
    for (const { mailbox, envelope } of ledger.heldBy(session)) {
      oldest.set(mailbox, Math.min(envelope.time, oldest.get(mailbox) ?? envelope.time));
    }
  }
  return oldest;
}
