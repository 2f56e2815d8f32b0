// What the results of a call say of other mail: before a message that was posted, and in other mailboxes.
import type { MessageId, Name } from './message.ts';

/** A message that a session holds in the mailbox of a post. */
export interface HeldAhead {
  /** Its number in the store. */
  readonly number: number;
  /** Name of the session that holds it: its last `from`, else the mailbox that it read; '' if unknown. */
  readonly name: Name | '';
  /** How long that session has held it, in milliseconds; 0 if that is not known. */
  readonly heldMs: number;
}

/** An unsettled message that looks like an earlier attempt of the same post. */
export interface SameText {
  /** Its number in the store. */
  readonly number: number;
  /** How long ago it was stored, in milliseconds. */
  readonly ageMs: number;
  /** A session holds it; otherwise it is unread. */
  readonly isHeld: boolean;
}

/** Unread mail of another mailbox than the one of the call, which this session reads as well. */
export interface MailElsewhere {
  /** Name of the mailbox. */
  readonly mailbox: Name;
  /** Messages in it that no session holds. */
  readonly ready: number;
}

/** The unread mail of a watched mailbox. */
export interface Notice {
  /** Name of the mailbox. */
  readonly mailbox: Name;
  /** Messages in it that no session holds. */
  readonly unread: number;
  /** The number of the first of them in the store. */
  readonly number: number;
  /** The number that the next delivery of that message will have. */
  readonly attempt: number;
  /** How long ago it was stored, in milliseconds. */
  readonly ageMs: number;
}

/** One message of a post. */
export interface StoredMessage {
  readonly id: MessageId;
  readonly number: number;
  /** A session was waiting, and the message was delivered to it at once. */
  readonly reader: boolean;
  /** No session was waiting, but one that watches the mailbox will be told unless the message is read before. */
  readonly watched: boolean;
  /** Deliveries from its mailbox are paused, so nobody gets it before they are resumed. */
  readonly paused: boolean;
  /** Unread messages that will be delivered before it; 0 when it was delivered already. */
  readonly before: number;
  /** The held message of its mailbox with the lowest number; undefined if the poster itself holds that one. */
  readonly holder: HeldAhead | undefined;
  /** An unsettled message of its mailbox, from the same name and with the same text: the newest of them. */
  readonly same: SameText | undefined;
}
