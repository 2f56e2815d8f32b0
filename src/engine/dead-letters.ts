// Messages that ran out of attempts, and their way back. A retry moves the message itself: the same
// id, the same number, attempts from 1. One record takes it out of `dead-letters` and puts it where it
// was meant to go, so no crash can lose or double it; and a retry that is asked for again, because its
// answer was lost, no longer finds it there.

import { deadLettersPerRetry } from '../base/limits.ts';
import { deadLetterMailbox, type Envelope } from '../model/message.ts';
import type { MovedRecord } from '../model/records.ts';
import type { RetryRequest } from '../model/requests.ts';
import type { EngineLimits } from './commands.ts';
import { fullMailboxes } from './quota.ts';
import { isDeadLetter, type LiveMessage, type State } from './state.ts';

/** `move` carries the record out at once: what moves takes room from the next one. */
export function retryDeadLetters(
  { to, ids, after }: RetryRequest,
  state: State,
  limits: EngineLimits,
  move: (record: MovedRecord) => void,
): { moved: readonly Envelope[]; stayed: readonly Envelope[]; next: number } {
  const named = new Set(ids);
  const isWanted = ({ envelope }: LiveMessage) =>
    (to === '' || envelope.to === to) && (named.size === 0 || named.has(envelope.id));
  const wanted = state
    .ready(deadLetterMailbox)
    .filter((message) => message.envelope.number > after)
    .filter((message) => isDeadLetter(message) && isWanted(message));
  const moved: Envelope[] = [];
  const stayed: Envelope[] = [];
  for (const { envelope } of wanted.slice(0, deadLettersPerRetry)) {
    if (fullMailboxes([envelope.to], envelope.bodyBytes, state, limits)) stayed.push(envelope);
    else {
      move({ kind: 'moved', number: envelope.number, mailbox: envelope.to, attempt: 1 });
      moved.push(envelope);
    }
  }
  return { moved, stayed, next: wanted[deadLettersPerRetry - 1]?.envelope.number ?? 0 };
}
