// The request for events and its responses: what happened to mail, in batches behind a cursor.
import type { EventBatch, EventCursor, MailEvent } from './mail-events.ts';
import type { Name } from './message.ts';

/** Asks what happened to mail behind a cursor. It delivers and holds nothing. The broker answers it without the engine. */
export interface EventsRequest {
  readonly kind: 'events';
  readonly request: number;
  /** `start`: before all that is kept. `now` is answered at once, with the cursor of the last record. */
  readonly after: EventCursor | 'start' | 'now';
  /** How long the request may be parked until there is an event, in milliseconds. */
  readonly waitMs: number;
  /** How many bytes of each body the response has at most. */
  readonly partBytesMax: number;
  /** Only events of these mailboxes, at most `eventMailboxesMax`; empty for all. */
  readonly mailboxes: readonly Name[];
}

/** One event of a batch. The frame of a `stored` event has the first bytes of the body. */
export interface EventResponse {
  readonly kind: 'event';
  readonly request: number;
  readonly event: MailEvent;
  /** The part of a `stored` event is that of the one before it in the batch, of the same post; the frame has none. */
  readonly hasSamePart: boolean;
}

/** The end of a batch. */
export interface EventsEndResponse extends Omit<EventBatch, 'events'> {
  readonly kind: 'eventsEnd';
  readonly request: number;
}
