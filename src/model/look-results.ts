// What a status says of mailboxes and sessions, and a find of a message.
import type { Name, Origin, SessionId } from './message.ts';
import type { Holder } from './requests.ts';

/** How many dead letters were posted to a mailbox. */
export interface DeadLetterCount {
  /** The mailbox that they were posted to. */
  readonly to: Name;
  /** Number of its dead letters. */
  readonly messages: number;
}

/** A mailbox that has a message, a parked wait or a watch. */
export interface MailboxStatus {
  /** Name of the mailbox. */
  readonly mailbox: Name;
  /** Messages that no session holds. */
  readonly ready: number;
  /** Messages that a session holds. */
  readonly held: number;
  /** Number of parked waits on it. */
  readonly waiting: number;
  /** Number of watches on it. */
  readonly watching: number;
  /** Deliveries from it are paused, by itself or with all others. */
  readonly paused: boolean;
  /** When the oldest unsettled message was stored, in milliseconds since 1970; 0 when there is none. */
  readonly oldestTime: number;
}

/** A session that has a name or has read a mailbox. */
export interface ConnectedSession {
  /** Its id: 16 characters. */
  readonly session: SessionId;
  /** The `from` of its last post, or the name that it was started with; else the mailbox that it read last. */
  readonly name: Name;
  /** The process's own description of itself: a label, not a proof. */
  readonly origin: Origin;
  /** When it connected to the broker, in milliseconds since 1970. */
  readonly since: number;
  /** Mailboxes on which its parked waits are; at most `statusWaitsMax`. */
  readonly waitsOn: readonly Name[];
  /** Mailboxes that it watches; at most as many as `waitsOn` leaves of `statusWaitsMax`. */
  readonly watches: readonly Name[];
  /** How mail wakes it, if it watches any; '' when that is not known. */
  readonly wakePath: string;
  /** The last notice of unread mail that it got, if it watches any. */
  readonly lastNotice: LastNotice | undefined;
  /** Number of messages that it holds. */
  readonly held: number;
  /** At most `statusHoldsMax` of them. */
  readonly holds: readonly SessionHold[];
}

/** A notice of unread mail. */
export interface LastNotice {
  /** When the session got it, in milliseconds since 1970. */
  readonly time: number;
  /** The message that it named has been read since. */
  readonly isRead: boolean;
}

/** A message that a session holds. */
export interface SessionHold {
  /** Its number in the store. */
  readonly number: number;
  /** When the session got it, in milliseconds since 1970; undefined if an earlier version delivered it. */
  readonly since: number | undefined;
}

/**
 * The knowledge of a broker about an id. `ready` and `held`: the message is unsettled. `settled`: it was settled.
 * `forgotten`: its session has the response to the post, so it was settled, or refused when it was posted, and the
 * broker remembers no more. `unknown`: it was settled and forgotten, or never posted.
 */
export type FoundState = 'ready' | 'held' | 'settled' | 'forgotten' | 'unknown';

/** A message as a find sees it. */
export interface FoundMessage {
  readonly state: FoundState;
  /** Its number in the store; undefined when that is not known any more. */
  readonly number: number | undefined;
  /** The number of an unread message that answers it. */
  readonly answeredBy: number | undefined;
  /** undefined unless the message is unsettled. */
  readonly place: FoundPlace | undefined;
}

/** Where an unsettled message is. */
export interface FoundPlace {
  /** `to`, or `dead-letters`. */
  readonly mailbox: Name;
  /** The mailbox that it was posted to. */
  readonly to: Name;
  /** When it was stored, in milliseconds since 1970. */
  readonly time: number;
  /** Number of its deliveries if it is held; else the number that its next delivery will have. */
  readonly attempt: number;
  /** undefined when it is ready. */
  readonly holder: Holder | undefined;
}
