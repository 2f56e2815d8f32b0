// One batch of events on its way to a session: which events it wants, as frames, up to the limits of a batch.

import type { EventsRequest } from '../model/event-requests.ts';
import type { EventCursor, EventGap, MailEvent } from '../model/mail-events.ts';
import { deadLetterMailbox, type Name } from '../model/message.ts';
import { encodeResponse } from '../protocol/codec.ts';
import type { EventsOfRecord } from './event-ring.ts';

export interface EventBatchLimits {
  readonly eventsPerBatchMax: number;
  readonly eventBatchBytesMax: number;
}

/** Buffers above this size are sent as they are; smaller ones are joined, so that a batch is few writes. */
const joinBytesMax = 16 * 1024;

export class PendingBatch {
  readonly #request: EventsRequest;
  readonly #limits: EventBatchLimits;
  readonly #mailboxes: ReadonlySet<Name> | undefined;
  #frames: Buffer[] = [];
  #count = 0;
  #bytes = 0;
  #lastBody: Buffer | undefined;
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
    return this.#count === 0 && this.#gap === undefined;
  }

  get isFull(): boolean {
    const { eventsPerBatchMax, eventBatchBytesMax } = this.#limits;
    return this.#count >= eventsPerBatchMax || this.#bytes >= eventBatchBytesMax;
  }

  get hasEvents(): boolean {
    return this.#count > 0;
  }

  /** False if the batch is to be sent first: it is not empty, and would become too large. */
  take({ sequence, events }: EventsOfRecord): boolean {
    const wanted = this.#mailboxes ? events.filter((each) => this.#isWanted(each)) : events;
    if (this.#count > 0 && this.#count + wanted.length > this.#limits.eventsPerBatchMax)
      return false;
    for (const event of wanted) this.#add(event);
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
    return joined([...this.#frames, ...end]);
  }

  #add(event: MailEvent): void {
    const { request } = this.#request;
    const frames =
      event.kind === 'stored'
        ? this.#storedFrames(event)
        : encodeResponse({ kind: 'event', request, event, hasSamePart: false });
    for (const frame of frames) {
      this.#frames.push(frame);
      this.#bytes += frame.length;
    }
    this.#count += 1;
  }

  #storedFrames(event: MailEvent & { kind: 'stored' }): Buffer[] {
    const { request, partBytesMax } = this.#request;
    const hasSamePart = event.part !== undefined && event.part === this.#lastBody;
    this.#lastBody = event.part;
    const isWhole = event.part === undefined || event.part.length <= partBytesMax;
    const stored = isWhole ? event : { ...event, part: event.part?.subarray(0, partBytesMax) };
    return encodeResponse({ kind: 'event', request, event: stored, hasSamePart });
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

function joined(frames: readonly Buffer[]): Buffer[] {
  const buffers: Buffer[] = [];
  let run: Buffer[] = [];
  const endRun = () => {
    if (run.length > 0) buffers.push(run.length === 1 ? (run[0] as Buffer) : Buffer.concat(run));
    run = [];
  };
  for (const frame of frames) {
    if (frame.length <= joinBytesMax) run.push(frame);
    else {
      endRun();
      buffers.push(frame);
    }
  }
  endRun();
  return buffers;
}
