// The states of messages, by their ids. Each is looked up in constant time.
import type { FoundMessage } from '../model/look-results.ts';
import type { MessageId } from '../model/message.ts';
import type { FindRequest, FoundResponse } from '../model/requests.ts';
import type { Connections } from './connections.ts';
import { holderOf } from './mailbox-reads.ts';
import type { LiveMessage, State } from './state.ts';

export function foundResponse(
  { request, ids, answersIn }: FindRequest,
  state: State,
  connections: Connections,
): FoundResponse {
  const found = ids.map((id): FoundMessage => {
    const message = state.withId(id);
    const box = answersIn || message?.envelope.from;
    const answeredBy = box ? state.answerTo(id, box)?.envelope.number : undefined;
    if (message) return { ...unsettled(message, state, connections), answeredBy };
    return { ...settledOrUnknown(id, state), answeredBy, place: undefined };
  });
  return { kind: 'found', request, found };
}

function unsettled(
  message: LiveMessage,
  state: State,
  connections: Connections,
): Omit<FoundMessage, 'answeredBy'> {
  const { envelope, mailbox, attempt } = message;
  const { number, to, time } = envelope;
  const holder = holderOf(message, state, connections);
  const place = { mailbox, to, time, attempt, holder };
  return { state: holder ? 'held' : 'ready', number, place };
}

function settledOrUnknown(
  id: MessageId,
  { deduplication }: State,
): Pick<FoundMessage, 'state' | 'number'> {
  const number = deduplication.stored(id)?.number;
  // One that was settled without being stored has no number here: another message may have it.
  const isSettled = number !== undefined || deduplication.settledAs(id) !== undefined;
  if (isSettled) return { state: 'settled', number };
  return { state: deduplication.isAcknowledged(id) ? 'forgotten' : 'unknown', number };
}
