// A message goes to `dead-letters` after its last attempt, or rejected. A retry moves it back to the mailbox that
// it was posted to, with the same id and number, and attempts from 1. One record does both halves of each move, so
// a crash can neither lose nor duplicate the message. A retry that is sent again, because its response was lost,
// no longer finds it in `dead-letters`.
import { deadLettersPerRetry } from '../base/limits.ts';
import { deadLetterMailbox, type Envelope, type HoldEnd, isDeadLetter } from '../model/message.ts';
import type { MovedRecord, ReleasedRecord } from '../model/records.ts';
import type { RetriedResponse, RetryRequest } from '../model/requests.ts';
import type { EngineLimits } from './engine-limits.ts';
import { lookThrough } from './mailbox-reads.ts';
import { fullMailboxes } from './quota.ts';
import type { LiveMessage, State } from './state.ts';

/** How and when a hold ends; `unread`: no consumer saw the message, so the hold does not count. */
export interface PutBack {
  readonly ended: HoldEnd | 'unread';
  /** In milliseconds since 1970. */
  readonly time: number;
}

/** The record of a held message that is ready to be redelivered, or is a dead letter from now on. */
export function putBackRecord(
  { envelope, mailbox, attempt: last, heldSince: from, holder }: LiveMessage,
  state: State,
  { ended, time: to }: PutBack,
  { attemptsMax, indexBytesMax }: EngineLimits,
): ReleasedRecord | MovedRecord {
  const { number } = envelope;
  const attempt = ended === 'unread' ? last : last + 1;
  // A message that goes back is never refused, so a past hold is kept only while the index has room.
  const hasRoom = state.indexBytes < indexBytesMax;
  const isKept = ended !== 'unread' && from !== undefined && holder !== undefined && hasRoom;
  const hold = isKept && { lastHold: { name: state.holderName(holder), from, to, ended } };
  const isOver = ended === 'rejected' || attempt > attemptsMax;
  if (!isOver || mailbox === deadLetterMailbox)
    return { kind: 'released', number, attempt, ...hold };
  return { kind: 'moved', number, mailbox: deadLetterMailbox, attempt, ...hold };
}

/** `move` applies its record at once, because a moved message takes room from the next one. */
export function retryDeadLetters(
  { request, to, ids, after }: RetryRequest,
  state: State,
  limits: EngineLimits,
  move: (record: MovedRecord) => void,
): Omit<RetriedResponse, 'moved'> & { readonly moved: readonly Envelope[] } {
  const named = new Set(ids);
  const isWanted = ({ envelope, mailbox, holder }: LiveMessage) =>
    holder === undefined &&
    isDeadLetter(mailbox, envelope.to) &&
    (to === '' || envelope.to === to) &&
    (named.size === 0 || named.has(envelope.id));
  const which = { mailbox: deadLetterMailbox, after, max: deadLettersPerRetry, isWanted };
  const wanted = lookThrough(state, limits, which);
  const moved: Envelope[] = [];
  const stayed: Envelope[] = [];
  for (const message of wanted.found) {
    const { envelope } = message;
    if (fullMailboxes([message], state, limits)) stayed.push(envelope);
    else {
      move({ kind: 'moved', number: envelope.number, mailbox: envelope.to, attempt: 1 });
      moved.push(envelope);
    }
  }
  return { kind: 'retried', request, moved, stayed, next: wanted.next };
}
