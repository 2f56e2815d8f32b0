// What the engine knows of a session that is connected.
import type { Origin, SessionId } from '../model/message.ts';
import type { FetchRequest, RequestNumber } from '../model/requests.ts';
import type { ConnectionId } from './commands.ts';
import type { Waiter } from './waiters.ts';

/** A session's link to this broker. A restart ends them all. */
export interface SessionConnection {
  readonly id: ConnectionId;
  readonly session: SessionId;
  readonly origin: Origin;
  readonly standby: boolean;
  readonly waiters: Map<RequestNumber, Waiter<SessionConnection>>;
  /** Fetches that wait for the end of the holders' grace, or for the peer to read. */
  readonly fetches: Map<RequestNumber, FetchRequest>;
  /** Bytes of bodies that were offered to it and have not left the process. */
  unreadBytes: number;
}

/** A second one under its number would be answered as the first, or outlive its connection. */
export function isRequestOpen(
  request: RequestNumber,
  { waiters, fetches }: SessionConnection,
): boolean {
  return waiters.has(request) || fetches.has(request);
}
