import { BoundedMap } from '../base/bounded-map.ts';
import { readMailboxesMax } from '../base/limits.ts';
import type { MailboxList, Name } from './message.ts';

/**
 * The mailboxes that a session has read last. A broker keeps them to say where else mail waits, and the client to repeat
 * them in its hello to the next owner.
 */
export class ReadMailboxes {
  readonly #names = new BoundedMap<Name, true>(readMailboxesMax);

  /** `names`: the newest last. */
  constructor(names: readonly Name[] = []) {
    for (const name of names) this.#names.set(name, true);
  }

  /** The first of a list counts as read last: a session lists its own mailbox before shared ones. */
  add(mailboxes: MailboxList): void {
    for (const mailbox of mailboxes.toReversed()) this.#names.set(mailbox, true);
  }

  /** The newest last. */
  get names(): readonly Name[] {
    return [...this.#names.keys()];
  }

  get newest(): Name | undefined {
    return this.names.at(-1);
  }
}
