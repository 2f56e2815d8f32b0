// Which posts were stored: what makes a post repeated with the same id one message.
//
// A session numbers its posts (count) and says up to which count it has all responses (acknowledged up to).
// Per session the broker keeps the mark and the answers above it; of all sessions the one longest
// unheard is forgotten first, never a connected one. An id given by hand stands alone, and of those
// the oldest goes first. No map of all ids.
import type { MessageId, SessionId } from '../model/message.ts';
import type { JournalRecord } from '../model/requests.ts';

interface SessionPosts {
  ackedUpTo: number;
  /** Count to message number, for stored posts above `ackedUpTo`. */
  readonly numbers: Map<number, number>;
}

export interface DeduplicationLimits {
  readonly sessionsMax: number;
  readonly namedIdsMax: number;
}

export class Deduplication {
  /** In the order last heard of. */
  readonly #sessions = new Map<SessionId, SessionPosts>();
  /** In the order stored. */
  readonly #named = new Map<MessageId, number>();
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
    this.#named.delete(id);
    this.#named.set(id, number);
    if (this.#named.size <= this.#limits.namedIdsMax) return;
    for (const oldest of this.#named.keys()) {
      this.#named.delete(oldest);
      return;
    }
  }

  knows(session: SessionId): boolean {
    return this.#sessions.has(session);
  }

  forget(session: SessionId): void {
    this.#sessions.delete(session);
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
    if (this.#named.size === 0) return sessions;
    return [...sessions, { kind: 'named', ids: [...this.#named] }];
  }
}
