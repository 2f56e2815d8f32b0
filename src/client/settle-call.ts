// One request that settles messages. It is sent again until the broker responds, even after its caller gave up.
import { holdsMax } from '../base/limits.ts';
import type { Held } from '../model/mail-service.ts';
import type { Hold } from '../model/message.ts';
import type { RequestNumber, SettleRequest } from '../model/requests.ts';
import { type Holdings, holdOf, type OwnHold } from './holdings.ts';
import type { Incoming, PendingCall, PendingCallOptions } from './pending-call.ts';

/** The settles that were made in one turn, until their request is made. */
export interface SettlesOfTurn {
  readonly settle: SettleCall;
  readonly call: PendingCall<readonly Hold[]>;
  readonly notHeld: Promise<readonly Hold[]>;
}

/** Its result: the holds of other sessions among those that it names. It keeps no delivery, whose body may be large. */
export class SettleCall implements PendingCallOptions<readonly Hold[]> {
  readonly kind = 'settle';
  readonly #holdings: Holdings;
  readonly #holds: Hold[] = [];
  /** Those that the session holds, until the response settles them. */
  readonly #leaving: OwnHold[] = [];

  constructor(deliveries: readonly Held[], holdings: Holdings) {
    this.#holdings = holdings;
    this.add(deliveries);
  }

  /** One request can name all of them. */
  hasRoomFor(deliveries: readonly Held[]): boolean {
    return this.#holds.length + deliveries.length <= holdsMax;
  }

  /** Before the request is made. */
  add(deliveries: readonly Held[]): void {
    for (const each of deliveries) this.#holds.push(holdOf(each));
    this.#holdings.settling(deliveries, this.#leaving);
  }

  request(request: RequestNumber): SettleRequest {
    return { kind: 'settle', request, holds: this.#holds };
  }

  take(response: Incoming, self: PendingCall<readonly Hold[]>): void {
    if (response.kind !== 'settled') return;
    this.#holdings.settled(this.#holds, this.#leaving, response.notHeld);
    self.done(response.notHeld);
  }

  rejected(): void {
    this.#holdings.notSettled(this.#leaving);
  }
}
