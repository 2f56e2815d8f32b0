import type { Name, SessionId } from '../model/message.ts';
import type { State } from './state.ts';

/**
 * Sessions without a connection that hold messages, and have a short time to reconnect: after a takeover those
 * that held messages at the previous owner, and after the broker's process stood still those that took it for
 * dead and closed their connections.
 */
export class HolderGrace {
  readonly #state: Pick<State, 'holders' | 'heldBy'>;
  readonly #absent = new Set<SessionId>();
  #endsAt = 0;
  /** A connection that is lost before this time may have been closed while the broker's process stood still. */
  #lossesUntil = 0;

  constructor(state: Pick<State, 'holders' | 'heldBy'>) {
    this.#state = state;
  }

  /** Begins with all holders that the replay has found. */
  begin(endsAt: number): void {
    for (const session of this.#state.holders()) this.#absent.add(session);
    this.#endsAt = endsAt;
  }

  /** The broker's process stood still: the time of the holders that are absent begins anew, too. */
  resumed(endsAt: number): void {
    this.#endsAt = endsAt;
    this.#lossesUntil = endsAt;
  }

  /** Keeps a session that loses its connection at `now` until `endsAt`, if the loss may be due to a standstill. */
  keeps(session: SessionId, now: number, endsAt: number): boolean {
    if (now >= this.#lossesUntil || this.#state.heldBy(session).length === 0) return false;
    this.#absent.add(session);
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

  reconnected(session: SessionId): void {
    this.#absent.delete(session);
  }

  /** Returns the sessions that are still absent. */
  end(): SessionId[] {
    const absent = [...this.#absent];
    this.#absent.clear();
    return absent;
  }

  /** An absent session held a message of the mailbox, and may still reconnect and hold it again. */
  mayReturnTo(mailbox: Name): boolean {
    for (const session of this.#absent) {
      if (this.#state.heldBy(session).some((message) => message.mailbox === mailbox)) return true;
    }
    return false;
  }
}
