// The waits that are parked in the engine. Not durable: a restart ends them all, and each client
// parks its own again.
import type { Name, SessionId } from './message.ts';
import type { RequestNumber } from './requests.ts';
import { Deadlines } from './sorted.ts';

/** `Owner` is the connection that parked it. */
export interface Waiter<Owner> {
  readonly owner: Owner;
  readonly session: SessionId;
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** Milliseconds on the engine's clock. */
  readonly deadline: number;
  place: number;
}

/** People read how many others wait; beyond this the exact count helps nobody. */
const othersCounted = 100;

export class Waits<Owner> {
  /** Per mailbox, oldest first. */
  readonly #parked = new Map<Name, Set<Waiter<Owner>>>();
  readonly #deadlines = new Deadlines<Waiter<Owner>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The waiter whose time is over first. */
  get next(): Waiter<Owner> | undefined {
    return this.#deadlines.first;
  }

  park(waiter: Waiter<Owner>): void {
    const parked = this.#parked.get(waiter.mailbox);
    if (parked) parked.add(waiter);
    else this.#parked.set(waiter.mailbox, new Set([waiter]));
    this.#deadlines.add(waiter);
    this.#size++;
  }

  unpark(waiter: Waiter<Owner>): void {
    const parked = this.#parked.get(waiter.mailbox);
    if (!parked?.delete(waiter)) return;
    if (parked.size === 0) this.#parked.delete(waiter.mailbox);
    this.#deadlines.delete(waiter);
    this.#size--;
  }

  oldest(mailbox: Name): Waiter<Owner> | undefined {
    for (const waiter of this.#parked.get(mailbox) ?? []) return waiter;
    return undefined;
  }

  count(mailbox: Name): number {
    return this.#parked.get(mailbox)?.size ?? 0;
  }

  /** Other sessions that wait on the mailbox. */
  others(mailbox: Name, session: SessionId): number {
    const others = new Set<SessionId>();
    for (const waiter of this.#parked.get(mailbox) ?? []) {
      if (waiter.session !== session) others.add(waiter.session);
      if (others.size === othersCounted) break;
    }
    return others.size;
  }

  mailboxNames(): IterableIterator<Name> {
    return this.#parked.keys();
  }
}
