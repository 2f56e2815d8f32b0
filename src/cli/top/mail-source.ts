// Where the screen gets its facts from. The screen is a bundle of its own, so it shares types with the rest, no classes.

import type { EventGap, MailEvent } from '../../model/mail-events.ts';
import type { BrokerStatus } from '../../model/mail-service.ts';
import type { Name } from '../../model/message.ts';

/** Of each body the first bytes are kept: the whole of most. */
export const textBytesMax = 4_096;

/** An event, and the first part of the body of a `stored` one; undefined when it is corrupt on disk. */
export interface TextEvent {
  readonly event: MailEvent;
  readonly text: string | undefined;
}

export type SourceUpdate =
  /** The broker answered. */
  | { readonly kind: 'status'; readonly status: BrokerStatus }
  /** There is no broker, or it does not answer. */
  | { readonly kind: 'trouble'; readonly what: string }
  /** What happens from now on. */
  | {
      readonly kind: 'live';
      readonly events: readonly TextEvent[];
      readonly gap: EventGap | undefined;
    }
  /** How much of the past was read, in percent. */
  | { readonly kind: 'progress'; readonly percent: number }
  /**
   * The past, once: the events of the newest messages, in their order, up to `upTo`. Live events up to there are among
   * them.
   */
  | { readonly kind: 'past'; readonly events: readonly TextEvent[]; readonly upTo: number }
  /** The past cannot be read. */
  | { readonly kind: 'noPast'; readonly what: string }
  /** The broker answers, and not with events, until there are live ones. */
  | { readonly kind: 'noFlow'; readonly what: string };

export interface MailSource {
  /** Which broker it is, in words. */
  readonly place: string;
  /** Ends when the signal aborts, and not before. */
  follow(report: (update: SourceUpdate) => void, signal: AbortSignal): Promise<void>;
  /** The whole text of a message, by the sequence number of its `stored` event; undefined when it is corrupt. */
  wholeText(sequence: number, id: string): Promise<string | undefined>;
  /** Stops deliveries from the mailbox, or goes on with them. */
  setPaused(mailbox: Name, isPaused: boolean): Promise<void>;
}
