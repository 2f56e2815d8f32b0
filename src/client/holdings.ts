// The messages that one session holds. A hello lists them all, so that a broker knows after a reconnect
// what it must not deliver to others.
import { holdsMax } from '../base/limits.ts';
import { type Held, withoutBody } from '../model/mail-service.ts';
import type { Hold } from '../model/message.ts';

export class Holdings {
  /** By number and id: after a crash undid a message, another one can get its number. */
  readonly #held = new Map<string, Held>();

  get size(): number {
    return this.#held.size;
  }

  all(): Held[] {
    return [...this.#held.values()];
  }

  add(delivery: Held): void {
    this.#held.set(keyOf(delivery.envelope), withoutBody(delivery));
  }

  drop(held: readonly Held[]): void {
    for (const { envelope } of held) this.#held.delete(keyOf(envelope));
  }

  revoke(holds: readonly Hold[]): void {
    for (const hold of holds) this.#held.delete(keyOf(hold));
  }

  /**
   * For a hello. Waits that end together can deliver more than a hello can list; the session gives up the
   * rest, and the broker returns it to its mailboxes.
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
