// One request that settles messages. It is sent again until the broker responds, even after its caller gave up.
import { holdsMax } from '../base/limits.ts';
import type { Held } from '../model/mail-service.ts';
import type { RequestNumber, SettleRequest } from '../model/requests.ts';
import { type Holdings, holdOf, named, type OwnHold } from './holdings.ts';
import type { Incoming, PendingCall, PendingCallOptions } from './pending-call.ts';

export class SettleCall implements PendingCallOptions<readonly Held[]> {
  readonly kind = 'settle';
  readonly #holdings: Holdings;
  readonly #deliveries: Held[] = [];
  /** Those that the session holds, until the response settles them. */
  readonly #leaving: OwnHold[] = [];

  constructor(deliveries: readonly Held[], holdings: Holdings) {
    this.#holdings = holdings;
    this.add(deliveries);
  }

  /** One request can name all of them. */
  hasRoomFor(deliveries: readonly Held[]): boolean {
    return this.#deliveries.length + deliveries.length <= holdsMax;
  }

  /** Before the request is made. */
  add(deliveries: readonly Held[]): void {
    for (const each of deliveries) this.#deliveries.push(each);
    for (const each of this.#holdings.settling(deliveries)) this.#leaving.push(each);
  }

  request(request: RequestNumber): SettleRequest {
    return { kind: 'settle', request, holds: this.#deliveries.map(holdOf) };
  }

  /** The result: those that another session held. */
  take(response: Incoming, self: PendingCall<readonly Held[]>): void {
    if (response.kind !== 'settled') return;
    const notHeld = named(this.#deliveries, response.notHeld);
    this.#holdings.settled(this.#deliveries, this.#leaving, notHeld);
    self.done(notHeld);
  }

  rejected(): void {
    this.#holdings.notSettled(this.#leaving);
  }
}
