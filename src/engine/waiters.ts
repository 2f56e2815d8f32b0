// The waits that are parked in the engine. Not durable: a restart ends them all, and each client
// parks its own again.
import type { MessageId, Name, SessionId } from '../model/message.ts';
import type { RequestNumber } from '../model/requests.ts';
import { DeadlineHeap } from './deadline-heap.ts';

/** `Owner` is the connection that parked it. */
export interface Waiter<Owner> {
  readonly owner: Owner;
  readonly session: SessionId;
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** The question whose answer it is for; '' for any message. */
  readonly answers: MessageId | '';
  /** Milliseconds on the engine's clock. */
  readonly deadline: number;
  place: number;
}

interface Parked<Owner> {
  /** Oldest first. */
  readonly waiters: Set<Waiter<Owner>>;
  /** Those that are for an answer alone. */
  readonly askers: Set<Waiter<Owner>>;
  /** How many of them each session has. */
  readonly sessions: Map<SessionId, number>;
}

export class Waiters<Owner> {
  readonly #parked = new Map<Name, Parked<Owner>>();
  readonly #deadlines = new DeadlineHeap<Waiter<Owner>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The waiter whose time is over first. */
  get next(): Waiter<Owner> | undefined {
    return this.#deadlines.first;
  }

  park(waiter: Waiter<Owner>): void {
    const { mailbox, session } = waiter;
    const parked = this.#parked.get(mailbox) ?? {
      waiters: new Set(),
      askers: new Set(),
      sessions: new Map(),
    };
    this.#parked.set(mailbox, parked);
    setOf(waiter, parked).add(waiter);
    parked.sessions.set(session, (parked.sessions.get(session) ?? 0) + 1);
    this.#deadlines.add(waiter);
    this.#size++;
  }

  unpark(waiter: Waiter<Owner>): void {
    const { mailbox, session } = waiter;
    const parked = this.#parked.get(mailbox);
    if (!parked || !setOf(waiter, parked).delete(waiter)) return;
    const left = (parked.sessions.get(session) ?? 0) - 1;
    if (left > 0) parked.sessions.set(session, left);
    else parked.sessions.delete(session);
    if (parked.sessions.size === 0) this.#parked.delete(mailbox);
    this.#deadlines.delete(waiter);
    this.#size--;
  }

  /** Those for an answer alone, oldest first. */
  askers(mailbox: Name): readonly Waiter<Owner>[] {
    return [...(this.#parked.get(mailbox)?.askers ?? [])];
  }

  /** The oldest for any message whose owner may be given something now. */
  oldest(mailbox: Name, may: (owner: Owner) => boolean): Waiter<Owner> | undefined {
    for (const waiter of this.#parked.get(mailbox)?.waiters ?? []) {
      if (may(waiter.owner)) return waiter;
    }
    return undefined;
  }

  count(mailbox: Name): number {
    const parked = this.#parked.get(mailbox);
    return parked ? parked.waiters.size + parked.askers.size : 0;
  }

  /** Other sessions that wait on the mailbox. */
  others(mailbox: Name, session: SessionId): number {
    const sessions = this.#parked.get(mailbox)?.sessions;
    return sessions ? sessions.size - (sessions.has(session) ? 1 : 0) : 0;
  }

  mailboxNames(): IterableIterator<Name> {
    return this.#parked.keys();
  }
}

function setOf<Owner>({ answers }: Waiter<Owner>, parked: Parked<Owner>): Set<Waiter<Owner>> {
  return answers === '' ? parked.waiters : parked.askers;
}
