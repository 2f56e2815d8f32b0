// Which posts were stored: what makes a post repeated with the same id one message.
//
// A session numbers its posts (count) and says up to which count it has all its answers (mark).
// Per session the broker keeps the mark and the answers above it; of all sessions the one longest
// unheard is forgotten first, never a connected one. An id given by hand stands alone, and of those
// the oldest goes first. No map of all ids.
import type { MessageId, SessionId } from '../model/message.ts';
import type { JournalRecord } from '../model/requests.ts';

interface Posts {
  mark: number;
  /** Count to message number, for stored posts above the mark. */
  readonly answers: Map<number, number>;
}

export interface IdLimits {
  readonly sessionsMax: number;
  readonly namedIdsMax: number;
}

export class PostIds {
  /** In the order last heard of. */
  readonly #sessions = new Map<SessionId, Posts>();
  /** In the order stored. */
  readonly #named = new Map<MessageId, number>();
  readonly #limits: IdLimits;

  constructor(limits: IdLimits) {
    this.#limits = limits;
  }

  markOf(session: SessionId): number {
    return this.#sessions.get(session)?.mark ?? 0;
  }

  /** The number under which the session's post was stored, if it is known. */
  numberOf(session: SessionId, count: number): number | undefined {
    return this.#sessions.get(session)?.answers.get(count);
  }

  numberOfNamed(id: MessageId): number | undefined {
    return this.#named.get(id);
  }

  /** The session was heard of: it has its answers up to `mark`. */
  hear(session: SessionId, mark: number): void {
    const posts = this.#sessions.get(session) ?? { mark: 0, answers: new Map() };
    this.#sessions.delete(session);
    this.#sessions.set(session, posts);
    if (mark <= posts.mark) return;
    posts.mark = mark;
    for (const count of posts.answers.keys()) if (count <= mark) posts.answers.delete(count);
  }

  store(session: SessionId, count: number, mark: number, number: number): void {
    this.hear(session, mark);
    const posts = this.#sessions.get(session);
    if (posts && count > posts.mark) posts.answers.set(count, number);
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
      ([session, { mark, answers }]) =>
        ({ kind: 'session', session, mark, answers: [...answers] }) as const,
    );
    if (this.#named.size === 0) return sessions;
    return [...sessions, { kind: 'named', ids: [...this.#named] }];
  }
}
