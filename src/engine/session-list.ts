// The sessions of a status: those that have a name or have read a mailbox. All others, as one that only asks
// for a status, are counted. Of each session a status looks only at what it shows.
import { statusHoldsMax, statusWaitsMax } from '../base/limits.ts';
import type { ConnectedSession } from '../model/look-results.ts';
import type { Name } from '../model/message.ts';
import type { StatusResponse } from '../model/requests.ts';
import type { EngineLimits } from './commands.ts';
import { type Connections, type SessionConnection, sessionName } from './connections.ts';
import type { State } from './state.ts';

export type SessionsStatus = Pick<StatusResponse, 'sessions' | 'namedSessions' | 'sessionList'>;

/** `own`: the session that asks. */
export function sessionsOf(
  connections: Connections,
  state: State,
  { statusSessionsMax }: EngineLimits,
  own: SessionConnection,
): SessionsStatus {
  const { count: sessions, named } = connections;
  const shown = named.has(own) ? [own] : [];
  for (const connection of named) {
    if (shown.length === statusSessionsMax) break;
    if (connection !== own) shown.push(connection);
  }
  const sessionList = shown.map((each) => connectedSession(each, state));
  return { sessions, namedSessions: named.size, sessionList };
}

function connectedSession(connection: SessionConnection, state: State): ConnectedSession {
  const { session, origin, since } = connection;
  const holds = state.someHeldBy(session, statusHoldsMax);
  return {
    session,
    name: sessionName(connection) as Name,
    origin,
    since,
    waitsOn: waitsOf(connection),
    held: state.heldCount(session),
    holds: holds.map(({ envelope: { number }, heldSince: since }) => ({ number, since })),
  };
}

/** Of the waits that were parked first. */
function waitsOf({ waiters }: SessionConnection): Name[] {
  const mailboxes = new Set<Name>();
  let looked = 0;
  for (const wait of waiters.values()) {
    if (looked++ === statusWaitsMax || mailboxes.size >= statusWaitsMax) break;
    for (const mailbox of wait.mailboxes) mailboxes.add(mailbox);
  }
  return [...mailboxes].slice(0, statusWaitsMax);
}
