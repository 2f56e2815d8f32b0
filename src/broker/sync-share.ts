// A connection's share of a sync. A post waits for the sync that is under way and for its own, so beside posts of other
// connections, the posts of one connection may add `syncShareBytes`, or one post, to the next sync. Then it waits until
// that sync has ended. A connection that alone has posted in the last `otherPostsMs` may fill a sync.
import { otherPostsMs, syncShareBytes } from '../base/limits.ts';
import type { Runtime } from '../base/runtime.ts';
import type { ConnectionId } from '../engine/commands.ts';

export interface SyncShareLimits {
  readonly syncShareBytes: number;
  readonly otherPostsMs: number;
}

export const syncShareLimits: SyncShareLimits = { syncShareBytes, otherPostsMs };

export class SyncShare {
  readonly #limits: SyncShareLimits;
  readonly #runtime: Pick<Runtime, 'now'>;
  /** The bytes of each connection that the next sync will cover. */
  readonly #bytes = new Map<ConnectionId, number>();
  /** The connection that posted last, when it did, and when another one did before. */
  #newest: ConnectionId | undefined;
  #newestAt = Number.NEGATIVE_INFINITY;
  #othersAt = Number.NEGATIVE_INFINITY;

  constructor(limits: SyncShareLimits, runtime: Pick<Runtime, 'now'>) {
    this.#limits = limits;
    this.#runtime = runtime;
  }

  /** Counts a stored post. */
  add(connection: ConnectionId, bytes: number): void {
    if (connection !== this.#newest) this.#othersAt = this.#newestAt;
    this.#newest = connection;
    this.#newestAt = this.#runtime.now();
    this.#bytes.set(connection, (this.#bytes.get(connection) ?? 0) + bytes);
  }

  /** The connection has used up its share of the next sync, and other connections post, too. */
  isUsedUp(connection: ConnectionId): boolean {
    if ((this.#bytes.get(connection) ?? 0) < this.#limits.syncShareBytes) return false;
    const othersAt = connection === this.#newest ? this.#othersAt : this.#newestAt;
    return this.#runtime.now() - othersAt < this.#limits.otherPostsMs;
  }

  /** A sync begins: the bytes that were counted belong to it. */
  syncBegins(): void {
    this.#bytes.clear();
  }
}
