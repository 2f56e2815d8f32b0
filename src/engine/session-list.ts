// The sessions of a status: those that have a name or have read a mailbox. All others, as one that only asks
// for a status, are counted. Of each session a status looks only at what it shows.
import { statusHoldsMax, statusWaitsMax } from '../base/limits.ts';
import type { ConnectedSession } from '../model/look-results.ts';
import type { MailboxList, Name } from '../model/message.ts';
import type { StatusResponse } from '../model/requests.ts';
import { type Connections, type SessionConnection, sessionName } from './connections.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { State } from './state.ts';
import type { WatchCounts } from './status.ts';

export type SessionsStatus = Pick<StatusResponse, 'sessions' | 'namedSessions' | 'sessionList'>;

/** `own`: the session that asks. */
export function sessionsOf(
  connections: Connections,
  state: State,
  { statusSessionsMax }: EngineLimits,
  own: SessionConnection,
  watches: Pick<WatchCounts, 'isUnread'>,
): SessionsStatus {
  const { count: sessions, named } = connections;
  const shown = named.has(own) ? [own] : [];
  for (const connection of named) {
    if (shown.length === statusSessionsMax) break;
    if (connection !== own) shown.push(connection);
  }
  const sessionList = shown.map((each) => connectedSession(each, state, watches));
  return { sessions, namedSessions: named.size, sessionList };
}

function connectedSession(
  connection: SessionConnection,
  state: State,
  watches: Pick<WatchCounts, 'isUnread'>,
): ConnectedSession {
  const { session, origin, since } = connection;
  const waitsOn = namesOf(connection.waiters, statusWaitsMax);
  const holds = state.someHeldBy(session, statusHoldsMax);
  return {
    session,
    name: sessionName(connection) as Name,
    origin,
    since,
    waitsOn,
    ...watchingOf(connection, statusWaitsMax - waitsOn.length, watches),
    held: state.heldCount(session),
    holds: holds.map(({ envelope: { number }, heldSince: since }) => ({ number, since })),
  };
}

type Watching = Pick<ConnectedSession, 'watches' | 'wakePath' | 'lastNotice'>;

/** The way to wake it and the last notice are those of its first watch: a session has more than one only by accident. */
function watchingOf(
  { watches: parked }: SessionConnection,
  max: number,
  watches: Pick<WatchCounts, 'isUnread'>,
): Watching {
  const [first] = parked.values();
  const told = first?.told;
  const lastNotice = told && { time: told.time, isRead: !watches.isUnread(told, first.mailboxes) };
  return { watches: namesOf(parked, max), wakePath: first?.path ?? '', lastNotice };
}

/** At most `max` mailboxes, of the calls that were parked first. */
function namesOf(
  calls: { values(): Iterable<{ readonly mailboxes: MailboxList }> },
  max: number,
): Name[] {
  const mailboxes = new Set<Name>();
  let looked = 0;
  for (const call of calls.values()) {
    if (looked++ === max || mailboxes.size >= max) break;
    for (const mailbox of call.mailboxes) mailboxes.add(mailbox);
  }
  return [...mailboxes].slice(0, max);
}
