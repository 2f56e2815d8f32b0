// Which posts were stored, or settled without being stored: what makes a post repeated with the same id
// one message.
//
// A session numbers its posts (count) and says up to which count it has all responses (acknowledged up to).
// Per session the broker keeps the mark and the answers above it; of all sessions the one longest
// unheard is forgotten first, never a connected one. An id given by hand stands alone, and of those
// the oldest goes first. No map of all ids.
//
// A holder may settle a message that this store never had: an earlier owner offered it before it was
// durable, and lost it. Its poster had no answer and posts it again, so its id is remembered, too.
import { type Hold, type MessageId, type SessionId, splitId } from '../model/message.ts';
import type { JournalRecord } from '../model/records.ts';

interface SessionPosts {
  ackedUpTo: number;
  /** Count to message number, for stored posts above `ackedUpTo`. */
  readonly numbers: Map<number, number>;
}

export interface DeduplicationLimits {
  readonly sessionsMax: number;
  readonly namedIdsMax: number;
  readonly unstoredIdsMax: number;
}

export class Deduplication {
  /** In the order last heard of. */
  readonly #sessions = new Map<SessionId, SessionPosts>();
  /** In the order stored. */
  readonly #named = new Map<MessageId, number>();
  /** Settled, but never stored, in the order settled; each with the number of its offer. */
  readonly #settled = new Map<MessageId, number>();
  readonly #limits: DeduplicationLimits;

  constructor(limits: DeduplicationLimits) {
    this.#limits = limits;
  }

  ackedUpTo(session: SessionId): number {
    return this.#sessions.get(session)?.ackedUpTo ?? 0;
  }

  /** The number under which the session's post was stored, if it is known. */
  numberOf(session: SessionId, count: number): number | undefined {
    return this.#sessions.get(session)?.numbers.get(count);
  }

  numberOfNamed(id: MessageId): number | undefined {
    return this.#named.get(id);
  }

  /** The session was heard of: it has its answers up to that count. */
  acknowledge(session: SessionId, ackedUpTo: number): void {
    const posts = this.#sessions.get(session) ?? { ackedUpTo: 0, numbers: new Map() };
    this.#sessions.delete(session);
    this.#sessions.set(session, posts);
    if (ackedUpTo <= posts.ackedUpTo) return;
    posts.ackedUpTo = ackedUpTo;
    for (const count of posts.numbers.keys()) if (count <= ackedUpTo) posts.numbers.delete(count);
  }

  store(session: SessionId, count: number, ackedUpTo: number, number: number): void {
    this.acknowledge(session, ackedUpTo);
    const posts = this.#sessions.get(session);
    if (posts && count > posts.ackedUpTo) posts.numbers.set(count, number);
  }

  storeNamed(id: MessageId, number: number): void {
    setNewest(this.#named, id, number, this.#limits.namedIdsMax);
  }

  /** Its holder settled it, and it is not stored. */
  settle({ id, number }: Hold): void {
    setNewest(this.#settled, id, number, this.#limits.unstoredIdsMax);
  }

  /** The number of the offer that was settled, though the message was not stored. */
  settledAs(id: MessageId): number | undefined {
    const number = this.#settled.get(id);
    return number === undefined || this.#isAnswered(id) ? undefined : number;
  }

  /** Neither stored nor settled, as far as is known, and its poster may have no answer yet. */
  mayBePosted(id: MessageId): boolean {
    if (this.#settled.has(id) || this.#isAnswered(id)) return false;
    const own = splitId(id);
    const stored = own ? this.numberOf(own.session, own.count) : this.numberOfNamed(id);
    return stored === undefined;
  }

  knows(session: SessionId): boolean {
    return this.#sessions.has(session);
  }

  forget(session: SessionId): void {
    this.#sessions.delete(session);
    for (const id of this.#settled.keys())
      if (id.startsWith(`${session}.`)) this.#settled.delete(id);
  }

  /** Forgets what was settled without being stored and has been answered since. */
  forgetAnswered(): void {
    for (const id of this.#settled.keys()) if (this.#isAnswered(id)) this.#settled.delete(id);
  }

  /** Forgets the sessions longest unheard, until the limit holds. */
  shrink(connected: (session: SessionId) => boolean): void {
    if (this.#sessions.size <= this.#limits.sessionsMax) return;
    for (const session of this.#sessions.keys()) {
      if (connected(session)) continue;
      this.#sessions.delete(session);
      if (this.#sessions.size <= this.#limits.sessionsMax) return;
    }
  }

  /** All that is known, as records for a segment's head. */
  records(): JournalRecord[] {
    const sessions = [...this.#sessions].map(
      ([session, { ackedUpTo, numbers }]) =>
        ({ kind: 'session', session, ackedUpTo, numbers: [...numbers] }) as const,
    );
    const records: JournalRecord[] = sessions;
    if (this.#named.size > 0) records.push({ kind: 'named', ids: [...this.#named] });
    const holds = [...this.#settled].map(([id, number]) => ({ id, number }));
    if (holds.length > 0) records.push({ kind: 'settledById', holds });
    return records;
  }

  /** Its session has the answer, and never asks again. */
  #isAnswered(id: MessageId): boolean {
    const own = splitId(id);
    return own !== undefined && own.count <= this.ackedUpTo(own.session);
  }
}

/** The oldest goes when there are more than `max`. */
function setNewest(
  numbers: Map<MessageId, number>,
  id: MessageId,
  number: number,
  max: number,
): void {
  numbers.delete(id);
  numbers.set(id, number);
  if (numbers.size <= max) return;
  for (const oldest of numbers.keys()) {
    numbers.delete(oldest);
    return;
  }
}
