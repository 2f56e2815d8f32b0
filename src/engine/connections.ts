// The sessions that are connected, and what the engine knows of each. A restart ends all connections.
import type { Origin, SessionId } from '../model/message.ts';
import type { FetchRequest, PeekRequest, RequestNumber } from '../model/requests.ts';
import type { ConnectionId } from './commands.ts';
import type { Waiter } from './waiters.ts';

export interface SessionConnection {
  readonly id: ConnectionId;
  readonly session: SessionId;
  readonly origin: Origin;
  readonly standby: boolean;
  readonly waiters: Map<RequestNumber, Waiter<SessionConnection>>;
  /** They are parked until the peer has read more. */
  readonly reads: Map<RequestNumber, FetchRequest | PeekRequest>;
  /** They are parked until no absent session may return to their mailbox. */
  readonly earlyFetches: Map<RequestNumber, FetchRequest>;
  /** Bytes of bodies that were delivered or shown to the peer and have not left the process. */
  unreadBytes: number;
}

/** Each session has at most one connection. */
export class Connections {
  readonly #byId = new Map<ConnectionId, SessionConnection>();
  readonly #bySession = new Map<SessionId, SessionConnection>();
  #parkedReads = 0;

  get count(): number {
    return this.#byId.size;
  }

  /** Reads of all connections. */
  get parkedReads(): number {
    return this.#parkedReads;
  }

  get(id: ConnectionId): SessionConnection | undefined {
    return this.#byId.get(id);
  }

  ofSession(session: SessionId): SessionConnection | undefined {
    return this.#bySession.get(session);
  }

  add(peer: Pick<SessionConnection, 'id' | 'session' | 'origin' | 'standby'>): void {
    const parked = { waiters: new Map(), reads: new Map(), earlyFetches: new Map() };
    const connection = { ...peer, ...parked, unreadBytes: 0 };
    this.#byId.set(peer.id, connection);
    this.#bySession.set(peer.session, connection);
  }

  delete(connection: SessionConnection): void {
    this.#parkedReads -= connection.reads.size;
    this.#byId.delete(connection.id);
    this.#bySession.delete(connection.session);
  }

  parkRead({ reads }: SessionConnection, read: FetchRequest | PeekRequest): void {
    reads.set(read.request, read);
    this.#parkedReads++;
  }

  takeRead(
    { reads }: SessionConnection,
    request: RequestNumber,
  ): FetchRequest | PeekRequest | undefined {
    const read = reads.get(request);
    if (reads.delete(request)) this.#parkedReads--;
    return read;
  }

  /** Sessions that would take over, without the one named. */
  standbys(own: SessionId): number {
    let count = 0;
    for (const { session, standby } of this.#byId.values()) {
      if (standby && session !== own) count++;
    }
    return count;
  }
}

/** Another request under the number of a parked one would be ambiguous. */
export function isRequestOpen(
  request: RequestNumber,
  { waiters, reads, earlyFetches }: SessionConnection,
): boolean {
  return waiters.has(request) || reads.has(request) || earlyFetches.has(request);
}
