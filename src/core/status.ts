// What a status says of the mailboxes: everything that has a message or a reader.
import type { Ledger } from './ledger.ts';
import type { Name } from './message.ts';
import type { MailboxStatus } from './requests.ts';
import type { Waits } from './waits.ts';

export function mailboxStatuses(ledger: Ledger, waits: Waits<unknown>): MailboxStatus[] {
  const oldest = new Map<Name, number>();
  for (const { mailbox, envelope } of ledger.messages()) {
    oldest.set(mailbox, Math.min(envelope.time, oldest.get(mailbox) ?? envelope.time));
  }
  const names = new Set([...ledger.mailboxNames(), ...waits.mailboxNames()]);
  return [...names].map((mailbox) => ({
    mailbox,
    ...ledger.counts(mailbox),
    waiting: waits.count(mailbox),
    oldestTime: oldest.get(mailbox) ?? 0,
  }));
}
