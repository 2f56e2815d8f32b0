// Which session holds which message, and what its settle, its release, its hello and the loss of its
// connection mean for them. The engine redelivers what these functions return.
//
// The state knows the holders of the messages that are in the store. Rarely, a session holds a message that
// is not there (an orphan): an earlier owner delivered it before it was durable, and lost it in a power loss
// or to a newer epoch. Its poster got no response and posts it again. Then the message goes to its holder at
// once, or is at its second attempt if the holder has released it meanwhile. Orphans are in memory only,
// since each hello lists what its session holds.
import { appended, emptyList } from '../base/empty-list.ts';
import { rememberedIdBytes } from '../base/limits.ts';
import type { Hold, MessageId, SessionId } from '../model/message.ts';
import type { ReleaseRequest } from '../model/requests.ts';
import type { DeduplicationLimits } from './deduplication.ts';
import { IdsBySession } from './ids-by-session.ts';
import type { LiveMessage, State } from './state.ts';

/** Numbers of messages in the store, messages that are not there, and those that other sessions hold. */
export interface SettledHolds {
  readonly settles: readonly number[];
  readonly unstored: readonly Hold[];
  readonly notHeld: readonly Hold[];
}

export class Holds {
  readonly #state: State;
  /** Holders of messages that are not in the store; undefined for a message that was released. */
  readonly #orphans: IdsBySession<SessionId | undefined>;

  constructor(state: State, { unstoredIdsMax, unstoredIdsBytesMax }: DeduplicationLimits) {
    this.#state = state;
    this.#orphans = new IdsBySession({
      sizeMax: unstoredIdsMax,
      bytesMax: unstoredIdsBytesMax,
      entryBytes: rememberedIdBytes,
    });
  }

  /**
   * What a session settles with these holds: messages in the store, and messages that its hello listed, that
   * are not in the store, and that may be posted again. All others were settled before, or another session
   * holds them.
   */
  settle(holds: readonly Hold[], session: SessionId): SettledHolds {
    let settles: readonly number[] = emptyList;
    let unstored: readonly Hold[] = emptyList;
    let notHeld: readonly Hold[] = emptyList;
    for (const hold of holds) {
      const { message, holder } = this.#find(hold);
      if (holder !== undefined && holder !== session) notHeld = appended(notHeld, hold);
      else if (message) settles = appended(settles, message.envelope.number);
      else if (holder !== undefined && this.#mayBePosted(hold)) {
        this.#orphans.delete(hold.id);
        unstored = appended(unstored, hold);
      }
    }
    // A hold may be listed twice.
    return { settles: settles.length > 1 ? [...new Set(settles)] : settles, unstored, notHeld };
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
      else this.#orphans.set(hold.id, undefined, undefined);
    }
    return [...messages];
  }

  /** For a session whose connection is lost. Returns the messages that go back to their places. */
  releaseAll(session: SessionId): LiveMessage[] {
    for (const id of this.#orphans.idsOf(session)) this.#orphans.set(id, undefined, undefined);
    return this.#state.heldBy(session);
  }

  /** A delivery that a hello does not list never arrived. Returns the messages that go back. */
  releaseUnlisted(session: SessionId, listed: readonly Hold[]): LiveMessage[] {
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of this.#orphans.idsOf(session)) if (!ids.has(id)) this.#orphans.delete(id);
    const messages = new Set(listed.map((hold) => this.#state.find(hold)));
    return this.#state.heldBy(session).filter((message) => !messages.has(message));
  }

  /** Which holds of a hello are free, so that its session is to hold them again, and which another session has. */
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

  /** For a message that is posted. Returns undefined if no session held it before. */
  takeOrphan(id: MessageId): { readonly holder: SessionId | undefined } | undefined {
    if (!this.#orphans.has(id)) return undefined;
    const holder = this.#orphans.get(id);
    this.#orphans.delete(id);
    return this.#state.deduplication.wasSent(id) ? { holder } : undefined;
  }

  #find(hold: Hold): { message: LiveMessage | undefined; holder: SessionId | undefined } {
    const message = this.#state.find(hold);
    return { message, holder: message ? message.holder : this.#orphans.get(hold.id) };
  }

  #mayBePosted({ id }: Pick<Hold, 'id'>): boolean {
    return this.#state.deduplication.mayBePosted(id);
  }

  /** Makes it the newest orphan. */
  #keepOrphan({ id }: Hold, session: SessionId): void {
    if (!this.#mayBePosted({ id })) return;
    this.#orphans.setNewest(id, session, session);
  }
}
