import { readMailboxesMax } from '../base/limits.ts';
import type { MailboxList, Name } from './message.ts';

/**
 * The mailboxes that a session has read last. A broker keeps them to say where else mail waits, and the client to repeat
 * them in its hello to the next owner.
 */
export class ReadMailboxes {
  #newestFirst: readonly Name[] = [];

  /** `names`: the newest last. */
  constructor(names: readonly Name[] = []) {
    for (const name of names) this.add([name]);
  }

  /** The first of a list counts as read last: a session lists its own mailbox before shared ones. */
  add(mailboxes: MailboxList): void {
    if (mailboxes.length === 1 && mailboxes[0] === this.newest) return;
    const older = this.#newestFirst.filter((name) => !mailboxes.includes(name));
    this.#newestFirst = [...mailboxes, ...older].slice(0, readMailboxesMax);
  }

  get newestFirst(): readonly Name[] {
    return this.#newestFirst;
  }

  /** The newest last. */
  get names(): readonly Name[] {
    return this.#newestFirst.toReversed();
  }

  get newest(): Name | undefined {
    return this.#newestFirst[0];
  }
}
