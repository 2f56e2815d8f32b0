// The interface between the server of `ipc ui` and its page, in JSON. The page's code imports it as well, in the browser,
// so it has types alone.
//
// The page lies under a path of its own, `/KEY/`, to which its cookie is bound: cookies know no ports, and a path that no
// other server can guess keeps the cookie from all other servers of the machine. So all addresses in the page are
// relative, `page.js` and `api/state`, never `/api/state`.
//
// Each request needs the cookie. What changes something is a POST with `Content-Type: application/json` and the page's
// own `Origin`; it is answered once the broker has applied it. An answer that is no 200 has a `WireFault`.
import type { EventCursor, EventGap, MailEvent, StoredEvent } from '../model/mail-events.ts';
import type { BrokerStatus } from '../model/mail-service.ts';
import type { MessageId, Name } from '../model/message.ts';

/** The message was stored. `text` has at most 2,000 characters (Unicode code points) of its body. */
export interface WireStored extends Omit<StoredEvent, 'part'> {
  /** null when it is corrupt on disk. */
  readonly text: string | null;
  /** The body has more than `text`. */
  readonly isCut: boolean;
}

export type WireEvent = WireStored | Exclude<MailEvent, StoredEvent>;

/** The broker's state, as often as it changes. */
export interface WireStatus {
  readonly status: BrokerStatus;
  /** Mailboxes that are paused; '' stands for all of them. */
  readonly paused: readonly (Name | '')[];
}

/** `GET api/state` */
export interface WireState {
  /** The person's name: of what is posted here, and of the person's own mailbox. */
  readonly me: Name;
  /** null while no broker can be reached; `error` says why. */
  readonly status: BrokerStatus | null;
  readonly error?: string;
  readonly paused: readonly (Name | '')[];
  /** Version of agent-ipc. */
  readonly version: string;
  /** HOST:PORT of the broker. */
  readonly place: string;
  /** For how long settled mail is kept, as IPC_HISTORY says it, or 'off'; '' for a broker on another machine. */
  readonly history: string;
}

/**
 * `GET api/messages?limit=10000`: the newest messages of the store, and all that happened to them, in order. Live
 * events follow from `next` on.
 */
export interface WireMessages {
  readonly events: readonly WireEvent[];
  readonly next: EventCursor;
  /** These are all messages that the store keeps. */
  readonly isWhole: boolean;
}

/**
 * `GET api/live?epoch=E&sequence=S`: an event stream. Data of `event: mail`; the first one comes at once, so that a
 * page knows that it is connected. Its `id` is `EPOCH.SEQUENCE` of `next`, so a browser that reconnects goes on from
 * there by itself.
 */
export interface WireMail {
  readonly events: readonly WireEvent[];
  readonly next: EventCursor;
  /** Events that are missing in front of these; the page asks for the messages anew. */
  readonly gap?: EventGap;
}

/** Data of `event: trouble`: the broker cannot be reached. The server goes on trying, and sends `event: fine` with `{}`. */
export interface WireTrouble {
  readonly message: string;
}

/** The data of each kind of event in the stream. `status` comes to a new page, and when it has changed, once a second at most. */
export interface WireLive {
  readonly mail: WireMail;
  readonly status: WireStatus;
  readonly trouble: WireTrouble;
  readonly fine: Record<string, never>;
}

/** `GET api/message?id=ID`; 404 when the store does not know it, or not any more. */
export interface WireMessage {
  /** With the whole text. */
  readonly event: WireStored;
  /** All that happened to it afterwards, in order. */
  readonly life: readonly WireEvent[];
  /** All events of the messages of its thread, itself included, in order. */
  readonly thread: readonly WireEvent[];
}

/** What a search and an export can ask for, as parameters in the address. All of them must hold. */
export interface WireFilter {
  /** The body or the id contains it, in upper or lower case. */
  readonly text?: string;
  readonly from?: string;
  readonly to?: string;
  /** The sender or the mailbox that it was posted to. */
  readonly with?: string;
  /** The other side of a pair, beside `with`. */
  readonly partner?: string;
  /** The mailbox that it was posted to, or was in as a dead letter. */
  readonly mailbox?: string;
  /** Stored at this time or later, in milliseconds since 1970. */
  readonly since?: number;
  /** Stored before this time. */
  readonly before?: number;
  /** Messages with a number below this one: the next page of a search begins at the oldest that it has. */
  readonly below?: number;
}

/** `GET api/search`: parameters of `WireFilter`, and `limit` (100 unless given). */
export interface WireFound {
  /** All events of the newest messages that were found, in order (the newest message is the last). */
  readonly events: readonly WireEvent[];
  /** What is around the searched text, for messages in which it comes only behind the cut. */
  readonly excerpts: Readonly<Record<MessageId, string>>;
  /** Older messages match as well. */
  readonly isMore: boolean;
}

// `GET api/export?format=jsonl|md` with the parameters of `WireFilter`: a file to keep, oldest message first.

/** `POST api/post` */
export interface WirePost {
  readonly to: string;
  readonly text: string;
  /** The id of the message that it answers. */
  readonly answers?: string;
  /** An id that the page chose: with it, a post that is repeated is stored once. */
  readonly id?: string;
}

/** Of `POST api/post` and `POST api/stop-worker` (`WireMailbox`), which posts `shutdown`. */
export interface WirePosted {
  readonly id: MessageId;
  readonly number: number;
  /** The id was stored before, so nothing was stored now. */
  readonly duplicate: boolean;
}

export interface WireMailbox {
  readonly mailbox: string;
}

/** `POST api/read`: settles these messages of the person's own mailbox. */
export interface WireRead {
  readonly ids: readonly string[];
}

export interface WireReadDone {
  readonly settled: readonly MessageId[];
  /** They were not ready in that mailbox: they are settled already, or another session holds them. */
  readonly missed: readonly string[];
}

/** `POST api/pause` and `POST api/resume`: these mailboxes, or all. */
export type WirePause = { readonly mailboxes: readonly string[] } | { readonly all: true };

export interface WirePaused {
  readonly paused: readonly (Name | '')[];
}

/** `POST api/drop`: these messages of the mailbox, or all that are ready. */
export interface WireDrop {
  readonly mailbox: string;
  readonly ids?: readonly string[];
}

export interface WireDropped {
  readonly dropped: readonly MessageId[];
  /** Messages that stay because a session holds them. */
  readonly held: number;
}

/** `POST api/retry`: these dead letters, or all that were posted to a mailbox, or all. */
export interface WireRetry {
  readonly ids?: readonly string[];
  readonly to?: string;
}

export interface WireRetried {
  readonly moved: readonly MessageId[];
  /** They stay in `dead-letters`, because their mailboxes are full. */
  readonly stayed: readonly MessageId[];
}

/** The body of every answer that is no 200. */
export interface WireFault {
  readonly error: {
    /** A code of docs/guide/errors.md, or one of HTTP: `forbidden`, `not_found`, `bad_request`, `too_large`, `too_many`. */
    readonly code: string;
    readonly message: string;
    readonly hint: string;
  };
}
