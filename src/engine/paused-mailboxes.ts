// The mailboxes from which nothing is delivered. A pause of all mailboxes stands beside those of single ones: a mailbox
// that was paused by its name is paused until it is resumed by its name, or all are.
import type { Name } from '../model/message.ts';
import type { PausedRecord } from '../model/records.ts';

export class PausedMailboxes {
  readonly #names = new Set<Name | ''>();

  /** '' stands for all mailboxes. */
  get names(): ReadonlySet<Name | ''> {
    return this.#names;
  }

  has(mailbox: Name): boolean {
    return this.#names.size > 0 && (this.#names.has('') || this.#names.has(mailbox));
  }

  apply({ mailbox, isPaused }: PausedRecord): void {
    if (isPaused) this.#names.add(mailbox);
    else if (mailbox === '') this.#names.clear();
    else this.#names.delete(mailbox);
  }

  /** For a segment prologue. */
  records(): PausedRecord[] {
    return [...this.#names].map((mailbox) => ({ kind: 'paused', mailbox, isPaused: true }));
  }
}
