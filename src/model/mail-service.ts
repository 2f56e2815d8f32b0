// The one interface that the faces see. The embedded broker's session implements it, and so may any
// other engine; nothing above knows which.
import type { Envelope, Hold, MessageId, Name } from './message.ts';
import type {
  DeadLetter,
  DeadLetterCount,
  MailboxStatus,
  StorageStatus,
  StoredMessage,
} from './requests.ts';

/** A message in the hands of this session, until it is settled or released. */
export interface Delivery {
  readonly envelope: Envelope;
  /** The mailbox it was read from: `envelope.to`, or `dead-letters`. */
  readonly mailbox: Name;
  /** 1 for the first time it was offered. */
  readonly attempt: number;
  /** Other sessions that wait on the same mailbox. */
  readonly others: number;
  /** undefined when the disk damaged it: it is not handed over, but the message can be settled. */
  readonly body: Buffer | undefined;
}

/** A delivery as it is settled or released: by number and id, so its body need not be kept for that. */
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
  /** More mailboxes that get the message: it is stored for all of them, or for none. */
  readonly alsoTo?: readonly Name[] | undefined;
  readonly from?: Name | undefined;
  /** An id given by hand: the same id is stored once. */
  readonly id?: MessageId | undefined;
  readonly answers?: MessageId | undefined;
  /** Deliveries that are settled in the same record. */
  readonly settles?: readonly Held[] | undefined;
}

export interface PostResult extends StoredMessage {
  /** Those of `alsoTo`, in its order. */
  readonly also: readonly StoredMessage[];
  /** The id was stored before; nothing was stored now. */
  readonly duplicate: boolean;
  /** Of what it settles: what another session holds by now. */
  readonly notHeld: readonly Held[];
}

export interface WaitArguments extends Cancellable {
  /** Only an answer to this message; other mail stays. */
  readonly answers?: MessageId | undefined;
  readonly timeoutMs: number;
}

export interface FetchArguments extends Cancellable {
  readonly bytesMax?: number | undefined;
  readonly messagesMax?: number | undefined;
}

export interface FetchResult {
  readonly deliveries: readonly Delivery[];
  /** Messages left in the mailbox that nobody holds. */
  readonly remaining: number;
}

export interface ReleaseArguments extends Cancellable {
  /** Nobody saw them: the attempt does not count. */
  readonly unread?: boolean | undefined;
}

/** Who owns a broker, and what is in it. */
export interface BrokerStatus extends StorageStatus {
  /** On which it listens. */
  readonly port: number;
  /** Process id of the owner. */
  readonly pid: number;
  /** Of another machine's broker; absent for one of this machine. */
  readonly host?: string;
  /** This session is the owner. */
  readonly own: boolean;
  /** Counts the store's owners. */
  readonly epoch: number;
  /** Where the owner listens. */
  readonly addresses: readonly string[];
  /** Number of unsettled messages in the store. */
  readonly messages: number;
  /** Bytes of their bodies, all together. */
  readonly bytes: number;
  /** Sessions that are connected, this one included. */
  readonly sessions: number;
  /** Mailboxes that have a message or a reader. */
  readonly mailboxCount: number;
  /** At most 1,000 of them. */
  readonly mailboxes: readonly MailboxStatus[];
  /** Messages that ran out of attempts. */
  readonly deadLetterCount: number;
  /** For at most 1,000 of the mailboxes that they were meant for. */
  readonly deadLetters: readonly DeadLetterCount[];
}

export interface RetryArguments extends Cancellable {
  /** Dead letters meant for this mailbox alone. */
  readonly to?: Name | undefined;
  /** These alone; all when there are none. */
  readonly ids?: readonly MessageId[] | undefined;
}

/** What became of dead letters that were tried again. */
export interface RetryResult {
  /** Back in the mailboxes that they were meant for. */
  readonly moved: readonly DeadLetter[];
  /** Those mailboxes have no room. */
  readonly stayed: readonly DeadLetter[];
}

/** Who owns a broker that was started or joined. */
export interface StartResult {
  /** Whether this session owns it. */
  readonly role: 'owner' | 'client';
  /** Process id of the owner. */
  readonly pid: number;
  /** Counts the store's owners. */
  readonly epoch: number;
  /** Where the owner listens. */
  readonly addresses: readonly string[];
  /** Unsettled messages that were found. */
  readonly messages: number;
  /** What is wrong with the disk, in sentences. */
  readonly warnings: readonly string[];
}

/** What became of a broker that was given up. */
export interface StopResult {
  /** The process that owns the broker now, if a standby took over. */
  readonly successor: number | undefined;
  /** Number of unsettled messages that are left. */
  readonly messages: number;
}

export interface MailService {
  /** Stores a message. Resent under its id until it is answered, even after its call gave up. */
  post(to: Name, body: Buffer, options?: PostArguments): Promise<PostResult>;
  /** The first message, or undefined when the time is over. */
  wait(mailbox: Name, options: WaitArguments): Promise<Delivery | undefined>;
  /** What is there now. */
  fetch(mailbox: Name, options?: FetchArguments): Promise<FetchResult>;
  /** Ends the offers: the messages are done. Returns those that another session holds by now. */
  settle(deliveries: readonly Held[], options?: Cancellable): Promise<readonly Held[]>;
  /** Puts messages back. `unread`: nobody saw them, the attempt does not count. */
  release(deliveries: readonly Held[], options?: ReleaseArguments): Promise<void>;
  /** Puts dead letters back where they were meant to go, with new attempts. */
  retry(options?: RetryArguments): Promise<RetryResult>;
  status(options?: Cancellable): Promise<BrokerStatus>;
  /** Owns the broker, or joins its owner. `bind`: an address of this machine to listen on. */
  start(options?: Cancellable & { bind?: string | undefined }): Promise<StartResult>;
  /** Gives the role up; the owner's only. */
  stop(options?: Cancellable): Promise<StopResult>;
  /** Releases what is held, as read; ends the session, hands over the role. */
  close(): Promise<void>;
}
