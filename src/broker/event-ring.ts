// The newest events of a broker, in memory. It is one list for all sessions that follow them, so a slow one costs nothing.
import { ownBytes } from '../base/own-bytes.ts';
import type { EventOfRecord } from '../engine/record-events.ts';
import type { MailEvent } from '../model/mail-events.ts';
import type { EventFrame } from './event-frames.ts';

export interface EventRingLimits {
  readonly eventRingEventsMax: number;
  readonly eventRingBytesMax: number;
  readonly eventIndexBytes: number;
}

/** The events of one record: at least one. They are given out together, because a cursor is behind a whole record. */
export interface EventsOfRecord {
  readonly sequence: number;
  readonly events: readonly MailEvent[];
  /** Their frames as one session got them, kept while several sessions follow. */
  shared?: { readonly partBytesMax: number; readonly frames: readonly EventFrame[] };
}

/** Records that were written together. */
export interface WrittenRecords {
  /** The sequence number of the first one. */
  readonly first: number;
  readonly count: number;
  /** When, in milliseconds since 1970. */
  readonly time: number;
  /** Those that have events, in their order; `index`: their place among the records. */
  readonly events: readonly { readonly index: number; readonly events: readonly EventOfRecord[] }[];
}

export class EventRing {
  readonly #limits: EventRingLimits;
  #entries: EventsOfRecord[] = [];
  /** The place of the oldest entry. Those before it are gone. */
  #head = 0;
  #events = 0;
  #bytes = 0;
  #begins = 0;
  #last = 0;

  constructor(limits: EventRingLimits) {
    this.#limits = limits;
  }

  /** All events of records behind this one are here. */
  get begins(): number {
    return this.#begins;
  }

  /** The record that was written last. */
  get last(): number {
    return this.#last;
  }

  /** Empties the ring. `last`: the record that was written last. */
  reset(last: number): void {
    this.#entries = [];
    this.#head = 0;
    this.#events = 0;
    this.#bytes = 0;
    this.#begins = last;
    this.#last = last;
  }

  /** Records that had been written when the ring was reset are left out. */
  add({ first, count, time, events: ofRecords }: WrittenRecords): void {
    if (first <= this.#last) return;
    for (const { index, events: made } of ofRecords) {
      const sequence = first + index;
      const events = placed(made, sequence, time);
      this.#entries.push({ sequence, events });
      this.#events += events.length;
      this.#bytes += this.#bytesOf(events);
    }
    this.#last = first + count - 1;
    const { eventRingEventsMax, eventRingBytesMax } = this.#limits;
    while (this.#events > eventRingEventsMax || this.#bytes > eventRingBytesMax) this.#forget();
    if (this.#head * 2 <= this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** The events of the records behind this one, oldest first. It must not be used any more after the next `add`. */
  *after(sequence: number): Generator<EventsOfRecord, void> {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as EventsOfRecord).sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    for (let index = low; index < this.#entries.length; index++) {
      yield this.#entries[index] as EventsOfRecord;
    }
  }

  #forget(): void {
    const { sequence, events } = this.#entries[this.#head] as EventsOfRecord;
    // Until the list is cut, its slot must not keep it in memory.
    this.#entries[this.#head] = forgotten;
    this.#head += 1;
    this.#events -= events.length;
    this.#bytes -= this.#bytesOf(events);
    this.#begins = sequence;
  }

  /** The messages of one post have the same body. */
  #bytesOf(events: readonly MailEvent[]): number {
    const [first] = events;
    const bodyBytes = first?.kind === 'stored' ? (first.part?.length ?? 0) : 0;
    return events.length * this.#limits.eventIndexBytes + bodyBytes;
  }
}

type PlacedEvent = { -readonly [Field in 'sequence' | 'time']: number } & (
  | Exclude<EventOfRecord, { kind: 'stored' }>
  | (Omit<Extract<EventOfRecord, { kind: 'stored' }>, 'part'> & { part: Buffer | undefined })
);

/** The events belong to the ring, so each gets its place without a copy, which would cost more than all else here. */
function placed(events: readonly EventOfRecord[], sequence: number, time: number) {
  let part: Buffer | undefined;
  for (const event of events as readonly PlacedEvent[]) {
    event.sequence = sequence;
    event.time = timeIn(event) ?? time;
    if (event.kind !== 'stored' || !event.part) continue;
    // The messages of one post share their body.
    part ??= ownBytes(event.part);
    event.part = part;
  }
  return events as readonly MailEvent[];
}

/** The time that the record has, which is the one that a reader of the files finds. */
function timeIn(event: EventOfRecord): number | undefined {
  if (event.kind === 'stored') return event.envelope.time;
  return 'lastHold' in event ? event.lastHold?.to : undefined;
}

const forgotten: EventsOfRecord = { sequence: 0, events: [] };
