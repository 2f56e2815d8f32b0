// What happens to mail, as a store's log tells it: one list for those that follow it live, and for those that read its
// past. An event changes nothing, and nobody's mail depends on whether it was seen.
import type { Envelope, MessageId, Name, PastHold, SessionId } from './message.ts';

/**
 * A position in the sequence of all records of a store: the last record of which the events were seen. Records after it
 * may have been written by an owner of a later epoch.
 */
export interface EventCursor {
  /** The epoch of the owner that gave the cursor out. */
  readonly epoch: number;
  /** Counts the records of the store, from 1; 0 before all of them. */
  readonly sequence: number;
}

/** Sequence numbers that are missing: their records are not kept any more, or are corrupt. Both ends are missing, too. */
export interface EventGap {
  readonly from: number;
  readonly to: number;
}

interface OfRecord {
  /** The number of its record in the sequence. Several events may be of one record. */
  readonly sequence: number;
  /** When it happened, on the broker's wall clock, in milliseconds since 1970; the past is exact to 10 ms. */
  readonly time: number;
}

/** A message that an event is about. */
export interface EventMessage {
  readonly id: MessageId;
  readonly number: number;
  /** The mailbox that it was posted to. */
  readonly to: Name;
  readonly from: Name | '';
}

interface OfMessage extends OfRecord {
  readonly message: EventMessage;
}

/** The message was stored. */
export interface StoredEvent extends OfRecord {
  readonly kind: 'stored';
  readonly envelope: Envelope;
  /** The first bytes of its body, as many as were wanted; undefined when it is corrupt on disk. */
  readonly part: Buffer | undefined;
}

/** The message was delivered to a session, which holds it from then on. */
export interface DeliveredEvent extends OfMessage {
  readonly kind: 'delivered';
  /** The mailbox that it was read from: `message.to`, or `dead-letters`. */
  readonly mailbox: Name;
  readonly attempt: number;
  readonly session: SessionId;
  /** Name of the session; '' when it had none. */
  readonly name: Name | '';
}

/** The message went back to its mailbox. */
export interface RequeuedEvent extends OfMessage {
  readonly kind: 'requeued';
  readonly mailbox: Name;
  /** The attempt of its next delivery. */
  readonly attempt: number;
  /** The hold that ended; undefined if it does not count as an attempt. */
  readonly lastHold: PastHold | undefined;
}

/** The message is done: its holder settled it. */
export interface SettledEvent extends OfMessage {
  readonly kind: 'settled';
  readonly mailbox: Name;
  readonly session: SessionId;
  /** Name of that session; '' when it had none. */
  readonly name: Name | '';
  /** The message that was posted with the settle, often an answer; undefined for a settle alone. */
  readonly by: MessageId | undefined;
}

/** The message was ready, and was settled without being read. */
export interface DroppedEvent extends OfMessage {
  readonly kind: 'dropped';
  readonly mailbox: Name;
}

/** The message moved to `dead-letters`: it was out of attempts, or rejected. */
export interface DeadLetteredEvent extends OfMessage {
  readonly kind: 'deadLettered';
  /** The hold that ended; undefined if an earlier version wrote it. */
  readonly lastHold: PastHold | undefined;
}

/** The dead letter moved back to the mailbox that it was posted to, with attempts from 1. */
export interface RetriedEvent extends OfMessage {
  readonly kind: 'retried';
}

/** Nothing is delivered from the mailbox any more; '' for all mailboxes. */
export interface PausedEvent extends OfRecord {
  readonly kind: 'paused';
  readonly mailbox: Name | '';
}

/** Deliveries from the mailbox go on; '' for all mailboxes. */
export interface ResumedEvent extends OfRecord {
  readonly kind: 'resumed';
  readonly mailbox: Name | '';
}

export type MailEvent =
  | StoredEvent
  | DeliveredEvent
  | RequeuedEvent
  | SettledEvent
  | DroppedEvent
  | DeadLetteredEvent
  | RetriedEvent
  | PausedEvent
  | ResumedEvent;

/** Some events, in their order. */
export interface EventBatch {
  readonly events: readonly MailEvent[];
  /** Where the next batch begins. */
  readonly next: EventCursor;
  /** What is missing between the cursor that was given and the first of these events. */
  readonly gap: EventGap | undefined;
  /** More events were there when the batch was made. */
  readonly hasMore: boolean;
}
