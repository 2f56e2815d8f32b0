import type { Name } from '../model/message.ts';

/** Changes of ready mail since they were last taken. None are kept while nobody wants to know. */
export class ReadyChanges {
  isWanted = false;
  /** Mailboxes that a ready message has entered or left. */
  readonly mailboxes = new Set<Name>();
  /** Those that one has left. */
  readonly taken = new Set<Name>();
  /** Numbers of the messages that were ready and are not any more, or not in that mailbox. */
  readonly numbers = new Set<number>();

  entered(mailbox: Name): void {
    if (this.isWanted) this.mailboxes.add(mailbox);
  }

  left(mailbox: Name, number: number): void {
    if (!this.isWanted) return;
    this.mailboxes.add(mailbox);
    this.taken.add(mailbox);
    this.numbers.add(number);
  }

  clear(): void {
    this.mailboxes.clear();
    this.taken.clear();
    this.numbers.clear();
  }
}
