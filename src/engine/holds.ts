// Which session holds which message, as holds name them. The ledger knows the holders of the messages that
// are here. A session can hold another one as well: an earlier owner offered it before it was durable, and
// a power loss undid it, or a newer epoch had begun already. Its poster has no answer, so it posts the
// message again. Then the message belongs to its holder at once, or is at its second attempt if the holder
// has given it back. Such orphaned holds are in memory only: each hello lists what its session holds.

import type { Hold, MessageId, SessionId } from '../model/message.ts';
import type { ReleaseRequest } from '../model/requests.ts';
import type { LiveMessage, State } from './state.ts';

export class Holds {
  readonly #state: State;
  /** Holders of messages that are not here; undefined for one that was given back. Oldest first. */
  readonly #orphans = new Map<MessageId, SessionId | undefined>();
  readonly #orphansMax: number;

  constructor(state: State, { unstoredIdsMax }: { readonly unstoredIdsMax: number }) {
    this.#state = state;
    this.#orphansMax = unstoredIdsMax;
  }

  /**
   * What is settled when a session settles these holds: messages that are here, and messages that are not
   * but may be posted again. All else was settled before, or is held by another session.
   */
  settle(
    holds: readonly Hold[],
    session: SessionId,
  ): { settles: number[]; unstored: Hold[]; notHeld: Hold[] } {
    const settles = new Set<number>();
    const unstored = new Map<MessageId, Hold>();
    const notHeld: Hold[] = [];
    for (const hold of holds) {
      const { message, holder } = this.#find(hold);
      if (holder !== undefined && holder !== session) notHeld.push(hold);
      else if (message) settles.add(message.envelope.number);
      else if (this.#state.deduplication.mayBePosted(hold.id)) unstored.set(hold.id, hold);
    }
    for (const id of unstored.keys()) this.#orphans.delete(id);
    return { settles: [...settles], unstored: [...unstored.values()], notHeld };
  }

  /** Returns the messages that go back to their places. */
  release(
    { holds, unread }: Pick<ReleaseRequest, 'holds' | 'unread'>,
    session: SessionId,
  ): LiveMessage[] {
    const messages = new Set<LiveMessage>();
    for (const hold of holds) {
      const { message, holder } = this.#find(hold);
      if (holder !== session) continue;
      if (message) messages.add(message);
      else if (unread) this.#orphans.delete(hold.id);
      else this.#orphans.set(hold.id, undefined);
    }
    return [...messages];
  }

  /** Of a session whose connection is lost. Returns the messages that go back to their places. */
  releaseAll(session: SessionId): LiveMessage[] {
    for (const id of this.#orphansOf(session)) this.#orphans.set(id, undefined);
    return this.#state.heldBy(session);
  }

  /** What a hello does not list never reached its session. Returns the messages that go back. */
  releaseUnlisted(session: SessionId, listed: readonly Hold[]): LiveMessage[] {
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of this.#orphansOf(session)) if (!ids.has(id)) this.#orphans.delete(id);
    const messages = new Set(listed.map((hold) => this.#state.find(hold)));
    return this.#state.heldBy(session).filter((message) => !messages.has(message));
  }

  /** What a hello lists: messages that the session is to hold again, and what another one holds by now. */
  regain(session: SessionId, listed: readonly Hold[]): { free: LiveMessage[]; revoked: Hold[] } {
    const free = new Set<LiveMessage>();
    const revoked: Hold[] = [];
    for (const hold of listed) {
      const { message, holder } = this.#find(hold);
      if (holder !== undefined && holder !== session) revoked.push(hold);
      else if (message && holder === undefined) free.add(message);
      else if (!message) this.#keepOrphan(hold, session);
    }
    return { free: [...free], revoked };
  }

  /** The message is here now. Returns undefined if no session held it before. */
  takeOrphan(id: MessageId): { readonly holder: SessionId | undefined } | undefined {
    if (!this.#orphans.has(id)) return undefined;
    const holder = this.#orphans.get(id);
    this.#orphans.delete(id);
    return { holder };
  }

  #find(hold: Hold): { message: LiveMessage | undefined; holder: SessionId | undefined } {
    const message = this.#state.find(hold);
    return { message, holder: message ? message.holder : this.#orphans.get(hold.id) };
  }

  #keepOrphan({ id }: Hold, session: SessionId): void {
    if (!this.#state.deduplication.mayBePosted(id)) return;
    this.#orphans.delete(id);
    this.#orphans.set(id, session);
    if (this.#orphans.size <= this.#orphansMax) return;
    const [oldest] = this.#orphans.keys();
    if (oldest !== undefined) this.#orphans.delete(oldest);
  }

  #orphansOf(session: SessionId): MessageId[] {
    return [...this.#orphans].filter(([, holder]) => holder === session).map(([id]) => id);
  }
}
