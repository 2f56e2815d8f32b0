// One request that waits for its answer. Its caller may give up before that; the request then lives
// on without one, until the broker has answered it.
import type { IpcError } from '../base/errors.ts';
import type { Delivery } from '../model/mail-service.ts';
import type { BrokerRequest, RequestNumber, Response } from '../model/requests.ts';

/** An answer as the client sees it: an offer comes with the delivery made of it. */
export type Incoming = Exclude<Response, { kind: 'offer' }> | { kind: 'offer'; delivery: Delivery };

export interface PendingCallOptions<Result> {
  readonly kind: BrokerRequest['kind'];
  /** Made anew at each sending: time goes by, budgets shrink, marks rise. */
  request(number: RequestNumber): BrokerRequest;
  take(response: Incoming, call: PendingCall<Result>): void;
  /** What it means for the request that its caller gave up. */
  abandon?(call: PendingCall<Result>): void;
}

interface Caller<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
  /** Called before either of them. */
  ended(): void;
}

/** Instead of a time: something came. */
export const heard = Number.NEGATIVE_INFINITY;

export class PendingCall<Result = unknown> {
  /** Its bytes went out on an open link once, so a broker may have acted on it. */
  sent = false;
  /** Owners that failed while they had the call and had not answered it. */
  ownersFailed = 0;
  /** Since when nothing came from the broker, on the runtime's clock, or `heard`. */
  unheardSince = heard;
  readonly number: RequestNumber;
  /** Takes it out of the client's list: no answer is expected any more. */
  readonly over: () => void;
  readonly #options: PendingCallOptions<Result>;
  #caller: Caller<Result> | undefined;

  constructor(number: RequestNumber, options: PendingCallOptions<Result>, over: () => void) {
    this.number = number;
    this.#options = options;
    this.over = over;
  }

  get kind(): BrokerRequest['kind'] {
    return this.#options.kind;
  }

  request(): BrokerRequest {
    return this.#options.request(this.number);
  }

  /** Somebody waits for the result. */
  get hasCaller(): boolean {
    return this.#caller !== undefined;
  }

  /** The promise of the result, for the one caller that the call has at a time. */
  attach(ended: () => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#caller = { resolve, reject, ended };
    });
  }

  take(response: Incoming): void {
    this.#options.take(response, this);
  }

  done(result: Result): void {
    this.over();
    this.#detach()?.resolve(result);
  }

  /** The broker refused it, or it cannot be sent: the call is over. */
  fail(error: unknown): void {
    this.over();
    this.#detach()?.reject(error);
  }

  /** The caller hears the error; what becomes of the request is for `abandon` to say. */
  giveUp(error: IpcError): void {
    const caller = this.#detach();
    if (!caller) return;
    caller.reject(error);
    this.#options.abandon?.(this);
  }

  #detach(): Caller<Result> | undefined {
    const caller = this.#caller;
    this.#caller = undefined;
    caller?.ended();
    return caller;
  }
}

/** A call, whatever its result is. */
export type OpenCall = Omit<PendingCall, 'attach' | 'done'>;
