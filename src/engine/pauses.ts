// Pauses: people stop the deliveries from a mailbox, or from all, and let them go on. The other requests of the mailbox
// go on meanwhile. Waits stay parked, fetches find nothing, and no watch is told of its mail.
import { IpcError } from '../base/errors.ts';
import type { Name } from '../model/message.ts';
import type { PauseRequest, PausingResponse } from '../model/pause-requests.ts';
import type { PausedRecord } from '../model/records.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { ReadyMail } from './matching.ts';
import type { State } from './state.ts';
import type { Waiters } from './waiters.ts';

/** What changes; nothing for a mailbox that is in that state already. Returns an error if too many would be paused. */
export function pauseRecords(
  { isPaused, mailboxes }: PauseRequest,
  names: State['paused'],
  { pausedMailboxesMax }: Pick<EngineLimits, 'pausedMailboxesMax'>,
): PausedRecord[] | IpcError {
  if (mailboxes.length === 0) {
    const isSo = isPaused ? names.has('') : names.size === 0;
    return isSo ? [] : [{ kind: 'paused', mailbox: '', isPaused }];
  }
  const changed = [...new Set(mailboxes)].filter((mailbox) => names.has(mailbox) !== isPaused);
  const named = names.size - (names.has('') ? 1 : 0);
  if (isPaused && named + changed.length > pausedMailboxesMax) {
    const what = `mailboxes that are paused by their names: ${named}; the limit is ${pausedMailboxesMax}`;
    return new IpcError('too_many_pauses', what);
  }
  return changed.map((mailbox) => ({ kind: 'paused', mailbox, isPaused }));
}

export function pausingResponse(
  { request }: PauseRequest,
  paused: State['paused'],
): PausingResponse {
  return { kind: 'pausing', request, mailboxes: [...paused] };
}

/**
 * What the parked waits of these mailboxes, or of all, may be served with: each mailbox, and the messages whose answers
 * are waited for.
 */
export function waitedFor(
  mailboxes: readonly Name[],
  state: Pick<State, 'answersIn' | 'readyCount'>,
  waiters: Pick<Waiters<never>, 'questionsOn' | 'mailboxNames'>,
): ReadyMail[] {
  const all = mailboxes.length > 0 ? mailboxes : [...waiters.mailboxNames()];
  return all
    .filter((mailbox) => state.readyCount(mailbox) > 0)
    .flatMap((mailbox) => {
      const [waited, answers] = [waiters.questionsOn(mailbox), state.answersIn(mailbox)];
      // Either may be long, so the shorter one is gone through.
      const questions = waited.size < answers.size ? waited.keys() : answers.questions();
      const asked = [...questions].map((question) => ({ mailbox, answers: question }));
      return [...asked, { mailbox, answers: '' as const }];
    });
}
