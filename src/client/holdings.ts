// The messages that one session holds. A hello lists them all, so that a broker knows after a reconnect
// what it must not deliver to others.
import { holdsMax } from '../base/limits.ts';
import { type Held, withoutBody } from '../model/mail-service.ts';
import type { Hold } from '../model/message.ts';

export class Holdings {
  /** By number and id: after a crash undid a message, another one can get its number. */
  readonly #held = new Map<string, Held>();
  /** Those of them whose settle is on its way. */
  readonly #leaving = new Set<Held>();

  get size(): number {
    return this.#held.size;
  }

  /** How many are left after the settles on their way: the broker gets a request that is sent now behind those. */
  get sizeSettled(): number {
    return this.#held.size - this.#leaving.size;
  }

  all(): Held[] {
    return [...this.#held.values()];
  }

  add(delivery: Held): void {
    this.revoke([delivery.envelope]);
    this.#held.set(keyOf(delivery.envelope), withoutBody(delivery));
  }

  /** Their settle is sent. Returns those of them that the session holds, for `settled` or `notSettled`. */
  settling(deliveries: readonly Held[]): readonly Held[] {
    const held = deliveries.map(({ envelope }) => this.#held.get(keyOf(envelope)));
    const leaving = held.filter((each) => each !== undefined);
    for (const each of leaving) this.#leaving.add(each);
    return leaving;
  }

  /** `notHeld`: those that another session held. One of them that was offered to this session since stays. */
  settled(deliveries: readonly Held[], leaving: readonly Held[], notHeld: readonly Held[]): void {
    const others = new Set(notHeld);
    this.drop(deliveries.filter((each) => !others.has(each)));
    this.drop(leaving.filter((each) => this.#held.get(keyOf(each.envelope)) === each));
  }

  notSettled(leaving: readonly Held[]): void {
    for (const each of leaving) this.#leaving.delete(each);
  }

  drop(held: readonly Held[]): void {
    for (const { envelope } of held) this.#remove(envelope);
  }

  revoke(holds: readonly Hold[]): void {
    for (const hold of holds) this.#remove(hold);
  }

  #remove(hold: Hold): void {
    const key = keyOf(hold);
    const held = this.#held.get(key);
    if (!held) return;
    this.#held.delete(key);
    this.#leaving.delete(held);
  }

  /**
   * For a hello. Waits that end together, and reads beside settles that have no response yet, can deliver more than a
   * hello can list; the session gives up the rest, and the broker returns it to its mailboxes.
   */
  listForHello(): Hold[] {
    this.drop(this.all().slice(holdsMax));
    return this.all().map(holdOf);
  }
}

export function holdOf({ envelope: { number, id } }: Held): Hold {
  return { number, id };
}

/** Those of the deliveries that the broker named. */
export function named(deliveries: readonly Held[], holds: readonly Hold[]): readonly Held[] {
  if (holds.length === 0) return [];
  const keys = new Set(holds.map(keyOf));
  return deliveries.filter(({ envelope }) => keys.has(keyOf(envelope)));
}

function keyOf({ number, id }: Hold): string {
  return `${number} ${id}`;
}
