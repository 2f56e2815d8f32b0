// An import, and its response: a message of another store is stored as it was there.
import type { Envelope, Name, PastHold, SessionId } from './message.ts';
import type { RequestNumber } from './requests.ts';

/** A ready message of another store. */
export interface ForeignMessage {
  /** Id of the other store: 32 hex digits. */
  readonly store: string;
  /** As it is there, with its number there. */
  readonly envelope: Envelope;
  /** Where it is there: `envelope.to`, or `dead-letters`. */
  readonly mailbox: Name;
  /** The number that its next delivery would have there. Only a dead letter keeps it. */
  readonly attempt: number;
  /** Of a dead letter: the last hold that ended without a settle. */
  readonly lastHold?: PastHold | undefined;
  readonly body: Buffer;
}

/** How a message follows others of the same mailbox of the other store. */
export interface ImportPlace {
  /** The number there of the message that was sent before it. It is refused if that one was not stored. 0: none. */
  readonly previous: number;
  /** No message of that mailbox with a number up to this one is left there, so their numbers may be forgotten here. */
  readonly movedUpTo: number;
}

/** Stores the message with its id, sender, recipient, origin and time. Repeated, it is stored once. */
export interface ImportRequest extends ForeignMessage, ImportPlace {
  readonly kind: 'import';
  readonly request: RequestNumber;
  /** A hash of the other store and the mailbox there, which both sides compute. Deduplication takes it for a session. */
  readonly keySession: SessionId;
}

/** What a broker says of a message that it imported. */
export interface Imported {
  /** Its number in this store. */
  readonly number: number;
  /** It was stored before, so nothing was stored now. */
  readonly duplicate: boolean;
}

export interface ImportedResponse extends Imported {
  readonly kind: 'imported';
  readonly request: RequestNumber;
}
