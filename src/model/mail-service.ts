// The one interface to mail that the faces use. Session implements it; nothing above depends on how.

import type { Erased } from './erase-requests.ts';
import type { ForeignMessage, Imported, ImportPlace } from './import-requests.ts';
import type {
  ConnectedSession,
  DeadLetterCount,
  FoundMessage,
  MailboxStatus,
} from './look-results.ts';
import type { MailElsewhere, Notice, StoredMessage } from './mail-ahead.ts';
import type { EventBatch, EventCursor } from './mail-events.ts';
import type { Envelope, Hold, MailboxList, MessageId, Name, PastHold } from './message.ts';
import type { PausedNames } from './pause-requests.ts';
import type {
  DeadLetter,
  DroppedMessage,
  EndResponse,
  Holder,
  StorageStatus,
  Told,
} from './requests.ts';

/** A message that this session holds, until it settles or releases it. */
export interface Delivery {
  readonly envelope: Envelope;
  /** The mailbox it was read from: `envelope.to`, or `dead-letters`. */
  readonly mailbox: Name;
  /** Number of deliveries, including this one. */
  readonly attempt: number;
  /** How many other sessions wait on the same mailbox. */
  readonly others: number;
  /** The folder of a session that waits on the same mailbox, if that is another than this session's. */
  readonly otherFolder?: string;
  /** The last hold that ended without a settle; undefined if no session that saw it gave it up. */
  readonly lastHold?: PastHold | undefined;
  /** Messages that were left in the mailbox and that no session held. */
  readonly remaining: number;
  /** Unread mail of other mailboxes that this session reads. */
  readonly elsewhere: readonly MailElsewhere[];
  /** undefined when it is corrupt on disk. The message can be settled all the same. */
  readonly body: Buffer | undefined;
}

/** What settle and release need of a delivery: number and id, so that its body need not be kept. */
export interface Held {
  readonly envelope: Hold;
}

export function withoutBody({ envelope: { number, id } }: Held): Held {
  return { envelope: { number, id } };
}

export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

export interface PostArguments extends Cancellable {
  /** Further mailboxes that get the message. It is stored for all of them, or for none. */
  readonly alsoTo?: readonly Name[] | undefined;
  readonly from?: Name | undefined;
  /** An id that the caller chooses. A message with the same id is stored once. */
  readonly id?: MessageId | undefined;
  readonly answers?: MessageId | undefined;
  /** Deliveries that are settled with the post, atomically. */
  readonly settles?: readonly Held[] | undefined;
}

export interface PostResult extends StoredMessage {
  /** The messages to `alsoTo`, in its order. */
  readonly also: readonly StoredMessage[];
  /** The id was stored before, so nothing was stored now. */
  readonly duplicate: boolean;
  /** Deliveries that were not settled, because another session holds the messages now. */
  readonly notHeld: readonly Held[];
  /** Unread mail of other mailboxes that this session reads. */
  readonly elsewhere: readonly MailElsewhere[];
}

/** Unread mail when a wait ends without a message. */
export type LeftUnread = Pick<EndResponse, 'remaining' | 'elsewhere' | 'otherFolder' | 'paused'>;

export interface WaitArguments extends Cancellable {
  /** Wait only for an answer to this message, in one mailbox; other mail stays. */
  readonly answers?: MessageId | undefined;
  /** Infinity: without end. */
  readonly timeoutMs: number;
  /** Called before a wait ends without a message, unless no broker answered in time. */
  readonly onTimeout?: ((left: LeftUnread) => void) | undefined;
}

export interface WatchArguments extends Cancellable {
  /** Infinity: without end. */
  readonly timeoutMs: number;
  /** The last notice, and how long there is to be none of the same message. */
  readonly told?: Told | undefined;
  /** How the session is woken, for a status. */
  readonly path?: string | undefined;
  /** As of a wait. */
  readonly onTimeout?: WaitArguments['onTimeout'];
}

export interface EventsArguments extends Cancellable {
  /** Only events behind this position; `start`: all that are kept, `now`: those that happen from now on. */
  readonly after: EventCursor | 'start' | 'now';
  /** How long to wait for the first event, in milliseconds; 0 not to wait, Infinity without end. */
  readonly timeoutMs: number;
  /** Only events of messages that were posted to these mailboxes or are in them, and of their pauses; absent or empty for all. */
  readonly mailboxes?: readonly Name[] | undefined;
  /** How many bytes of each body are wanted; 0 for none. */
  readonly partBytesMax: number;
}

export interface FetchArguments extends Cancellable {
  readonly bytesMax?: number | undefined;
  readonly messagesMax?: number | undefined;
}

export interface FetchResult {
  readonly deliveries: readonly Delivery[];
  /** Messages left in the mailboxes that no session holds. */
  readonly remaining: number;
  /** Unread mail of other mailboxes that this session reads. */
  readonly elsewhere: readonly MailElsewhere[];
  /** Those of the mailboxes from which deliveries are paused; absent when there are none. */
  readonly paused?: readonly Name[];
}

/** A message as a peek sees it: this session does not hold it. */
export interface PeekedMessage {
  readonly envelope: Envelope;
  readonly mailbox: Name;
  /** Number of its deliveries if it is held; else the number that its next delivery will have. */
  readonly attempt: number;
  /** undefined when it is ready. */
  readonly holder: Holder | undefined;
  /** As of a delivery. */
  readonly lastHold?: PastHold | undefined;
  /** The first bytes of its body, which may end within a character; undefined when it is corrupt on disk. */
  readonly part: Buffer | undefined;
}

export interface PeekArguments extends Cancellable {
  /** Only messages with a number above this one. */
  readonly after?: number | undefined;
  readonly messagesMax: number;
  /** How many bytes of each body are wanted. */
  readonly partBytesMax: number;
}

export interface PeekResult {
  /** In the order of their numbers. Large bodies make them fewer than were wanted. */
  readonly messages: readonly PeekedMessage[];
  /** Messages of the mailbox that follow. */
  readonly remaining: number;
}

export interface DropArguments extends Cancellable {
  /** Only these messages; absent or empty for all. */
  readonly ids?: readonly MessageId[] | undefined;
  /** Only messages that were stored at least this long ago. */
  readonly ageMsMin?: number | undefined;
  /** Only messages with a number up to this one; all that are stored now unless given. */
  readonly upTo?: number | undefined;
  /** Only report what would be dropped. */
  readonly dryRun?: boolean | undefined;
}

export interface DropResult {
  /** They are settled, and nobody has read them since they became ready. */
  readonly dropped: readonly DroppedMessage[];
  /** Messages that stay because a session holds them. */
  readonly held: number;
  /** The highest number that counted as stored. */
  readonly upTo: number;
}

export interface FindArguments extends Cancellable {
  /** The mailbox in which answers to the messages are looked for; default: that of the sender of each. */
  readonly answersIn?: Name | undefined;
}

export interface ReleaseArguments extends Cancellable {
  /** No consumer saw them, so the attempt does not count. */
  readonly unread?: boolean | undefined;
  /** They move to `dead-letters`, whatever their attempts. An older broker fails this with `bad_frame`. */
  readonly rejected?: boolean | undefined;
  /** The session ends before it has finished with them. The next reader learns that it ended, not that it gave them back. */
  readonly sessionEnds?: boolean | undefined;
}

/** A session that is connected to a broker, and has a name or has read a mailbox. */
export interface SessionStatus extends ConnectedSession {
  /** Whether it is the session that asks. */
  readonly own: boolean;
}

/** A broker's owner and contents. */
export interface BrokerStatus extends StorageStatus {
  /** Port on which the broker listens. */
  readonly port: number;
  /** Process id of the owner. */
  readonly pid: number;
  /** Host name of a broker on another machine; absent for one on this machine. */
  readonly host?: string;
  /** This session is the owner. */
  readonly own: boolean;
  /** Number of owners that the store has had. */
  readonly epoch: number;
  /** Addresses on which the owner listens. */
  readonly addresses: readonly string[];
  /** Number of unsettled messages in the store. */
  readonly messages: number;
  /** Bytes of their bodies, all together. */
  readonly bytes: number;
  /** Connected sessions, including this one. */
  readonly sessions: number;
  /** Those of them that have a name or have read a mailbox. */
  readonly namedSessions: number;
  /** At most 200 of these: this session first, then the others in the order in which they got a name or read. */
  readonly sessionList: readonly SessionStatus[];
  /** Mailboxes that have a message or a parked wait. */
  readonly mailboxCount: number;
  /** At most 1,000 of these mailboxes. */
  readonly mailboxes: readonly MailboxStatus[];
  /** Messages that were given up: out of attempts, or rejected. */
  readonly deadLetterCount: number;
  /** For at most 1,000 of the mailboxes that they were posted to. */
  readonly deadLetters: readonly DeadLetterCount[];
  /** Mailboxes from which deliveries are paused, also those without mail; '' stands for all. */
  readonly paused: PausedNames;
}

export interface RetryArguments extends Cancellable {
  /** Only dead letters that were posted to this mailbox. */
  readonly to?: Name | undefined;
  /** Only these messages; absent or empty for all. */
  readonly ids?: readonly MessageId[] | undefined;
}

/** The result of a retry of dead letters. */
export interface RetryResult {
  /** Moved back to the mailboxes that they were posted to. */
  readonly moved: readonly DeadLetter[];
  /** Left in `dead-letters`, because those mailboxes are full. */
  readonly stayed: readonly DeadLetter[];
}

/** The broker that a session owns or has joined. */
export interface StartResult {
  /** Whether this session owns it. */
  readonly role: 'owner' | 'client';
  /** Process id of the owner. */
  readonly pid: number;
  /** Number of owners that the store has had. */
  readonly epoch: number;
  /** Addresses on which the owner listens. */
  readonly addresses: readonly string[];
  /** Unsettled messages in the store. */
  readonly messages: number;
  /** Problems with the disk, as sentences. */
  readonly warnings: readonly string[];
  /** The NATS server that keeps the mail; absent for a broker that keeps it itself. */
  readonly server?: MailServer;
}

/** A NATS server that keeps mail, and the stream in it. */
export interface MailServer {
  readonly url: string;
  readonly version: string;
  /** The name of the stream. */
  readonly stream: string;
  /** How many servers have a copy of it. */
  readonly replicas: number;
  /** This session has made the stream. */
  readonly isNew: boolean;
}

/** The result of giving up the broker. */
export interface StopResult {
  /** Process id of the standby that took over, if there was one. */
  readonly successor: number | undefined;
  /** Number of unsettled messages that are left. */
  readonly messages: number;
}

export interface MailService {
  /** Stores a message. It is sent again under its id until there is a response, even after the call gave up. */
  post(to: Name, body: Buffer, options?: PostArguments): Promise<PostResult>;
  /** Returns the first message, or undefined on timeout. Of a list, the first mailbox that has one is served. */
  wait(from: Name | MailboxList, options: WaitArguments): Promise<Delivery | undefined>;
  /**
   * Returns a notice when a mailbox has unread mail which no wait took for a second, or undefined on timeout. It reads
   * nothing. Of several sessions that watch a mailbox only one is told; the next one is told when a message was read, or
   * after 20 s.
   */
  watch(mailboxes: MailboxList, options: WatchArguments): Promise<Notice | undefined>;
  /**
   * Returns what happened to mail behind a cursor, or waits for it. It reads, settles and holds nothing. A caller that
   * falls behind is served from disk; what is not kept any more is reported as a gap.
   */
  events(options: EventsArguments): Promise<EventBatch>;
  /**
   * Stops deliveries from these mailboxes, or from all if the list is empty, until resume(). Posts are stored. It
   * outlives the broker. Returns all mailboxes that are paused then; '' stands for "all".
   */
  pause(mailboxes: readonly Name[], options?: Cancellable): Promise<PausedNames>;
  /** Goes on with deliveries from these mailboxes, or from all if the list is empty. Returns those that are still paused. */
  resume(mailboxes: readonly Name[], options?: Cancellable): Promise<PausedNames>;
  /** Returns messages that are ready now, without waiting; of a list, from one mailbox after the other. */
  fetch(from: Name | MailboxList, options?: FetchArguments): Promise<FetchResult>;
  /** Looks at messages, ready and held, and changes nothing. */
  peek(mailbox: Name, options: PeekArguments): Promise<PeekResult>;
  /** Settles ready messages without reading them. */
  drop(mailbox: Name, options?: DropArguments): Promise<DropResult>;
  /** Says what has become of each of these messages. */
  find(ids: readonly MessageId[], options?: FindArguments): Promise<readonly FoundMessage[]>;
  /** Acknowledges messages as done. Returns those that another session holds now; they were not settled. */
  settle(deliveries: readonly Held[], options?: Cancellable): Promise<readonly Held[]>;
  /** Returns messages to their mailboxes (requeue). */
  release(deliveries: readonly Held[], options?: ReleaseArguments): Promise<void>;
  /** Moves dead letters back to the mailboxes that they were posted to, with attempts from 1. */
  retry(options?: RetryArguments): Promise<RetryResult>;
  /** Removes settled mail from the log. */
  compact(options?: Cancellable): Promise<void>;
  /** Forgets what was settled: all of it, or what was posted to this mailbox. Unsettled mail stays. */
  erase(mailbox: Name | '', options?: Cancellable): Promise<Erased>;
  status(options?: Cancellable): Promise<BrokerStatus>;
  /** The id of the store: 32 hex digits. */
  storeId(options?: Cancellable): Promise<string>;
  /** Stores a message of another store as it was there. Repeated, it is stored once. */
  import(message: ForeignMessage, place: ImportPlace, options?: Cancellable): Promise<Imported>;
  /**
   * Becomes the owner, or joins it. `bind`: the addresses of this machine, with commas between them, on which
   * the owner is to listen; it closes all others but 127.0.0.1.
   */
  start(options?: Cancellable & { bind?: string | undefined }): Promise<StartResult>;
  /**
   * Resolves when the session is connected to an owner of another epoch than this one, which may be itself.
   * @throws `not_owner`: the session can never own this broker.
   */
  nextOwner(epoch: number, options?: Cancellable): Promise<StartResult>;
  /** Gives up the broker. Only for its owner. */
  stop(options?: Cancellable): Promise<StopResult>;
  /** Releases all held messages (their attempts count), hands over the broker, and ends the session. */
  close(): Promise<void>;
}
