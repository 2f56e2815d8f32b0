// Calls that a broker keeps until there is mail, or their time is over: a wait, and a watch.
import { IpcError } from '../base/errors.ts';
import { waitMsMax } from '../base/limits.ts';
import type { Notice } from '../model/mail-ahead.ts';
import type { Delivery, WaitArguments, WatchArguments } from '../model/mail-service.ts';
import type { MailboxList, MessageId } from '../model/message.ts';
import type { RequestNumber, WaitRequest, WatchRequest } from '../model/requests.ts';
import type { Incoming, OpenCall, PendingCall, PendingCallOptions } from './pending-call.ts';

/** The parts of a session that a parked call uses. */
export interface ParkingSession {
  now(): number;
  send(request: WaitRequest | WatchRequest): void;
  /** The caller is gone. */
  cancel(call: OpenCall): void;
}

/** A call that is longer than a broker allows is sent again each time that it ends. */
export abstract class ParkedCall<Result> implements PendingCallOptions<Result | undefined> {
  abstract readonly kind: 'wait' | 'watch';
  readonly timeoutMs: number;
  protected readonly mailboxes: MailboxList;
  protected readonly session: ParkingSession;
  readonly #onTimeout: WaitArguments['onTimeout'];
  /** On the runtime's clock. */
  readonly deadline: number;
  #isLast = true;

  constructor(
    session: ParkingSession,
    mailboxes: MailboxList,
    { timeoutMs, onTimeout }: Pick<WaitArguments, 'timeoutMs' | 'onTimeout'>,
  ) {
    this.session = session;
    this.mailboxes = mailboxes;
    this.timeoutMs = timeoutMs;
    this.#onTimeout = onTimeout;
    this.deadline = session.now() + timeoutMs;
  }

  request(number: RequestNumber): WaitRequest | WatchRequest {
    const leftMs = Math.max(0, this.deadline - this.session.now());
    this.#isLast = leftMs <= waitMsMax;
    return this.requestFor(number, Math.round(Math.min(leftMs, waitMsMax)));
  }

  take(response: Incoming, self: PendingCall<Result | undefined>): void {
    const result = this.resultOf(response);
    if (result !== undefined) self.done(result);
    else if (response.kind !== 'end') return;
    else if (!this.#isLast && self.hasCaller) this.session.send(this.request(self.number));
    else {
      if (self.hasCaller) this.#onTimeout?.(response);
      self.done(undefined);
    }
  }

  abandon(self: OpenCall): void {
    this.session.cancel(self);
  }

  late(): { readonly result: undefined } {
    return { result: undefined };
  }

  protected abstract requestFor(number: RequestNumber, waitMs: number): WaitRequest | WatchRequest;
  /** undefined for a response that is not the result. */
  protected abstract resultOf(response: Incoming): Result | undefined;
}

export class ParkedWait extends ParkedCall<Delivery> {
  readonly kind = 'wait';
  readonly #answers: MessageId | '';

  constructor(session: ParkingSession, mailboxes: MailboxList, options: WaitArguments) {
    super(session, mailboxes, options);
    this.#answers = options.answers ?? '';
  }

  protected requestFor(request: RequestNumber, waitMs: number): WaitRequest {
    return { kind: 'wait', request, mailboxes: this.mailboxes, answers: this.#answers, waitMs };
  }

  protected resultOf(response: Incoming): Delivery | undefined {
    return response.kind === 'offer' ? response.delivery : undefined;
  }
}

export class ParkedWatch extends ParkedCall<Notice> {
  readonly kind = 'watch';
  readonly #options: WatchArguments;
  readonly #restEndsAt: number;

  constructor(session: ParkingSession, mailboxes: MailboxList, options: WatchArguments) {
    super(session, mailboxes, options);
    this.#options = options;
    this.#restEndsAt = session.now() + (options.told?.pauseMs ?? 0);
  }

  protected requestFor(request: RequestNumber, waitMs: number): WatchRequest {
    const { path = '' } = this.#options;
    const { mailboxes } = this;
    return { kind: 'watch', request, mailboxes, waitMs, told: this.#toldNow(), path };
  }

  protected resultOf(response: Incoming): Notice | undefined {
    if (response.kind !== 'notice') return undefined;
    const { kind: _kind, request: _request, ...notice } = response;
    // The name enters an agent's conversation, so no broker may choose it.
    if (this.mailboxes.includes(notice.mailbox)) return notice;
    throw new IpcError('bad_frame', 'a notice of a mailbox that is not watched');
  }

  #toldNow(): WatchRequest['told'] {
    const { told } = this.#options;
    const pauseMs = Math.round(Math.max(0, this.#restEndsAt - this.session.now()));
    return told && { ...told, pauseMs };
  }
}
