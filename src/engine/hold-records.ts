// The records of a delivery, with what its holder is called: the journal says to the next reader who had the message,
// even if the owner dies together with the holder.
import { emptyList } from '../base/empty-list.ts';
import type { SessionId } from '../model/message.ts';
import type { OfferedRecord } from '../model/records.ts';
import type { ReleaseRequest } from '../model/requests.ts';
import { type Connections, type SessionConnection, sessionName } from './connections.ts';
import type { PutBack } from './dead-letters.ts';
import type { LiveMessage, State } from './state.ts';

/**
 * `since`: now, in milliseconds since 1970. The record names all that the session holds, so one that is absent, or has
 * given no name since it reconnected, keeps the name that it had.
 */
export function offeredRecord(
  { envelope: { number }, attempt }: LiveMessage,
  holder: SessionId,
  connections: Connections,
  state: State,
  since: number,
): OfferedRecord {
  const connection = connections.ofSession(holder);
  const name = (connection && sessionName(connection)) || state.holderName(holder);
  return { kind: 'offered', number, holder, attempt, holding: { name, since } };
}

/** Records that a session has another name than the messages that it holds say. One record is enough for all of them. */
export function renamedRecords(
  connection: SessionConnection,
  state: State,
): readonly OfferedRecord[] {
  const { session: holder } = connection;
  const message = state.anyHeldBy(holder);
  const name = sessionName(connection);
  if (message?.heldSince === undefined || name === '' || name === state.holderName(holder)) {
    return emptyList;
  }
  const { envelope, attempt, heldSince: since } = message;
  return [{ kind: 'offered', number: envelope.number, holder, attempt, holding: { name, since } }];
}

/** How the holds of a release end. */
export function endOf({ unread, rejected, sessionEnds }: ReleaseRequest): PutBack['ended'] {
  if (rejected) return 'rejected';
  if (unread) return 'unread';
  return sessionEnds ? 'disconnected' : 'released';
}
