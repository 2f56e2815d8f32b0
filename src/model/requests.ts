// What a client asks of a broker, what the broker answers, and what it writes down. Types only: the
// wire turns requests and answers into bytes, the journal turns records into bytes, and the engine
// turns the first into the other two.
import type { ErrorCode } from '../base/errors.ts';
import type { Envelope, Hold, MessageId, Name, Origin, SessionId } from './message.ts';

/** Chosen by the client, unique among its open requests on one connection; 0 for none. */
export type RequestNumber = number;

/** First on every connection to a broker. */
export interface Hello {
  readonly kind: 'hello';
  readonly request: RequestNumber;
  readonly session: SessionId;
  readonly origin: Origin;
  /** It would take over: local, same store, same format. */
  readonly standby: boolean;
  /** All that the session holds, as it knows it. */
  readonly held: readonly Hold[];
}

export interface PostRequest {
  readonly kind: 'post';
  readonly request: RequestNumber;
  /** The session's count for its first message, from 1; 0 when `id` is given by hand. */
  readonly count: number;
  /** '' unless given by hand. */
  readonly id: MessageId | '';
  /** Up to this count the session has all its answers. */
  readonly ackedUpTo: number;
  readonly to: Name;
  /** More mailboxes, each of which gets a message of its own; no name comes twice. */
  readonly alsoTo: readonly Name[];
  readonly from: Name | '';
  readonly answers: MessageId | '';
  /** Messages that this post settles, in the same record. */
  readonly settles: readonly Hold[];
  readonly checksum: number;
  readonly body: Buffer;
}

export interface WaitRequest {
  readonly kind: 'wait';
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** Only an answer to this message; '' for any message. */
  readonly answers: MessageId | '';
  /** Milliseconds left, never a deadline: clocks differ. */
  readonly waitMs: number;
}

export interface FetchRequest {
  readonly kind: 'fetch';
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** Bodies beyond this many bytes stay, but for the first. */
  readonly bytesMax: number;
  readonly messagesMax: number;
}

/** The call behind a wait or a fetch is gone. Never answered; the request itself still is. */
export interface CancelRequest {
  readonly kind: 'cancel';
  readonly request: RequestNumber;
}

export interface SettleRequest {
  readonly kind: 'settle';
  readonly request: RequestNumber;
  readonly holds: readonly Hold[];
}

export interface ReleaseRequest {
  readonly kind: 'release';
  readonly request: RequestNumber;
  readonly holds: readonly Hold[];
  /** Nobody saw it: the attempt is not counted. */
  readonly unread: boolean;
}

/** Puts dead letters back where they were meant to go. */
export interface RetryRequest {
  readonly kind: 'retry';
  readonly request: RequestNumber;
  /** Those meant for this mailbox alone; '' for all. */
  readonly to: Name | '';
  /** These alone; none for all. */
  readonly ids: readonly MessageId[];
  /** Only numbers above it. */
  readonly after: number;
}

export interface StatusRequest {
  readonly kind: 'status';
  readonly request: RequestNumber;
}

/** The session ends with all its answers in hand: its ids need not be kept. Never answered. */
export interface Goodbye {
  readonly kind: 'goodbye';
  readonly request: RequestNumber;
}

export type BrokerRequest =
  | Hello
  | PostRequest
  | WaitRequest
  | FetchRequest
  | CancelRequest
  | SettleRequest
  | ReleaseRequest
  | RetryRequest
  | StatusRequest
  | Goodbye;

/** Point to point: hand a message to whoever listens. */
export interface SendRequest {
  readonly kind: 'send';
  readonly request: RequestNumber;
  readonly from: Name | '';
  readonly origin: Origin;
  readonly checksum: number;
  readonly body: Buffer;
}

export interface PingRequest {
  readonly kind: 'ping';
  readonly request: RequestNumber;
}

export type Request = BrokerRequest | SendRequest | PingRequest;

export interface Welcome {
  readonly kind: 'welcome';
  readonly request: RequestNumber;
  readonly store: string;
  readonly epoch: number;
  readonly format: number;
  readonly pid: number;
  readonly addresses: readonly string[];
  /** Of what the hello listed: what another session holds by now. */
  readonly revoked: readonly Hold[];
  /** What mail was found. */
  readonly messages: number;
}

/** One message of a post. */
export interface StoredMessage {
  readonly id: MessageId;
  readonly number: number;
  /** A reader was waiting, and was offered the message. */
  readonly reader: boolean;
}

export interface StoredResponse extends StoredMessage {
  readonly kind: 'stored';
  readonly request: RequestNumber;
  /** Those of `alsoTo`, in its order. */
  readonly also: readonly StoredMessage[];
  /** An earlier post with this id was stored; this one was not. */
  readonly duplicate: boolean;
  /** Of what the post settles: what another session holds by now. */
  readonly notHeld: readonly Hold[];
}

/** Its body goes with it, unless the disk damaged that. */
export interface Offer {
  readonly kind: 'offer';
  /** The wait or fetch that it answers. A fetch gets any number of offers, then an end. */
  readonly request: RequestNumber;
  readonly envelope: Envelope;
  /** Where it is read from: `envelope.to`, or `dead-letters`. */
  readonly mailbox: Name;
  readonly attempt: number;
  /** Other sessions that wait on the same mailbox. */
  readonly others: number;
}

/** A wait whose time is over, or the end of a fetch. */
export interface EndResponse {
  readonly kind: 'end';
  readonly request: RequestNumber;
  /** Messages of the mailbox that nobody holds. */
  readonly remaining: number;
}

export interface SettledResponse {
  readonly kind: 'settled';
  readonly request: RequestNumber;
  /** What another session holds by now: it was not settled. */
  readonly notHeld: readonly Hold[];
}

export interface ReleasedResponse {
  readonly kind: 'released';
  readonly request: RequestNumber;
}

/** A message that is, or was, in `dead-letters`. */
export interface DeadLetter {
  /** Id of the message. */
  readonly id: MessageId;
  /** Where it was meant to go. */
  readonly to: Name;
}

export interface RetriedResponse {
  readonly kind: 'retried';
  readonly request: RequestNumber;
  readonly moved: readonly DeadLetter[];
  /** There is no room for them where they were meant to go. */
  readonly stayed: readonly DeadLetter[];
  /** More are left above this number; 0 when all were looked at. */
  readonly next: number;
}

/** How many dead letters were meant for a mailbox. */
export interface DeadLetterCount {
  /** The mailbox that they were posted to. */
  readonly to: Name;
  /** Number of its dead letters. */
  readonly messages: number;
}

/** A mailbox that has a message or a reader. */
export interface MailboxStatus {
  /** Name of the mailbox. */
  readonly mailbox: Name;
  /** Messages that nobody holds. */
  readonly ready: number;
  /** Messages that some session holds. */
  readonly held: number;
  /** Waits that are parked. */
  readonly waiting: number;
  /** Wall clock of the oldest unsettled message, in milliseconds since 1970; 0 when empty. */
  readonly oldestTime: number;
}

export interface StatusResponse {
  readonly kind: 'status';
  readonly request: RequestNumber;
  readonly messages: number;
  readonly bytes: number;
  readonly sessions: number;
  readonly mailboxCount: number;
  /** At most `statusMailboxesMax` of them. */
  readonly mailboxes: readonly MailboxStatus[];
  readonly deadLetterCount: number;
  /** At most `statusMailboxesMax` of them. */
  readonly deadLetters: readonly DeadLetterCount[];
  /** Unsettled messages whose bodies the disk damaged. */
  readonly damaged: number;
  /** How long the sync that runs has been running; 0 for what a healthy disk takes. */
  readonly storageStalledMs: number;
  /** What is wrong with the disk, in sentences. */
  readonly warnings: readonly string[];
}

/** Of a status, what the engine cannot know. */
export type StorageStatus = Pick<StatusResponse, 'damaged' | 'storageStalledMs' | 'warnings'>;

export interface ErrorResponse {
  readonly kind: 'error';
  readonly request: RequestNumber;
  readonly code: ErrorCode;
  readonly message: string;
}

/** The owner gives its role up in good order: dial or bid again. */
export interface GoAway {
  readonly kind: 'going';
  readonly request: 0;
}

/** Point to point: the receiving session has the message. */
export interface ReceivedResponse {
  readonly kind: 'received';
  readonly request: RequestNumber;
}

export interface Pong {
  readonly kind: 'pong';
  readonly request: RequestNumber;
}

export type Response =
  | Welcome
  | StoredResponse
  | Offer
  | EndResponse
  | SettledResponse
  | ReleasedResponse
  | RetriedResponse
  | StatusResponse
  | ErrorResponse
  | GoAway
  | ReceivedResponse
  | Pong;

/** What the engine has written down. Replaying all records in order gives its state back. */
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
  | SettledByIdRecord;

export interface PostedRecord {
  readonly kind: 'posted';
  readonly envelope: Envelope;
  /** Of the post's other messages: alike but for id, number and mailbox. */
  readonly also: readonly Envelope[];
  /** The poster's mark. Without meaning for an id given by hand. */
  readonly ackedUpTo: number;
  readonly settles: readonly number[];
  /** undefined when it is read again, and the disk damaged it. */
  readonly body: Buffer | undefined;
}

/** A live message written again at the tail, so that an old segment can go. */
export interface CopiedRecord {
  readonly kind: 'copied';
  readonly envelope: Envelope;
  readonly mailbox: Name;
  readonly attempt: number;
  readonly holder: SessionId | '';
  /** undefined when the disk damaged it. */
  readonly body: Buffer | undefined;
}

export interface OfferedRecord {
  readonly kind: 'offered';
  readonly number: number;
  readonly holder: SessionId;
  readonly attempt: number;
}

export interface SettledRecord {
  readonly kind: 'settled';
  readonly numbers: readonly number[];
}

export interface ReleasedRecord {
  readonly kind: 'released';
  readonly number: number;
  /** The attempt that its next offer will be. */
  readonly attempt: number;
}

/** Out of attempts, or tried again: the message waits in another mailbox; its `to` stays what it was. */
export interface MovedRecord {
  readonly kind: 'moved';
  readonly number: number;
  readonly mailbox: Name;
  readonly attempt: number;
}

/** The ids of a session, as a segment's head repeats them. */
export interface SessionRecord {
  readonly kind: 'session';
  readonly session: SessionId;
  readonly ackedUpTo: number;
  /** Counts above the mark that were stored, each with its message's number. */
  readonly numbers: readonly (readonly [count: number, number: number])[];
}

export interface ForgottenRecord {
  readonly kind: 'forgotten';
  readonly session: SessionId;
}

/** Ids given by hand, oldest first, as a segment's head repeats them. */
export interface NamedIdsRecord {
  readonly kind: 'named';
  readonly ids: readonly (readonly [id: MessageId, number: number])[];
}

/**
 * Settled by holders to whom an earlier owner had offered these messages, and lost them: this store never
 * had them. A post with such an id is not stored any more. Oldest first, also in a segment's head.
 */
export interface SettledByIdRecord {
  readonly kind: 'settledById';
  /** With the numbers that the earlier owner gave; by now they may be those of other messages. */
  readonly holds: readonly Hold[];
}
