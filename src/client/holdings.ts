// The messages that one session holds. A hello lists them all, so that a broker knows after a reconnect
// what it must not deliver to others.
import { holdsMax } from '../base/limits.ts';
import { NumberMap } from '../base/number-map.ts';
import type { Held } from '../model/mail-service.ts';
import type { Hold } from '../model/message.ts';

/** A message that the session holds. */
export interface OwnHold extends Held {
  /** Its settle is on its way. */
  isLeaving: boolean;
  /** A message that is held, too, and has the same number: after a crash undid this one, another got its number. */
  namesake: OwnHold | undefined;
}

export class Holdings {
  readonly #byNumber = new NumberMap<OwnHold>();
  #size = 0;
  #leaving = 0;

  get size(): number {
    return this.#size;
  }

  /** How many are left after the settles on their way: the broker gets a request that is sent now behind those. */
  get sizeSettled(): number {
    return this.#size - this.#leaving;
  }

  all(): Held[] {
    const all: Held[] = [];
    for (const first of this.#byNumber.values()) {
      for (let each: OwnHold | undefined = first; each; each = each.namesake) {
        all.push({ envelope: each.envelope });
      }
    }
    return all;
  }

  /** False also for one that the session has lost with a connection. */
  has({ envelope }: Held): boolean {
    return this.#find(envelope) !== undefined;
  }

  add({ envelope }: Held): void {
    this.#remove(envelope);
    const holding: OwnHold = { envelope, isLeaving: false, namesake: undefined };
    let last = this.#byNumber.get(envelope.number);
    while (last?.namesake) last = last.namesake;
    if (last) last.namesake = holding;
    else this.#byNumber.set(envelope.number, holding);
    this.#size++;
  }

  /** Their settle is sent. Those of them that the session holds are added to `leaving`, for `settled` or `notSettled`. */
  settling(deliveries: readonly Held[], leaving: OwnHold[] = []): readonly OwnHold[] {
    for (const { envelope } of deliveries) {
      const held = this.#find(envelope);
      if (held === undefined) continue;
      if (!held.isLeaving) this.#leaving++;
      held.isLeaving = true;
      leaving.push(held);
    }
    return leaving;
  }

  /** `notHeld`: those that another session held. One of them that was offered to this session since stays. */
  settled(holds: readonly Hold[], leaving: readonly OwnHold[], notHeld: readonly Hold[]): void {
    if (notHeld.length === 0) return this.revoke(holds);
    const others = new Set(notHeld.map(keyOf));
    this.revoke(holds.filter((each) => !others.has(keyOf(each))));
    this.drop(leaving.filter((each) => this.#find(each.envelope) === each));
  }

  notSettled(leaving: readonly OwnHold[]): void {
    for (const each of leaving) this.#stays(each);
  }

  drop(held: readonly Held[]): void {
    for (const { envelope } of held) this.#remove(envelope);
  }

  revoke(holds: readonly Hold[]): void {
    for (const hold of holds) this.#remove(hold);
  }

  #stays(holding: OwnHold): void {
    if (holding.isLeaving) this.#leaving--;
    holding.isLeaving = false;
  }

  #find({ number, id }: Hold): OwnHold | undefined {
    let each = this.#byNumber.get(number);
    while (each && each.envelope.id !== id) each = each.namesake;
    return each;
  }

  #remove(hold: Hold): void {
    const held = this.#find(hold);
    if (!held) return;
    const first = this.#byNumber.get(hold.number);
    if (first !== held) {
      let before = first;
      while (before && before.namesake !== held) before = before.namesake;
      if (before) before.namesake = held.namesake;
    } else if (held.namesake) this.#byNumber.set(hold.number, held.namesake);
    else this.#byNumber.delete(hold.number);
    this.#size--;
    this.#stays(held);
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
