import assert from 'node:assert/strict';
import type { MailboxList, Name, SessionId } from '../model/message.ts';
import type { FetchRequest } from '../model/requests.ts';
import type { SessionConnection } from './connections.ts';
import type { State } from './state.ts';

export interface EarlyFetch {
  readonly fetch: FetchRequest;
  readonly connection: SessionConnection;
}

/**
 * Sessions without a connection that hold messages, and have a short time to reconnect: after a takeover those
 * that held messages at the previous owner, and after the broker's process stood still those that took it for
 * dead and closed their connections. Meanwhile fetches from the mailboxes of these messages are parked.
 */
export class HolderGrace {
  readonly #state: Pick<State, 'holders' | 'heldBy' | 'holdsAny'>;
  /** The mailboxes of the messages that each absent session holds. */
  readonly #absent = new Map<SessionId, Set<Name>>();
  /** The absent sessions that hold messages of each mailbox. */
  readonly #absentFrom = new Map<Name, Set<SessionId>>();
  /** By the first of their mailboxes to which an absent session may return. */
  readonly #parked = new Map<Name, Map<FetchRequest, SessionConnection>>();
  #parkedFetches = 0;
  #endsAt = 0;
  /** A connection that is lost before this time may have been closed while the broker's process stood still. */
  #lossesUntil = 0;

  constructor(state: Pick<State, 'holders' | 'heldBy' | 'holdsAny'>) {
    this.#state = state;
  }

  /** Begins with all holders that the replay has found. */
  begin(endsAt: number): void {
    for (const session of this.#state.holders()) this.#add(session);
    this.#endsAt = endsAt;
  }

  /** The broker's process stood still: the time of the holders that are absent begins anew, too. */
  resumed(endsAt: number): void {
    this.#endsAt = endsAt;
    this.#lossesUntil = endsAt;
  }

  /** Keeps a session that loses its connection at `now` until `endsAt`, if the loss may be due to a standstill. */
  keeps(session: SessionId, now: number, endsAt: number): boolean {
    if (now >= this.#lossesUntil || !this.#state.holdsAny(session)) return false;
    this.#add(session);
    this.#endsAt = endsAt;
    return true;
  }

  get endsAt(): number {
    return this.#endsAt;
  }

  /** Infinite when no holder is absent. */
  get deadline(): number {
    return this.#absent.size > 0 ? this.#endsAt : Number.POSITIVE_INFINITY;
  }

  /** A message of the mailbox was offered to the session, which may be absent. */
  offered(session: SessionId, mailbox: Name): void {
    if (this.#absent.has(session)) this.#addMailbox(session, mailbox);
  }

  /** Returns the parked fetches that need not wait any more. */
  reconnected(session: SessionId): EarlyFetch[] {
    const mailboxes = [...(this.#absent.get(session) ?? [])];
    this.#absent.delete(session);
    return mailboxes.flatMap((mailbox) => {
      const sessions = this.#absentFrom.get(mailbox);
      sessions?.delete(session);
      if (sessions?.size !== 0) return [];
      this.#absentFrom.delete(mailbox);
      return this.#takeParked(mailbox);
    });
  }

  /** Returns the sessions that are still absent, and all parked fetches. */
  end(): { sessions: SessionId[]; fetches: EarlyFetch[] } {
    const sessions = [...this.#absent.keys()];
    const fetches = sessions.flatMap((session) => this.reconnected(session));
    return { sessions, fetches };
  }

  /** An absent session held a message of one of the mailboxes, and may still reconnect and hold it again. */
  mayReturnTo(mailboxes: MailboxList): boolean {
    return mailboxes.some((mailbox) => this.#absentFrom.has(mailbox));
  }

  get parkedFetches(): number {
    return this.#parkedFetches;
  }

  /**
   * For the first of its mailboxes to which an absent session may return. Once none may, the engine reads again, and
   * parks it for the next one.
   */
  park(fetch: FetchRequest, connection: SessionConnection): void {
    const mailbox = fetch.mailboxes.find((each) => this.#absentFrom.has(each));
    assert(mailbox !== undefined, 'a fetch is parked for an absent session');
    const parked = this.#parked.get(mailbox) ?? new Map();
    this.#parked.set(mailbox, parked.set(fetch, connection));
    connection.earlyFetches.set(fetch.request, fetch);
    this.#parkedFetches++;
  }

  unpark(fetch: FetchRequest, connection: SessionConnection): void {
    for (const mailbox of fetch.mailboxes) {
      const parked = this.#parked.get(mailbox);
      if (parked?.delete(fetch)) this.#parkedFetches--;
      if (parked?.size === 0) this.#parked.delete(mailbox);
    }
    connection.earlyFetches.delete(fetch.request);
  }

  #takeParked(mailbox: Name): EarlyFetch[] {
    const parked = this.#parked.get(mailbox) ?? [];
    const taken = Array.from(parked, ([fetch, connection]) => ({ fetch, connection }));
    for (const { fetch, connection } of taken) this.unpark(fetch, connection);
    return taken;
  }

  #add(session: SessionId): void {
    for (const { mailbox } of this.#state.heldBy(session)) this.#addMailbox(session, mailbox);
  }

  #addMailbox(session: SessionId, mailbox: Name): void {
    const mailboxes = this.#absent.get(session) ?? new Set();
    this.#absent.set(session, mailboxes.add(mailbox));
    const sessions = this.#absentFrom.get(mailbox) ?? new Set();
    this.#absentFrom.set(mailbox, sessions.add(session));
  }
}
