// One batch of events on its way to a session: which events it wants, as frames, up to the limits of a batch.

import type { EventsRequest } from '../model/event-requests.ts';
import type { EventCursor, EventGap, MailEvent } from '../model/mail-events.ts';
import { deadLetterMailbox, type Name } from '../model/message.ts';
import { encodeResponse } from '../protocol/codec.ts';
import { type EventFrame, framesOf, joinFrames, sharedFrames } from './event-frames.ts';
import type { EventsOfRecord } from './event-ring.ts';

export interface EventBatchLimits {
  readonly eventsPerBatchMax: number;
  readonly eventBatchBytesMax: number;
}

export class PendingBatch {
  readonly #request: EventsRequest;
  readonly #limits: EventBatchLimits;
  readonly #mailboxes: ReadonlySet<Name> | undefined;
  readonly #frames: EventFrame[] = [];
  #bytes = 0;
  /** The last record that was looked through. */
  seen: number;
  #gap: EventGap | undefined;
  /** Nothing is missing before the oldest event that is kept. */
  readonly #isFromStart: boolean;

  constructor(request: EventsRequest, seen: number, limits: EventBatchLimits) {
    this.#request = request;
    this.seen = seen;
    this.#limits = limits;
    this.#isFromStart = isFromStart(request);
    const { mailboxes } = request;
    if (mailboxes.length > 0) this.#mailboxes = new Set(mailboxes);
  }

  get isEmpty(): boolean {
    return !this.hasEvents && this.#gap === undefined;
  }

  get isFull(): boolean {
    const { eventsPerBatchMax, eventBatchBytesMax } = this.#limits;
    return this.#frames.length >= eventsPerBatchMax || this.#bytes >= eventBatchBytesMax;
  }

  get hasEvents(): boolean {
    return this.#frames.length > 0;
  }

  /**
   * False if the batch is to be sent first: it is not empty, and would become too large. `isShared`: other batches may
   * get the same record.
   */
  take(record: EventsOfRecord, isShared = false): boolean {
    const { sequence, events } = record;
    const wanted = this.#mailboxes ? events.filter((each) => this.#isWanted(each)) : events;
    const { length: count } = this.#frames;
    if (count > 0 && count + wanted.length > this.#limits.eventsPerBatchMax) return false;
    const { partBytesMax } = this.#request;
    const isSame = isShared && wanted === events;
    const frames = isSame ? sharedFrames(record, partBytesMax) : framesOf(wanted, partBytesMax);
    for (const frame of frames) {
      this.#frames.push(frame);
      for (const { length } of frame) this.#bytes += length;
    }
    this.seen = sequence;
    return true;
  }

  /** Records up to this one are not kept. Only in front of the first event. */
  skip(to: number): void {
    if (this.#isFromStart) this.seen = Math.max(this.seen, to);
    else this.lose(to);
  }

  /** Records up to this one may be kept, and cannot be read. Only in front of the first event. */
  lose(to: number): void {
    const from = this.#gap?.from ?? this.seen + 1;
    if (to >= from) this.#gap = { from, to };
    this.seen = Math.max(this.seen, to);
  }

  /** The frames of the batch. */
  end(epoch: number, hasMore: boolean): Buffer[] {
    const { request } = this.#request;
    const next: EventCursor = { epoch, sequence: this.seen };
    const end = encodeResponse({ kind: 'eventsEnd', request, next, gap: this.#gap, hasMore });
    return joinFrames([...this.#frames, end], request);
  }

  #isWanted(event: MailEvent): boolean {
    const has = (name: Name) => this.#mailboxes?.has(name) ?? true;
    switch (event.kind) {
      case 'stored':
        return has(event.envelope.to);
      case 'paused':
      case 'resumed':
        return event.mailbox === '' || has(event.mailbox);
      case 'deadLettered':
      case 'retried':
        return has(event.message.to) || has(deadLetterMailbox);
      default:
        return has(event.message.to) || has(event.mailbox);
    }
  }
}

/** Epoch 0 is that of a client that no broker has answered yet. */
export function isFromStart({ after }: EventsRequest): boolean {
  return after === 'start' || (typeof after === 'object' && after.epoch === 0);
}
