import type { Name } from '../model/message.ts';

/** Changes of ready mail since they were last taken in. None are kept while nobody wants to know. */
export class ReadyChanges {
  isWanted = false;
  /** Mailboxes that a ready message has entered or left; true if one has left. */
  readonly mailboxes = new Map<Name, boolean>();
  /** Messages that have left: they are not ready any more, or in another mailbox, or at another attempt. */
  readonly numbers: number[] = [];
  /** Mailboxes that were paused or resumed; '' for all. */
  readonly pauses = new Set<Name | ''>();

  entered(mailbox: Name): void {
    if (this.isWanted && !this.mailboxes.has(mailbox)) this.mailboxes.set(mailbox, false);
  }

  left(mailbox: Name, number: number): void {
    if (!this.isWanted) return;
    this.mailboxes.set(mailbox, true);
    this.numbers.push(number);
  }

  paused(mailbox: Name | ''): void {
    if (this.isWanted) this.pauses.add(mailbox);
  }

  clear(): void {
    this.pauses.clear();
    this.mailboxes.clear();
    this.numbers.length = 0;
  }
}
