// The sessions that are connected, and what the engine knows of each. A restart ends all connections.
import { IpcError } from '../base/errors.ts';
import { NumberMap } from '../base/number-map.ts';
import type { MailboxList, Name, Origin, SessionId } from '../model/message.ts';
import { ReadMailboxes } from '../model/read-mailboxes.ts';
import type {
  FetchRequest,
  Hello,
  PeekRequest,
  RequestNumber,
  WaitRequest,
} from '../model/requests.ts';
import type { ConnectionId } from './commands.ts';
import type { Waiter } from './wait-lines.ts';
import type { Watch } from './watches.ts';

export interface SessionConnection {
  readonly id: ConnectionId;
  readonly session: SessionId;
  readonly origin: Origin;
  readonly standby: boolean;
  /** When it connected, in milliseconds since 1970. */
  readonly since: number;
  /** The `from` of its last post, or the name that it was started with. */
  name: Name | undefined;
  readonly readMailboxes: ReadMailboxes;
  readonly waiters: NumberMap<Waiter<SessionConnection>>;
  /** Mailboxes that its waits name together. */
  waitStands: number;
  readonly watches: Map<RequestNumber, Watch<SessionConnection>>;
  /** Mailboxes that its watches name together. */
  watchStands: number;
  /** They are parked until the peer has read more. */
  readonly reads: Map<RequestNumber, FetchRequest | PeekRequest>;
  /** They are parked until no absent session may return to any of their mailboxes. */
  readonly earlyFetches: Map<RequestNumber, FetchRequest>;
  /** Bytes of bodies that were delivered or shown to the peer and have not left the process. */
  unreadBytes: number;
}

/** Each session has at most one connection. */
export class Connections {
  readonly #byId = new Map<ConnectionId, SessionConnection>();
  readonly #bySession = new Map<SessionId, SessionConnection>();
  /** In the order in which they got a name or read their first mailbox. */
  readonly #named = new Set<SessionConnection>();
  #parkedReads = 0;

  get count(): number {
    return this.#byId.size;
  }

  /** Reads of all connections. */
  get parkedReads(): number {
    return this.#parkedReads;
  }

  /** Those that have a name or have read a mailbox. */
  get named(): ReadonlySet<SessionConnection> {
    return this.#named;
  }

  get(id: ConnectionId): SessionConnection | undefined {
    return this.#byId.get(id);
  }

  ofSession(session: SessionId): SessionConnection | undefined {
    return this.#bySession.get(session);
  }

  add(
    id: ConnectionId,
    { session, origin, standby, name, reads = [] }: Hello,
    since: number,
  ): SessionConnection {
    const readMailboxes = new ReadMailboxes(reads);
    const who = { id, session, origin, standby, since, name, readMailboxes };
    const parked = {
      waiters: new NumberMap<Waiter<SessionConnection>>(),
      watches: new Map(),
      reads: new Map(),
      earlyFetches: new Map(),
    };
    const counts = { waitStands: 0, watchStands: 0, unreadBytes: 0 };
    const connection = { ...who, ...parked, ...counts };
    this.#byId.set(id, connection);
    this.#bySession.set(session, connection);
    this.#noteNamed(connection);
    return connection;
  }

  delete(connection: SessionConnection): void {
    this.#parkedReads -= connection.reads.size;
    this.#byId.delete(connection.id);
    this.#named.delete(connection);
    this.#bySession.delete(connection.session);
  }

  /** The session posts under a name; '' for none. */
  posts(connection: SessionConnection, from: Name | ''): void {
    if (from !== '') connection.name = from;
    this.#noteNamed(connection);
  }

  reads(connection: SessionConnection, mailboxes: MailboxList): void {
    connection.readMailboxes.add(mailboxes);
    this.#noteNamed(connection);
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

  #noteNamed(connection: SessionConnection): void {
    const { name, readMailboxes } = connection;
    if (name !== undefined || readMailboxes.newest !== undefined) this.#named.add(connection);
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

/** The name of the session for people and agents; '' when it has no name and has read no mailbox. */
export function sessionName({ name, readMailboxes }: SessionConnection): Name | '' {
  return name ?? readMailboxes.newest ?? '';
}

/** The mailboxes of a call that is parked. */
export function mailboxesRead(
  read: Pick<WaitRequest | FetchRequest, 'mailboxes'> | PeekRequest,
): MailboxList {
  return 'mailboxes' in read ? read.mailboxes : [read.mailbox];
}

/** Another request under the number of a parked one would be ambiguous. */
export function openRefusal(
  request: RequestNumber,
  { waiters, watches, reads, earlyFetches }: SessionConnection,
): IpcError | undefined {
  const isParked =
    waiters.has(request) || watches.has(request) || reads.has(request) || earlyFetches.has(request);
  if (!isParked) return undefined;
  return new IpcError('bad_frame', 'the number of this request is that of an open one');
}
