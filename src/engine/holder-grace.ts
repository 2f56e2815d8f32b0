import type { Name, SessionId } from '../model/message.ts';
import type { State } from './state.ts';

/** After a takeover: sessions that held messages at the previous owner, and have a short time to reconnect. */
export class HolderGrace {
  readonly #state: Pick<State, 'holders' | 'heldBy'>;
  readonly #absent = new Set<SessionId>();
  #endsAt = 0;

  constructor(state: Pick<State, 'holders' | 'heldBy'>) {
    this.#state = state;
  }

  /** Begins with all holders that the replay has found. */
  begin(endsAt: number): void {
    for (const session of this.#state.holders()) this.#absent.add(session);
    this.#endsAt = endsAt;
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
