// Requests of a client, and the responses of a broker or a receiver. Types, and one list: src/protocol/ has their
// bytes, and the engine turns requests into responses and journal records.
import type { ErrorCode } from '../base/errors.ts';
import type { PingRequest, Pong, ReceivedResponse, SendRequest } from './direct-requests.ts';
import type { ErasedResponse, EraseRequest } from './erase-requests.ts';
import type { EventResponse, EventsEndResponse, EventsRequest } from './event-requests.ts';
import type { ImportedResponse, ImportRequest } from './import-requests.ts';
import type {
  ConnectedSession,
  DeadLetterCount,
  FoundMessage,
  MailboxStatus,
} from './look-results.ts';
import type { MailElsewhere, Notice, StoredMessage } from './mail-ahead.ts';
import type {
  Envelope,
  Hold,
  MailboxList,
  MessageId,
  Name,
  Origin,
  PastHold,
  SessionId,
} from './message.ts';
import type { PausedNames, PauseRequest, PausingResponse } from './pause-requests.ts';

/** Chosen by the client, unique among its open requests on one connection; 0 for none. */
export type RequestNumber = number;

/** First on every connection to a broker. */
export interface Hello {
  readonly kind: 'hello';
  readonly request: RequestNumber;
  readonly session: SessionId;
  readonly origin: Origin;
  /** The session would take over: it is local, with the same store and format. */
  readonly standby: boolean;
  /** No post of the session was ever sent with a count above this one, so nobody can have got its message. */
  readonly sentUpTo: number;
  /** The `from` of its last post, or the name that it was started with. */
  readonly name?: Name | undefined;
  /** The mailboxes that it has read last, the newest last; at most `readMailboxesMax`. */
  readonly reads?: readonly Name[] | undefined;
  /** All messages that the session believes it holds. */
  readonly held: readonly Hold[];
}

export interface PostRequest {
  readonly kind: 'post';
  readonly request: RequestNumber;
  /** The session's count for the first message of the post, from 1; 0 when the caller chose `id`. */
  readonly count: number;
  /** '' unless the caller chose it. */
  readonly id: MessageId | '';
  /** Acknowledged-up-to count: the session has all responses to its posts up to this one. */
  readonly ackedUpTo: number;
  readonly to: Name;
  /** Further mailboxes. Each gets a message of its own; no name occurs twice. */
  readonly alsoTo: readonly Name[];
  readonly from: Name | '';
  readonly answers: MessageId | '';
  /** Messages that this post settles, atomically: both are in one record. */
  readonly settles: readonly Hold[];
  readonly checksum: number;
  readonly body: Buffer;
}

export interface WaitRequest {
  readonly kind: 'wait';
  readonly request: RequestNumber;
  /** At most `mailboxesPerReadMax`. Those that have mail are served in this order. */
  readonly mailboxes: MailboxList;
  /** Wait only for an answer to this message, in one mailbox; '' for any message. */
  readonly answers: MessageId | '';
  /** Milliseconds that are left, not a deadline, because clocks differ. */
  readonly waitMs: number;
}

/** The last notice of a watch: the message that it named, which was the first unread one of its mailbox. */
export interface Told {
  /** Its number in the store. */
  readonly number: number;
  /** The number of its next delivery. After a read and a release, other than "unread", that is another one. */
  readonly attempt: number;
  /** When the session was told, in milliseconds since 1970: for people to read. */
  readonly time: number;
  /** While this message is unread, the session wants no notice for this time, in milliseconds. */
  readonly pauseMs: number;
}

/** Asks for a notice when there is unread mail. It delivers nothing, holds nothing and counts no attempt. */
export interface WatchRequest {
  readonly kind: 'watch';
  readonly request: RequestNumber;
  /** At most `mailboxesPerReadMax`. */
  readonly mailboxes: MailboxList;
  /** Milliseconds that are left, not a deadline, because clocks differ. */
  readonly waitMs: number;
  /** undefined before the first notice. */
  readonly told: Told | undefined;
  /** How the session is woken, for people to read; '' when it is not known. At most `wakePathBytesMax`. */
  readonly path: string;
}

export interface FetchRequest {
  readonly kind: 'fetch';
  readonly request: RequestNumber;
  /** At most `mailboxesPerReadMax`. It takes from the first, then from the next. */
  readonly mailboxes: MailboxList;
  /** Limit on the bytes of all bodies. The first message is delivered even if it is larger. */
  readonly bytesMax: number;
  readonly messagesMax: number;
}

/** Looks at messages of a mailbox, ready and held. It changes nothing. */
export interface PeekRequest {
  readonly kind: 'peek';
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** Only messages with a number above this one. */
  readonly after: number;
  readonly messagesMax: number;
  /** How many bytes of each body the response has at most. */
  readonly partBytesMax: number;
}

/** The caller of a wait, watch or fetch has gone. A cancel has no response; the cancelled call still gets one. */
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
  /** No consumer saw the messages, so the attempt does not count. */
  readonly unread: boolean;
  /** The consumer failed for good: the messages move to `dead-letters`, whatever their attempts. */
  readonly rejected: boolean;
  /** The session ends in order, and had not finished with the messages. */
  readonly sessionEnds?: boolean | undefined;
}

/** Moves dead letters back to the mailboxes that they were posted to. */
export interface RetryRequest {
  readonly kind: 'retry';
  readonly request: RequestNumber;
  /** Only dead letters that were posted to this mailbox; '' for all. */
  readonly to: Name | '';
  /** Only these messages; empty for all. */
  readonly ids: readonly MessageId[];
  /** Only messages with a number above this one. */
  readonly after: number;
}

/** Settles ready messages that no session has read. */
export interface DropRequest {
  readonly kind: 'drop';
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** Only report what would be dropped. */
  readonly dryRun: boolean;
  /** Only messages that were stored at least this long ago. */
  readonly ageMsMin: number;
  /** Only messages with a number above this one. */
  readonly after: number;
  /** Only messages with a number up to this one; 0 for all that are stored now. */
  readonly upTo: number;
  /** Only these messages; empty for all. */
  readonly ids: readonly MessageId[];
}

/** Asks what has become of messages. It changes nothing. */
export interface FindRequest {
  readonly kind: 'find';
  readonly request: RequestNumber;
  /** At most `findIdsMax`. */
  readonly ids: readonly MessageId[];
  /** The mailbox in which answers to them are looked for; '' for that of the sender of each unsettled message. */
  readonly answersIn: Name | '';
}

export interface StatusRequest {
  readonly kind: 'status';
  readonly request: RequestNumber;
}

/** Removes settled mail from the log. The broker answers it without the engine. */
export interface CompactRequest {
  readonly kind: 'compact';
  readonly request: RequestNumber;
}

/** The session ends and has all its responses, so its ids need not be remembered. It has no response. */
export interface Goodbye {
  readonly kind: 'goodbye';
  readonly request: RequestNumber;
}

/** Asks the owner to listen on these addresses and no others. Only for sessions on its machine. */
export interface ListenRequest {
  readonly kind: 'listen';
  readonly request: RequestNumber;
  /** 127.0.0.1 is always open as well. */
  readonly addresses: readonly string[];
}

/** What the engine answers. */
export type BrokerRequest =
  | Hello
  | PostRequest
  | ImportRequest
  | WaitRequest
  | WatchRequest
  | FetchRequest
  | PeekRequest
  | CancelRequest
  | SettleRequest
  | ReleaseRequest
  | RetryRequest
  | DropRequest
  | FindRequest
  | PauseRequest
  | StatusRequest
  | Goodbye;

/** All that a session asks of a broker. The engine knows neither network nor disk, so it sees only a part of it. */
export type SessionRequest =
  | BrokerRequest
  | ListenRequest
  | CompactRequest
  | EventsRequest
  | EraseRequest;

export type Request = SessionRequest | SendRequest | PingRequest;

export interface Welcome {
  readonly kind: 'welcome';
  readonly request: RequestNumber;
  readonly store: string;
  readonly epoch: number;
  readonly format: number;
  readonly pid: number;
  readonly addresses: readonly string[];
  /** Those messages of the hello's list that another session holds now. */
  readonly revoked: readonly Hold[];
  /** Unsettled messages in the store. */
  readonly messages: number;
  /** Those of `laterRequests` that the broker knows; absent from a broker of version 0.1. */
  readonly requests?: readonly string[];
}

/** Kinds of requests that were added after version 0.1. A broker that does not announce one is not sent it. */
export const laterRequests: readonly SessionRequest['kind'][] = [
  'peek',
  'drop',
  'listen',
  'compact',
  'find',
  'watch',
  'events',
  'pause',
  'erase',
  'import',
];

export interface StoredResponse extends StoredMessage {
  readonly kind: 'stored';
  readonly request: RequestNumber;
  /** The messages to `alsoTo`, in its order. */
  readonly also: readonly StoredMessage[];
  /** A post with this id was stored before, so this one was not. */
  readonly duplicate: boolean;
  /** Messages that the post was to settle and did not, because another session holds them now. */
  readonly notHeld: readonly Hold[];
  /** Of at most `mailElsewhereMax` mailboxes, those that the session read last first. */
  readonly elsewhere: readonly MailElsewhere[];
}

/** A delivery. The frame has the body, unless the body is corrupt on disk. */
export interface Offer {
  readonly kind: 'offer';
  /** The wait or fetch that it responds to. A fetch gets any number of offers, then an end. */
  readonly request: RequestNumber;
  readonly envelope: Envelope;
  /** The mailbox that it was read from: `envelope.to`, or `dead-letters`. */
  readonly mailbox: Name;
  readonly attempt: number;
  /** How many other sessions wait on the same mailbox. */
  readonly others: number;
  /** The folder of a session that waits on the same mailbox, if that is another than this session's. */
  readonly otherFolder?: string;
  readonly lastHold?: PastHold | undefined;
  /** Messages that are left in the mailbox and that no session holds. */
  readonly remaining: number;
  /** As in a stored response; empty in the offers of a fetch, whose end has it. */
  readonly elsewhere: readonly MailElsewhere[];
}

/** Mail of a watched mailbox is unread, and no wait took it for `watchQuietMs`. */
export interface NoticeResponse extends Notice {
  readonly kind: 'notice';
  readonly request: RequestNumber;
}

/** A session that holds a message. */
export interface Holder {
  /** Its id: 16 characters. */
  readonly session: SessionId;
  /** undefined while it is not connected: after a takeover, a holder has a short time to reconnect. */
  readonly origin: Origin | undefined;
  /** Its name: the one that it posts under, else the mailbox that it read last; '' if neither is known. */
  readonly name: Name | '';
  /** When it got the message, in milliseconds since 1970; undefined if an earlier version delivered it. */
  readonly since: number | undefined;
}

/** A message as a peek sees it. The frame has the first bytes of its body, unless that is corrupt on disk. */
export interface PeekedResponse {
  readonly kind: 'peeked';
  /** A peek gets any number of these, then an end. */
  readonly request: RequestNumber;
  readonly envelope: Envelope;
  readonly mailbox: Name;
  /** Number of its deliveries if it is held; else the number that its next delivery will have. */
  readonly attempt: number;
  /** undefined when it is ready. */
  readonly holder: Holder | undefined;
  readonly lastHold?: PastHold | undefined;
  /** How many bytes of the body the frame has. */
  readonly partBytes: number;
}

/** A wait or watch timed out or was cancelled, or a fetch or peek is complete. */
export interface EndResponse {
  readonly kind: 'end';
  readonly request: RequestNumber;
  /** Messages in its mailboxes that no session holds; after a peek, the messages behind the last one it saw. */
  readonly remaining: number;
  /** As in a stored response; empty after a peek, unless it was cancelled. */
  readonly elsewhere: readonly MailElsewhere[];
  /** As in an offer; absent after a peek, unless it was cancelled. */
  readonly otherFolder?: string;
  /** Those of its mailboxes from which deliveries are paused; absent when there are none. */
  readonly paused?: readonly Name[];
}

export interface SettledResponse {
  readonly kind: 'settled';
  readonly request: RequestNumber;
  /** Messages that were not settled, because another session holds them now. */
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
  /** The mailbox that it was posted to. */
  readonly to: Name;
}

export interface RetriedResponse {
  readonly kind: 'retried';
  readonly request: RequestNumber;
  readonly moved: readonly DeadLetter[];
  /** The mailboxes that they were posted to are full. */
  readonly stayed: readonly DeadLetter[];
  /** The retry stopped at this number and more may follow; 0 when it looked at all. */
  readonly next: number;
}

/** A message that was dropped. */
export interface DroppedMessage {
  /** Id of the message. */
  readonly id: MessageId;
  /** Its number in the store. */
  readonly number: number;
  /** Its sender; '' when the sender gave no name. */
  readonly from: Name | '';
}

export interface DroppedResponse {
  readonly kind: 'dropped';
  readonly request: RequestNumber;
  readonly dropped: readonly DroppedMessage[];
  /** How many of the messages that it looked at would have been dropped if no session held them. */
  readonly held: number;
  /** The drop stopped at this number and more may follow; 0 when it looked at all. */
  readonly next: number;
  /** The highest number that it looked at or left for the next request. */
  readonly upTo: number;
}

export interface FoundResponse {
  readonly kind: 'found';
  readonly request: RequestNumber;
  /** For each id of the request, in its order. */
  readonly found: readonly FoundMessage[];
}

export interface CompactedResponse {
  readonly kind: 'compacted';
  readonly request: RequestNumber;
}

export interface StatusResponse {
  readonly kind: 'status';
  readonly request: RequestNumber;
  readonly messages: number;
  readonly bytes: number;
  readonly sessions: number;
  /** Those of the sessions that have a name or have read a mailbox. */
  readonly namedSessions: number;
  /** At most `statusSessionsMax` of them: the one that asks, then the others in the order in which they got a name or read. */
  readonly sessionList: readonly ConnectedSession[];
  readonly mailboxCount: number;
  /** At most `statusMailboxesMax` mailboxes. */
  readonly mailboxes: readonly MailboxStatus[];
  readonly deadLetterCount: number;
  /** At most `statusMailboxesMax` mailboxes. */
  readonly deadLetters: readonly DeadLetterCount[];
  /** Mailboxes from which deliveries are paused, also those without mail; '' stands for all. */
  readonly paused: PausedNames;
  /** Unsettled messages whose bodies are corrupt on disk. */
  readonly damaged: number;
  /** How long the current sync has been running; 0 below `syncStallMsMin`. */
  readonly storageStalledMs: number;
  /** Problems with the disk, as sentences. */
  readonly warnings: readonly string[];
  /** Where the owner listens now; absent from older versions. */
  readonly addresses?: readonly string[];
}

/** The part of a status that the engine does not know. */
export type StorageStatus = Pick<StatusResponse, 'damaged' | 'storageStalledMs' | 'warnings'>;

export interface ListeningResponse {
  readonly kind: 'listening';
  readonly request: RequestNumber;
  /** All addresses that are open now. */
  readonly addresses: readonly string[];
}

export interface ErrorResponse {
  readonly kind: 'error';
  readonly request: RequestNumber;
  readonly code: ErrorCode;
  readonly message: string;
}

/** The owner shuts down in good order: connect to its successor, or become the owner. */
export interface GoAway {
  readonly kind: 'going';
  readonly request: 0;
}

export type Response =
  | Welcome
  | StoredResponse
  | ImportedResponse
  | Offer
  | PeekedResponse
  | NoticeResponse
  | EndResponse
  | SettledResponse
  | ReleasedResponse
  | RetriedResponse
  | DroppedResponse
  | FoundResponse
  | ErasedResponse
  | PausingResponse
  | CompactedResponse
  | EventResponse
  | EventsEndResponse
  | StatusResponse
  | ListeningResponse
  | ErrorResponse
  | GoAway
  | ReceivedResponse
  | Pong;
