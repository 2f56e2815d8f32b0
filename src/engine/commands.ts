// What goes into a step of the engine, and what comes out of it.
import type { JournalRecord } from '../model/records.ts';
import type { BrokerRequest, PostRequest, Response, Welcome } from '../model/requests.ts';

export type ConnectionId = number;
export type Command = { readonly connection: ConnectionId } & (
  | PostCommand
  | Exclude<BrokerRequest, PostRequest>
  | { readonly kind: 'disconnect' }
  /** So many bytes of bodies that were offered to it have left this process. */
  | { readonly kind: 'left'; readonly bytes: number }
);

/** A post, and whether the disk has room for it. */
export interface PostCommand extends PostRequest {
  readonly isDiskFull?: boolean;
}

export interface Instant {
  /** Milliseconds on a clock that never jumps: deadlines. */
  readonly now: number;
  /** Milliseconds since 1970: only what people are shown. */
  readonly time: number;
}

/** The records of the same outcome are written, or synced, before the reply leaves. */
export interface Reply {
  readonly to: ConnectionId;
  readonly after: 'write' | 'sync';
  /** An error whose code is fatal is the last word on its connection. */
  readonly response: Response;
}

export interface Outcome {
  readonly records: readonly JournalRecord[];
  readonly replies: readonly Reply[];
}

/** What the welcome says of the broker; the engine only repeats it. */
export type Identity = Omit<Welcome, 'kind' | 'request' | 'revoked' | 'messages'>;

export interface EngineLimits {
  readonly attemptsMax: number;
  readonly holderGraceMs: number;
  readonly messagesMax: number;
  readonly storeBytesMax: number;
  readonly sessionsMax: number;
  readonly namedIdsMax: number;
  readonly unstoredIdsMax: number;
  readonly postsAboveMarkMax: number;
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
  readonly mailboxesMax: number;
  readonly waitsMax: number;
  readonly waitsPerConnectionMax: number;
  readonly unreadBytesMax: number;
  readonly statusMailboxesMax: number;
}
