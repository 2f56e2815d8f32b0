// The newest messages, with all that happened to them, and the newest events in their order: what open pages are served
// from. Both are bounded, whatever the store has.
import assert from 'node:assert/strict';
import { OldestKeys } from '../base/oldest-keys.ts';
import { pageEventsMax, pageLifeMax, pageMessagesMax } from '../base/page-limits.ts';
import type { EventCursor } from '../model/mail-events.ts';
import type { MessageId } from '../model/message.ts';
import type { WireEvent, WireStored } from './wire.ts';
import { inOrder, numberOfEvent } from './wire-events.ts';

interface RecentMessage {
  readonly stored: WireStored;
  /** The oldest goes first when there are too many. */
  life: WireEvent[];
}

export interface RecentBounds {
  readonly messagesMax: number;
  readonly lifeMax: number;
  readonly eventsMax: number;
}

const boundsDefault: RecentBounds = {
  messagesMax: pageMessagesMax,
  lifeMax: pageLifeMax,
  eventsMax: pageEventsMax,
};

export class RecentMail {
  readonly #bounds: RecentBounds;
  /** By number, in the order in which they were stored. */
  readonly #messages = new Map<number, RecentMessage>();
  readonly #oldest = new OldestKeys(this.#messages);
  readonly #numbers = new Map<string, number>();
  /** Pauses and their ends. */
  #pauses: WireEvent[] = [];
  /** The newest events, in order. All behind `#latestAfter` are in it. */
  #latest: WireEvent[] = [];
  #latestAfter = 0;
  #next: EventCursor = { epoch: 0, sequence: 0 };
  #isWhole = true;

  constructor(bounds: Partial<RecentBounds> = {}) {
    this.#bounds = { ...boundsDefault, ...bounds };
  }

  /** Where the next events begin. */
  get next(): EventCursor {
    return this.#next;
  }

  /** No message was forgotten. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  add(events: readonly WireEvent[], next = this.#next): void {
    for (const event of events) this.#add(event);
    this.#next = next;
    const { eventsMax } = this.#bounds;
    if (this.#latest.length > 1.25 * eventsMax) this.#forgetEvents(eventsMax);
  }

  clear(): void {
    this.#messages.clear();
    this.#numbers.clear();
    this.#pauses = [];
    this.#latest = [];
    this.#latestAfter = 0;
    this.#isWhole = true;
  }

  /** The events of the newest messages, in order. */
  events(messagesMax: number): readonly WireEvent[] {
    const messages = [...this.#messages.values()].slice(-messagesMax);
    const from = messages[0]?.stored.sequence ?? 0;
    const pauses = this.#pauses.filter(({ sequence }) => sequence >= from);
    return inOrder([...messages.flatMap(eventsOfOne), ...pauses]);
  }

  get size(): number {
    return this.#messages.size;
  }

  /** Whether all events behind a position are there. What an earlier owner gave out may never have reached the disk. */
  reaches({ epoch, sequence }: EventCursor): boolean {
    const { epoch: ownEpoch, sequence: newest } = this.#next;
    return epoch === ownEpoch && sequence <= newest && sequence >= this.#latestAfter;
  }

  /** Events behind a position, at most about `max`; undefined if some of them are forgotten. */
  behind(sequence: number, max: number): readonly WireEvent[] | undefined {
    if (sequence < this.#latestAfter) return undefined;
    let low = 0;
    for (let high = this.#latest.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((this.#latest[middle]?.sequence ?? 0) > sequence) high = middle;
      else low = middle + 1;
    }
    const events = this.#latest.slice(low, low + max);
    // All events of one record go together, since a page goes on behind the last record.
    for (let end = low + max; end < this.#latest.length; end++) {
      const following = this.#latest[end];
      if (!following || following.sequence !== events.at(-1)?.sequence) break;
      events.push(following);
    }
    return events;
  }

  message(id: MessageId): readonly [WireStored, ...WireEvent[]] | undefined {
    const found = this.#messages.get(this.#numbers.get(id) ?? -1);
    return found && [found.stored, ...found.life];
  }

  /** The message, those that it answers, one after the other, and all answers to any of them. */
  thread(id: MessageId): readonly WireEvent[] {
    let first = this.#find(id);
    const seen = new Set<RecentMessage>();
    for (let above = first; above && !seen.has(above); ) {
      seen.add(above);
      first = above;
      above = this.#find(above.stored.envelope.answers);
    }
    if (!first) return [];
    // An answer is stored after its question, so it comes later in this order.
    const ids = new Set<string>([first.stored.envelope.id]);
    const thread: RecentMessage[] = [first];
    for (const message of this.#messages.values()) {
      const { id: own, answers } = message.stored.envelope;
      if (message === first || !ids.has(answers)) continue;
      ids.add(own);
      thread.push(message);
    }
    return inOrder(thread.flatMap(eventsOfOne));
  }

  #find(id: string): RecentMessage | undefined {
    const number = this.#numbers.get(id);
    return number === undefined ? undefined : this.#messages.get(number);
  }

  #add(event: WireEvent): void {
    this.#latest.push(event);
    const number = numberOfEvent(event);
    if (number === undefined) {
      this.#pauses.push(event);
      this.#pauses.splice(0, this.#pauses.length - this.#bounds.lifeMax);
      return;
    }
    if (event.kind === 'stored') return this.#begin(event);
    const known = this.#messages.get(number);
    const id = 'message' in event ? event.message.id : undefined;
    // After a crash a number may belong to another message.
    if (!known || known.stored.envelope.id !== id) return;
    known.life.push(event);
    if (known.life.length > this.#bounds.lifeMax) known.life.shift();
  }

  #begin(stored: WireStored): void {
    const { number, id } = stored.envelope;
    this.#messages.set(number, { stored, life: [] });
    this.#numbers.set(id, number);
    const oldest = this.#oldest.added(this.#bounds.messagesMax);
    if (oldest === undefined) return;
    const forgotten = this.#messages.get(oldest);
    assert(forgotten, 'its key was found');
    this.#messages.delete(oldest);
    this.#numbers.delete(forgotten.stored.envelope.id);
    this.#isWhole = false;
  }

  #forgetEvents(eventsMax: number): void {
    const forgotten = this.#latest.splice(0, this.#latest.length - eventsMax);
    this.#latestAfter = forgotten.at(-1)?.sequence ?? this.#latestAfter;
  }
}

function eventsOfOne({ stored, life }: RecentMessage): WireEvent[] {
  return [stored, ...life];
}
