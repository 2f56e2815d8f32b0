// One request that waits for its response. When its caller gives up, the request can live on without a
// caller until the broker has responded.
import type { IpcError } from '../base/errors.ts';
import type { Delivery, PeekedMessage } from '../model/mail-service.ts';
import type { Hello, RequestNumber, Response, SessionRequest } from '../model/requests.ts';

/** A response as a call gets it: with its body, if it has one. */
export type Incoming =
  | Exclude<Response, { kind: 'offer' | 'peeked' }>
  | { kind: 'offer'; delivery: Delivery }
  | { kind: 'peeked'; message: PeekedMessage };

/** The link sends the hello itself. */
export type CallRequest = Exclude<SessionRequest, Hello>;

export interface PendingCallOptions<Result> {
  readonly kind: CallRequest['kind'];
  /** Made anew for each sending: less time and fewer bytes are left, and more posts are acknowledged. */
  request(number: RequestNumber): CallRequest;
  take(response: Incoming, call: PendingCall<Result>): void;
  /** Called when the caller gave up: decides whether the request lives on. */
  abandon?(call: PendingCall<Result>): void;
}

interface Caller<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
  /** Called before either of them. */
  ended(): void;
}

export class PendingCall<Result = unknown> {
  /** It was sent on an open link, so a broker may have acted on it. */
  sent = false;
  /** How many owners failed while this call was open. */
  ownersFailed = 0;
  /** Since when the broker has been silent, on the runtime's clock; undefined when the watchdog ignores the call. */
  silentSince: number | undefined;
  readonly number: RequestNumber;
  /** Takes the call off the lists of the link and the outbox: no response is expected any more. */
  readonly over: () => void;
  readonly #options: PendingCallOptions<Result>;
  #caller: Caller<Result> | undefined;

  constructor(number: RequestNumber, options: PendingCallOptions<Result>, over: () => void) {
    this.number = number;
    this.#options = options;
    this.over = over;
  }

  get kind(): CallRequest['kind'] {
    return this.#options.kind;
  }

  request(): CallRequest {
    return this.#options.request(this.number);
  }

  /** A caller waits for the result. */
  get hasCaller(): boolean {
    return this.#caller !== undefined;
  }

  /** Returns the promise of the result. A call has at most one caller at a time. */
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

  /** Ends the call: the broker refused it, or it can never be sent. */
  fail(error: unknown): void {
    this.over();
    this.#detach()?.reject(error);
  }

  /** Rejects the caller; `abandon` decides what becomes of the request. */
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

/** A call with any type of result. */
export type OpenCall = Omit<PendingCall, 'attach' | 'done'>;
