// Checks the reports of the sessions of a storm against the invariants: I1 An acknowledged post is
// delivered. I2 A delivered message was posted, byte for byte. I3 A message whose settle was
// acknowledged is not redelivered. I4 First deliveries keep the order of the mailbox, which keeps the
// order of each sender. I5 One post is one message. And no two sessions hold the same message.
import type { StormEvent, StormKey } from './storm-protocol.ts';

type Stored = Extract<StormEvent, { kind: 'stored' }>;
type Got = Extract<StormEvent, { kind: 'got' }>;

/** The owner at the time; undefined during a failover. */
type Aged<Event> = Event & { readonly owner: number | undefined };

export interface StormReport {
  readonly acknowledged: number;
  readonly delivered: number;
  readonly lost: string[];
  readonly altered: string[];
  readonly redelivered: string[];
  readonly reordered: string[];
  /** The number of first deliveries whose order was checked. */
  readonly ordered: number;
  readonly duplicated: string[];
  readonly shared: string[];
}

export class StormHistory {
  readonly #streams = new Set<string>();
  readonly #stored: Aged<Stored>[] = [];
  readonly #got: (Aged<Got> & { readonly session: string })[] = [];
  /** The settled attempt by message number. */
  readonly #settled = new Map<number, number>();
  readonly #again: string[] = [];
  #owners = 1;
  #owner: number | undefined = 1;

  /** Adds a session that will post to these mailboxes. */
  began(session: string, mailboxes: readonly string[]): void {
    for (const mailbox of mailboxes) this.#streams.add(`${session}-${mailbox}`);
  }

  /** Reports received so far happened under the owner that is killed next. */
  ownerDies(): void {
    this.#owner = undefined;
  }

  /** Reports received from now on happened under the next owner. */
  ownerServes(): void {
    this.#owners += 1;
    this.#owner = this.#owners;
  }

  /**
   * Events in order of arrival. Events of two sessions may arrive in another order than they happened.
   */
  add(session: string, event: StormEvent): void {
    const owner = this.#owner;
    if (event.kind === 'stored') this.#stored.push({ ...event, owner });
    if (event.kind === 'settled') this.#settled.set(event.number, event.attempt);
    if (event.kind !== 'got') return;
    // A delivery before the settled one may be reported later, but not one with a higher attempt.
    const settled = this.#settled.get(event.number) ?? Number.POSITIVE_INFINITY;
    if (event.attempt > settled) this.#again.push(`#${event.number} attempt ${event.attempt}`);
    this.#got.push({ ...event, owner, session });
  }

  /** To be called when the store is empty. */
  report(): StormReport {
    const delivered = new Set(this.#got.map(({ key }) => key && text(key)));
    return {
      acknowledged: this.#stored.length,
      delivered: delivered.size,
      lost: this.#stored.map(text).filter((key) => !delivered.has(key)),
      altered: this.#got
        .filter(({ key }) => key === undefined || !this.#streams.has(key.stream))
        .map(({ number }) => `#${number}`),
      redelivered: this.#again,
      reordered: [...this.#reorderedStreams(), ...this.#disorderedDeliveries()],
      ordered: this.#firstDeliveries().length,
      duplicated: this.#duplicated(),
      shared: repeated(this.#got.map(({ number, attempt }) => `#${number} attempt ${attempt}`)),
    };
  }

  #duplicated(): string[] {
    const numbers = new Map<string, Set<number>>();
    const numbered = [
      ...this.#stored.map((event) => [text(event), event.number] as const),
      ...this.#got.flatMap(({ key, number }) => (key ? [[text(key), number] as const] : [])),
    ];
    for (const [key, number] of numbered) {
      numbers.set(key, (numbers.get(key) ?? new Set()).add(number));
    }
    return [...numbers].filter(([, all]) => all.size > 1).map(([key]) => key);
  }

  #reorderedStreams(): string[] {
    const last = new Map<string, number>();
    return this.#stored.flatMap((event) => {
      const before = last.get(event.stream) ?? 0;
      last.set(event.stream, event.number);
      return event.number > before ? [] : [`${text(event)} as #${event.number}`];
    });
  }

  /**
   * A delivery by a dying owner may be lost: the message is released unread, and its first delivery then follows
   * that of later messages. So only messages that the same owner stored and delivered are compared.
   */
  #firstDeliveries() {
    const ownerOf = new Map<number, number>();
    for (const { number, duplicate, owner } of this.#stored) {
      if (!duplicate && owner !== undefined) ownerOf.set(number, owner);
    }
    return this.#got.filter(
      ({ attempt, number, owner }) =>
        attempt === 1 && owner !== undefined && ownerOf.get(number) === owner,
    );
  }

  #disorderedDeliveries(): string[] {
    const last = new Map<string, number>();
    return this.#firstDeliveries().flatMap(({ session, mailbox, number, owner }) => {
      const reader = `${session} ${mailbox} ${owner}`;
      const before = last.get(reader) ?? 0;
      last.set(reader, number);
      return number > before ? [] : [`#${number} after #${before}`];
    });
  }
}

function text({ stream, count }: StormKey): string {
  return `${stream}:${count}`;
}

function repeated(texts: readonly string[]): string[] {
  const seen = new Set<string>();
  return texts.filter((each) => seen.size === seen.add(each).size);
}
