// The results of the library's calls.

import type { HeldAhead, MailElsewhere, SameText } from '../model/mail-ahead.ts';
import type { DroppedMessage } from '../model/requests.ts';
import type { Glimpse, Message } from './library-message.ts';

/** The result of a post. */
export interface Stored {
  /** The mailbox in which the message was stored. */
  readonly to: string;
  /** The message's id; an answer to it has it in `answers`. */
  readonly id: string;
  /** Counts up over the whole store, with gaps. */
  readonly number: number;
  /** A post under the same id was stored earlier; nothing was stored now. */
  readonly duplicate: boolean;
  /** A reader was waiting, and the message was delivered at once. */
  readonly reader: boolean;
  /** No reader was waiting, but a session that watches the mailbox will be woken unless the message is read before. */
  readonly watched: boolean;
  /** A person has paused deliveries from the mailbox: the message is kept, and nobody gets it until they are resumed. */
  readonly paused: boolean;
  /** Unread messages of the mailbox that will be delivered before it; 0 when it was delivered at once. */
  readonly before: number;
  /**
   * The message with the lowest number that another session holds in the mailbox, if there is one; undefined, too,
   * when the posted one was delivered at once.
   */
  readonly holder: HeldAhead | undefined;
  /**
   * The newest message with the same text and the same `from` that is not settled in the mailbox, if one is among its
   * 16 newest; undefined without a `from`. After a call that broke off it tells a repeated post from a first one.
   */
  readonly same: SameText | undefined;
  /** Unread mail of other mailboxes that this session reads, or that have its name; of at most 3 of them. */
  readonly elsewhere: readonly MailElsewhere[];
}

/** The result of a fetch. */
export interface Fetched {
  /** The messages of each mailbox, in the order in which they were stored. */
  readonly messages: readonly Message[];
  /** Messages left in the mailboxes that no session holds. */
  readonly remaining: number;
  /** Unread mail of other mailboxes that this session reads, or that have its name; of at most 3 of them. */
  readonly elsewhere: readonly MailElsewhere[];
  /** Those of the mailboxes from which a person has paused deliveries; absent when there are none. */
  readonly paused?: readonly string[];
}

/** The result of a peek. */
export interface Peeked {
  /** The messages, ready and held, in the order in which they were stored. */
  readonly messages: readonly Glimpse[];
  /** Messages of the mailbox that follow. */
  readonly remaining: number;
}

/** The result of a drop. */
export interface Dropped {
  /** The messages that were settled, in the order in which they were stored. */
  readonly dropped: readonly DroppedMessage[];
  /** Messages that stay because a session holds them. */
  readonly held: number;
}
