// Deduplication: which posts were stored, or settled without being stored. A post that is repeated under the
// same id is one message.
//
// 1. A session numbers its posts (count) and reports up to which count it has all responses (acknowledged up
//    to). Per session the broker keeps that count and the stored posts above it, never a map of all ids.
//    When there are too many sessions, the one last seen longest ago is forgotten, but no connected one.
// 2. An id that the caller chose stands alone. When there are too many, the oldest is forgotten.
// 3. A holder may settle a message that this store never had: an earlier owner delivered it before it was
//    durable, and lost it. Its poster got no response and posts it again, so that id is remembered, too.
import { BoundedMap } from '../base/bounded-map.ts';
import { type Hold, type MessageId, type SessionId, splitId } from '../model/message.ts';
import type { JournalRecord } from '../model/records.ts';
import { IdsBySession } from './ids-by-session.ts';

interface SessionPosts {
  ackedUpTo: number;
  /** Message numbers by count, for stored posts above `ackedUpTo`. */
  readonly numbers: Map<number, number>;
}

export interface DeduplicationLimits {
  readonly sessionsMax: number;
  readonly namedIdsMax: number;
  readonly unstoredIdsMax: number;
}

export class Deduplication {
  /** The session last seen longest ago comes first. */
  readonly #sessions = new Map<SessionId, SessionPosts>();
  readonly #sessionsMax: number;
  /** Ids that callers chose, with the numbers of their messages. */
  readonly #named: BoundedMap<MessageId, number>;
  /** Messages that were settled but never stored, with the numbers under which they were delivered. */
  readonly #settled: IdsBySession<number>;

  constructor({ sessionsMax, namedIdsMax, unstoredIdsMax }: DeduplicationLimits) {
    this.#sessionsMax = sessionsMax;
    this.#named = new BoundedMap(namedIdsMax);
    this.#settled = new IdsBySession(unstoredIdsMax);
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

  /** The session was seen, and has all responses up to that count. */
  acknowledge(session: SessionId, ackedUpTo: number): void {
    const posts = this.#sessions.get(session) ?? { ackedUpTo: 0, numbers: new Map() };
    this.#sessions.delete(session);
    this.#sessions.set(session, posts);
    if (ackedUpTo <= posts.ackedUpTo) return;
    forgetUpTo(ackedUpTo, posts);
    posts.ackedUpTo = ackedUpTo;
  }

  store(session: SessionId, count: number, ackedUpTo: number, number: number): void {
    this.acknowledge(session, ackedUpTo);
    const posts = this.#sessions.get(session);
    if (posts && count > posts.ackedUpTo) posts.numbers.set(count, number);
  }

  storeNamed(id: MessageId, number: number): void {
    this.#named.set(id, number);
  }

  /** The holder settled a message that is not in the store. */
  settle({ id, number }: Hold): void {
    this.#settled.delete(id);
    this.#settled.set(id, number, splitId(id)?.session);
  }

  /** The number under which a message was delivered and settled that was never stored. */
  settledAs(id: MessageId): number | undefined {
    const number = this.#settled.get(id);
    return number === undefined || this.#isAcknowledged(id) ? undefined : number;
  }

  /** Neither stored nor settled, as far as is known, and its poster may still have no response. */
  mayBePosted(id: MessageId): boolean {
    if (this.#settled.has(id) || this.#isAcknowledged(id)) return false;
    const own = splitId(id);
    const stored = own ? this.numberOf(own.session, own.count) : this.numberOfNamed(id);
    return stored === undefined;
  }

  /** Something is remembered that forget() would forget. */
  knows(session: SessionId): boolean {
    return this.#sessions.has(session) || this.#settled.idsOf(session).length > 0;
  }

  forget(session: SessionId): void {
    this.#sessions.delete(session);
    for (const id of this.#settled.idsOf(session)) this.#settled.delete(id);
  }

  /** Forgets messages that were settled without being stored, if their posters have a response by now. */
  forgetAcknowledged(): void {
    for (const [id] of this.#settled.entries()) {
      if (this.#isAcknowledged(id)) this.#settled.delete(id);
    }
  }

  /** Forgets sessions last seen longest ago, down to the limit, but none that is connected. */
  shrink(isConnected: (session: SessionId) => boolean): void {
    if (this.#sessions.size <= this.#sessionsMax) return;
    for (const session of this.#sessions.keys()) {
      if (isConnected(session)) continue;
      this.#sessions.delete(session);
      if (this.#sessions.size <= this.#sessionsMax) return;
    }
  }

  /** Everything that is remembered, as records for a segment prologue. */
  records(): JournalRecord[] {
    const sessions = [...this.#sessions].map(
      ([session, { ackedUpTo, numbers }]) =>
        ({ kind: 'session', session, ackedUpTo, numbers: [...numbers] }) as const,
    );
    const records: JournalRecord[] = sessions;
    if (this.#named.size > 0) records.push({ kind: 'named', ids: [...this.#named] });
    const holds = this.#settled.entries().map(([id, number]) => ({ id, number }));
    if (holds.length > 0) records.push({ kind: 'settledById', holds });
    return records;
  }

  /** Its session has the response, and does not post it again. */
  #isAcknowledged(id: MessageId): boolean {
    const own = splitId(id);
    return own !== undefined && own.count <= this.ackedUpTo(own.session);
  }
}

/** Looks at the counts up to there, or at all that are remembered, whichever are fewer. */
function forgetUpTo(count: number, { ackedUpTo, numbers }: SessionPosts): void {
  if (count - ackedUpTo > numbers.size) {
    for (const each of numbers.keys()) if (each <= count) numbers.delete(each);
  } else for (let each = ackedUpTo + 1; each <= count; each++) numbers.delete(each);
}
