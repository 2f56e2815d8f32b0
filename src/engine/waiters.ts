// The parked waits. They are not durable: a restart ends them all, and each client sends its own again.
import type { MessageId, Name, SessionId } from '../model/message.ts';
import type { RequestNumber } from '../model/requests.ts';
import { DeadlineHeap } from './deadline-heap.ts';

/** `Owner` is the connection that parked it. */
export interface Waiter<Owner> {
  readonly owner: Owner;
  readonly session: SessionId;
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** Wait only for an answer to this message; '' for any message. */
  readonly answers: MessageId | '';
  /** Milliseconds on the engine's clock. */
  readonly deadline: number;
  index: number;
}

interface Parked<Owner> {
  /** By `answers`; each set has the oldest waiter first. */
  readonly waiters: Map<MessageId | '', Set<Waiter<Owner>>>;
  /** How many waiters each session has. */
  readonly sessions: Map<SessionId, number>;
  count: number;
}

export class Waiters<Owner> {
  readonly #parked = new Map<Name, Parked<Owner>>();
  readonly #deadlines = new DeadlineHeap<Waiter<Owner>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The waiter with the earliest deadline. */
  get next(): Waiter<Owner> | undefined {
    return this.#deadlines.first;
  }

  park(waiter: Waiter<Owner>): void {
    const { mailbox, session } = waiter;
    const parked = this.#parked.get(mailbox) ?? {
      waiters: new Map(),
      sessions: new Map(),
      count: 0,
    };
    this.#parked.set(mailbox, parked);
    const waiters = parked.waiters.get(waiter.answers) ?? new Set();
    parked.waiters.set(waiter.answers, waiters.add(waiter));
    parked.sessions.set(session, (parked.sessions.get(session) ?? 0) + 1);
    parked.count++;
    this.#deadlines.add(waiter);
    this.#size++;
  }

  unpark(waiter: Waiter<Owner>): void {
    const { mailbox, session } = waiter;
    const parked = this.#parked.get(mailbox);
    const waiters = parked?.waiters.get(waiter.answers);
    if (!parked || !waiters?.delete(waiter)) return;
    if (waiters.size === 0) parked.waiters.delete(waiter.answers);
    const count = (parked.sessions.get(session) ?? 0) - 1;
    if (count > 0) parked.sessions.set(session, count);
    else parked.sessions.delete(session);
    if (--parked.count === 0) this.#parked.delete(mailbox);
    this.#deadlines.delete(waiter);
    this.#size--;
  }

  /** The oldest waiter with these `answers` whose owner may get a delivery now. */
  oldest(
    mailbox: Name,
    answers: MessageId | '',
    may: (owner: Owner) => boolean,
  ): Waiter<Owner> | undefined {
    for (const waiter of this.#parked.get(mailbox)?.waiters.get(answers) ?? []) {
      if (may(waiter.owner)) return waiter;
    }
    return undefined;
  }

  count(mailbox: Name): number {
    return this.#parked.get(mailbox)?.count ?? 0;
  }

  /** How many other sessions wait on the mailbox. */
  others(mailbox: Name, session: SessionId): number {
    const sessions = this.#parked.get(mailbox)?.sessions;
    return sessions ? sessions.size - (sessions.has(session) ? 1 : 0) : 0;
  }

  mailboxNames(): IterableIterator<Name> {
    return this.#parked.keys();
  }
}
