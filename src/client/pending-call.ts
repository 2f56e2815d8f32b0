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
  /** Called before the caller's promise is rejected. */
  rejected?(): void;
  /** Called when the caller gave up: decides whether the request lives on. */
  abandon?(call: PendingCall<Result>): void;
  /** No response is expected any more. May be called again. */
  over?(): void;
  /** The result when no broker answered in time; undefined if the call goes on. */
  late?(): { readonly result: Result } | undefined;
}

export class PendingCall<Result = unknown> {
  /** It was sent on an open link, so a broker may have acted on it. */
  sent = false;
  /** How many owners failed while this call was open. */
  ownersFailed = 0;
  /** Since when the broker has been silent, on the runtime's clock; undefined when the watchdog ignores the call. */
  silentSince: number | undefined;
  /** Of a call whose caller has given it a time: since when it waits, on the runtime's clock. */
  beganAt = 0;
  /** When the time of its caller is over, on the runtime's clock. */
  endsAt = Number.POSITIVE_INFINITY;
  readonly number: RequestNumber;
  readonly #options: PendingCallOptions<Result>;
  readonly #over: (number: RequestNumber) => void;
  #resolve: ((result: Result) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #ended: (() => void) | undefined;

  /** `over`: takes the call with this number off the link. */
  constructor(
    number: RequestNumber,
    options: PendingCallOptions<Result>,
    over: (number: RequestNumber) => void,
  ) {
    this.number = number;
    this.#options = options;
    this.#over = over;
  }

  get kind(): CallRequest['kind'] {
    return this.#options.kind;
  }

  request(): CallRequest {
    return this.#options.request(this.number);
  }

  /** A caller waits for the result. */
  get hasCaller(): boolean {
    return this.#resolve !== undefined;
  }

  /** Returns the promise of the result. `ended` is called when it has one. A call has at most one caller at a time. */
  attach(ended?: () => void): Promise<Result> {
    this.#ended = ended;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  take(response: Incoming): void {
    this.#options.take(response, this);
  }

  /** No response is expected any more. */
  over(): void {
    this.#over(this.number);
    this.#options.over?.();
  }

  done(result: Result): void {
    const resolve = this.#resolve;
    this.over();
    this.#detach();
    resolve?.(result);
  }

  /** Ends the call: the broker refused it, or it can never be sent. */
  fail(error: unknown): void {
    this.over();
    this.#rejectCaller(error);
  }

  /** Rejects the caller; `abandon` decides what becomes of the request. */
  giveUp(error: IpcError): void {
    if (!this.hasCaller) return;
    this.#rejectCaller(error);
    this.#options.abandon?.(this);
  }

  /** The time of the caller is over. Returns whether the call has ended. */
  late(): boolean {
    const ended = this.hasCaller ? this.#options.late?.() : undefined;
    if (ended) this.done(ended.result);
    return ended !== undefined;
  }

  #rejectCaller(error: unknown): void {
    const reject = this.#reject;
    this.#detach();
    if (!reject) return;
    this.#options.rejected?.();
    reject(error);
  }

  #detach(): void {
    this.#ended?.();
    this.#resolve = this.#reject = this.#ended = undefined;
  }
}

/** A call with any type of result. */
export type OpenCall = Omit<PendingCall, 'attach' | 'done'>;
