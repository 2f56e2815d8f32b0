// Calls that a broker keeps until there is mail, or their time is over: a wait, and a watch.
import { IpcError } from '../base/errors.ts';
import { waitMsMax } from '../base/limits.ts';
import type { Notice } from '../model/mail-ahead.ts';
import type { Delivery, WaitArguments, WatchArguments } from '../model/mail-service.ts';
import type { MailboxList } from '../model/message.ts';
import type { RequestNumber, WaitRequest, WatchRequest } from '../model/requests.ts';
import type { Incoming, PendingCall, PendingCallOptions } from './pending-call.ts';

export interface ParkedCall<Result> {
  readonly kind: 'wait' | 'watch';
  readonly timeoutMs: number;
  request(number: RequestNumber, waitMs: number): WaitRequest | WatchRequest;
  /** undefined for a response that is not the result. */
  result(response: Incoming): Result | undefined;
  readonly onTimeout?: WaitArguments['onTimeout'];
}

export function waitCall(
  mailboxes: MailboxList,
  { answers: question, timeoutMs, onTimeout }: WaitArguments,
): ParkedCall<Delivery> {
  const answers = question ?? '';
  return {
    kind: 'wait',
    timeoutMs,
    request: (request, waitMs) => ({ kind: 'wait', request, mailboxes, answers, waitMs }),
    result: (response) => (response.kind === 'offer' ? response.delivery : undefined),
    onTimeout,
  };
}

export function watchCall(
  mailboxes: MailboxList,
  { timeoutMs, told, path = '', onTimeout }: WatchArguments,
  now: () => number,
): ParkedCall<Notice> {
  const restEndsAt = now() + (told?.pauseMs ?? 0);
  const toldNow = () => told && { ...told, pauseMs: Math.round(Math.max(0, restEndsAt - now())) };
  return {
    kind: 'watch',
    timeoutMs,
    request: (request, waitMs) => {
      return { kind: 'watch', request, mailboxes, waitMs, told: toldNow(), path };
    },
    result: (response) => {
      if (response.kind !== 'notice') return undefined;
      const { kind: _kind, request: _request, ...notice } = response;
      // The name enters an agent's conversation, so no broker may choose it.
      if (mailboxes.includes(notice.mailbox)) return notice;
      throw new IpcError('bad_frame', 'a notice of a mailbox that is not watched');
    },
    onTimeout,
  };
}

/** A call that is longer than a broker allows is sent again, with `send`, each time that it ends. */
export function callOptions<Result>(
  parked: ParkedCall<Result>,
  now: () => number,
  send: (request: WaitRequest | WatchRequest) => void,
): Pick<PendingCallOptions<Result | undefined>, 'kind' | 'request' | 'take'> {
  const { kind, timeoutMs, onTimeout } = parked;
  const deadline = now() + timeoutMs;
  let isLast = true;
  const request = (number: RequestNumber) => {
    const leftMs = Math.max(0, deadline - now());
    isLast = leftMs <= waitMsMax;
    return parked.request(number, Math.round(Math.min(leftMs, waitMsMax)));
  };
  const take = (response: Incoming, self: PendingCall<Result | undefined>) => {
    const result = parked.result(response);
    if (result !== undefined) self.done(result);
    else if (response.kind !== 'end') return;
    else if (!isLast && self.hasCaller) send(request(self.number));
    else {
      if (self.hasCaller) onTimeout?.(response);
      self.done(undefined);
    }
  };
  return { kind, request, take };
}
