// The records of the journal, as types; src/journal/record-codec.ts has their bytes.
import type { Envelope, Hold, MessageId, Name, PastHold, SessionId } from './message.ts';

/** Everything that the engine decides. Replaying all records in order restores its state. */
export type JournalRecord =
  | PostedRecord
  | CopiedRecord
  | OfferedRecord
  | SettledRecord
  | ReleasedRecord
  | MovedRecord
  | SessionRecord
  | ForgottenRecord
  | NamedIdsRecord
  | SettledByIdRecord
  | FingerprintsRecord
  | PausedRecord;

export interface PostedRecord {
  readonly kind: 'posted';
  readonly envelope: Envelope;
  /** Envelopes of the post's other messages, which differ in id, number and mailbox only. */
  readonly also: readonly Envelope[];
  /** The poster's acknowledged-up-to count. Without meaning for an id that the caller chose. */
  readonly ackedUpTo: number;
  readonly settles: readonly number[];
  /** Of a message that came from another store: the id under which deduplication remembers it. */
  readonly importKey?: MessageId | undefined;
  /** undefined only in a replay, when the body is corrupt on disk. */
  readonly body: Buffer | undefined;
}

/** A live message that compaction copied to the end of the log, so that its old segment can be removed. */
export interface CopiedRecord {
  readonly kind: 'copied';
  readonly envelope: Envelope;
  readonly mailbox: Name;
  readonly attempt: number;
  readonly holder: SessionId | '';
  /** As in the last `offered`, if it is held. */
  readonly holding?: Holding | undefined;
  readonly lastHold?: PastHold | undefined;
  /** undefined when it is corrupt on disk. */
  readonly body: Buffer | undefined;
}

/** A session that holds a message, and its hold. Earlier versions did not write it. */
export interface Holding {
  /** Name of the session; '' when it has none. */
  readonly name: Name | '';
  /** When it got the message, in milliseconds since 1970. */
  readonly since: number;
}

/** It is written again for one of the messages of a session whose name changes. */
export interface OfferedRecord {
  readonly kind: 'offered';
  readonly number: number;
  readonly holder: SessionId;
  readonly attempt: number;
  readonly holding?: Holding | undefined;
}

export interface SettledRecord {
  readonly kind: 'settled';
  readonly numbers: readonly number[];
}

export interface ReleasedRecord {
  readonly kind: 'released';
  readonly number: number;
  /** The attempt of its next delivery. */
  readonly attempt: number;
  /** The hold that ends; absent if it does not count as an attempt, or if the journal does not say when it began. */
  readonly lastHold?: PastHold | undefined;
}

/** The message is out of attempts or rejected, or a dead letter is retried. It changes its mailbox; its `to` stays. */
export interface MovedRecord {
  readonly kind: 'moved';
  readonly number: number;
  readonly mailbox: Name;
  readonly attempt: number;
  /** The hold that ends, as in `released`. */
  readonly lastHold?: PastHold | undefined;
}

/** The ids of a session's posts, as a segment prologue repeats them. */
export interface SessionRecord {
  readonly kind: 'session';
  readonly session: SessionId;
  readonly ackedUpTo: number;
  /** Stored counts above `ackedUpTo`, each with the number of its message. */
  readonly numbers: readonly (readonly [count: number, number: number])[];
}

export interface ForgottenRecord {
  readonly kind: 'forgotten';
  readonly session: SessionId;
}

/** Ids that callers chose, oldest first, as a segment prologue repeats them. */
export interface NamedIdsRecord {
  readonly kind: 'named';
  readonly ids: readonly (readonly [id: MessageId, number: number])[];
}

/**
 * Messages that this store never had, and that are settled all the same: an earlier owner delivered them,
 * lost them before they were durable, and their holders settled them. A post with such an id is not stored.
 * Oldest first; a segment prologue repeats them.
 */
export interface SettledByIdRecord {
  readonly kind: 'settledById';
  /** Their numbers are those that the earlier owner gave. Other messages may have these numbers now. */
  readonly holds: readonly Hold[];
}

/** Fingerprints of the messages in the `session` and `named` records that follow it in a segment prologue. */
export interface FingerprintsRecord {
  readonly kind: 'fingerprints';
  readonly fingerprints: readonly (readonly [number: number, fingerprint: number])[];
}

/** A mailbox from which nothing is delivered, or from which deliveries go on. A segment prologue repeats those that are paused. */
export interface PausedRecord {
  readonly kind: 'paused';
  /** '' for all mailboxes, also those that are paused by themselves. */
  readonly mailbox: Name | '';
  readonly isPaused: boolean;
}
