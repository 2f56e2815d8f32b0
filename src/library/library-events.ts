// What happens to mail, as a program that uses the library sees it: the events of `mail.watch()`.
import { performance } from 'node:perf_hooks';
import { firstLine, partText } from '../app/peek.ts';
import { cancelled, IpcError } from '../base/errors.ts';
import { bodyBytesMax, peekLineBytes } from '../base/limits.ts';
import type { EventBatch, EventCursor, MailEvent, StoredEvent } from '../model/mail-events.ts';
import type { Cancellable, EventsArguments, MailService } from '../model/mail-service.ts';
import type { Name, Origin } from '../model/message.ts';
import { type LastHold, withDates } from './library-message.ts';

interface Happening {
  /**
   * Where a later watch goes on if it is given as `after`: behind the event; or in front of it, so that it comes again,
   * while events of the same step follow, such as the others of a post to several mailboxes.
   */
  readonly cursor: EventCursor;
  /** When it happened, by the clock of the broker's machine. */
  readonly time: Date;
}

/** The message that an event is about. */
interface WatchedMessage {
  /** `SESSION.COUNT`, or the id that the poster chose. */
  readonly id: string;
  /** Numbers increase over the whole store, with gaps. */
  readonly number: number;
  /** The mailbox that it was posted to. */
  readonly to: string;
  /** The mailbox for answers to the sender; '' when the sender gave none. */
  readonly from: string;
}

interface HappeningToMessage extends Happening {
  readonly message: WatchedMessage;
}

interface WatchedStored extends HappeningToMessage {
  readonly kind: 'stored';
  /** The id of the message that this one answers, or ''. */
  readonly answers: string;
  /** Its position in a chain of answers: 0 for a message that answers none. */
  readonly depth: number;
  /** What the sender's process says of itself: a label, not a proof. */
  readonly origin: Origin;
  /** Bytes of its body. */
  readonly bytes: number;
  /** The disk damaged the body. */
  readonly damaged: boolean;
  /** The first line of the body, at most 120 characters, and `…` if it goes on; undefined when it is damaged. */
  readonly line: string | undefined;
  /** The whole body, if the watch asked for `bodies`; undefined when it is damaged. */
  readonly text: string | undefined;
}

interface WatchedDelivered extends HappeningToMessage {
  readonly kind: 'delivered';
  /** Where it was read: `message.to`, or `dead-letters`. */
  readonly mailbox: string;
  /** How many times it was delivered, this time included. */
  readonly attempt: number;
  /** Id of the session that holds it from then on. */
  readonly session: string;
  /** The name of that session; '' for none. */
  readonly name: string;
}

interface WatchedRequeued extends HappeningToMessage {
  readonly kind: 'requeued';
  readonly mailbox: string;
  /** The number that its next delivery will have. */
  readonly attempt: number;
  /** Who had it and did not settle it; undefined if it does not count as an attempt. */
  readonly lastHold: LastHold | undefined;
}

interface WatchedSettled extends HappeningToMessage {
  readonly kind: 'settled';
  readonly mailbox: string;
  readonly session: string;
  readonly name: string;
  /** The id of the message that was posted in the same step, often its answer; undefined for a settle alone. */
  readonly by: string | undefined;
}

interface WatchedDropped extends HappeningToMessage {
  readonly kind: 'dropped';
  readonly mailbox: string;
}

interface WatchedDeadLettered extends HappeningToMessage {
  readonly kind: 'deadLettered';
  readonly lastHold: LastHold | undefined;
}

interface WatchedRetried extends HappeningToMessage {
  readonly kind: 'retried';
}

interface WatchedPause extends Happening {
  readonly kind: 'paused' | 'resumed';
  /** '' for all mailboxes. */
  readonly mailbox: string;
}

interface WatchedGap {
  readonly kind: 'gap';
  readonly cursor: EventCursor;
  /** The numbers of the first and the last record that are missing. */
  readonly from: number;
  readonly to: number;
}

/**
 * One thing that happened to mail, told apart by its `kind`. `stored`: a message was stored. `delivered`: a session got it
 * and holds it. `requeued`: it went back to its mailbox. `settled`: its holder is done with it. `dropped`: it was settled
 * without being read. `deadLettered`: it moved to `dead-letters`. `retried`: it moved back from there. `paused`, `resumed`:
 * deliveries from a mailbox stopped, or go on. `gap`: what happened in between is not kept any more, or is damaged.
 */
export type WatchEvent =
  | WatchedStored
  | WatchedDelivered
  | WatchedRequeued
  | WatchedSettled
  | WatchedDropped
  | WatchedDeadLettered
  | WatchedRetried
  | WatchedPause
  | WatchedGap;

export interface WatchedPlace extends Cancellable {
  readonly since: Date | undefined;
  readonly after: EventCursor | undefined;
  readonly mailboxes: readonly Name[] | undefined;
  readonly bodies: boolean;
  /** Infinity: without end. */
  readonly timeoutMs: number;
}

/** Ends when the time is over and all events until then were given out. */
export async function* watchEvents(
  mail: Pick<MailService, 'events'>,
  { since, after, mailboxes, bodies, timeoutMs, signal }: WatchedPlace,
): AsyncGenerator<WatchEvent, void> {
  if (since && after)
    throw new IpcError('bad_parameter', 'a watch has `since` or `after`, not both');
  const endsAt = performance.now() + timeoutMs;
  const partBytesMax = bodies ? bodyBytesMax : peekLineBytes;
  let place: EventsArguments['after'] = after ?? (since ? 'start' : 'now');
  for (;;) {
    const leftMs = Math.max(0, endsAt - performance.now());
    const call = { after: place, timeoutMs: leftMs, mailboxes, partBytesMax, signal };
    const batch = await mail.events(call);
    for (const event of eventsIn(batch, bodies)) {
      if (signal?.aborted) throw cancelled();
      if (!since || !('time' in event) || event.time >= since) yield event;
    }
    place = batch.next;
    if (leftMs === 0 && !batch.hasMore) return;
  }
}

function* eventsIn({ events, gap, next }: EventBatch, bodies: boolean): Generator<WatchEvent> {
  const { epoch } = next;
  if (gap) yield { kind: 'gap', cursor: { epoch, sequence: gap.to }, ...gap };
  for (const [index, event] of events.entries()) {
    // A cursor is behind a whole record, so until the last event of one it is in front of it.
    const isLast = events[index + 1]?.sequence !== event.sequence;
    const sequence = isLast ? event.sequence : Math.max(0, event.sequence - 1);
    yield eventOf(event, { epoch, sequence }, bodies);
  }
}

function eventOf(event: MailEvent, cursor: EventCursor, bodies: boolean): WatchEvent {
  const of = { cursor, time: new Date(event.time) };
  switch (event.kind) {
    case 'stored':
      return storedOf(event, of, bodies);
    case 'requeued':
    case 'deadLettered': {
      const { sequence: _, ...rest } = event;
      return { ...rest, ...of, lastHold: withDates(event.lastHold) };
    }
    default: {
      const { sequence: _, ...rest } = event;
      return { ...rest, ...of };
    }
  }
}

function storedOf(event: StoredEvent, of: Happening, bodies: boolean): WatchedStored {
  const { id, number, to, from, answers, depth, origin, bodyBytes: bytes } = event.envelope;
  return {
    ...{ kind: 'stored', ...of, message: { id, number, to, from }, answers, depth, origin, bytes },
    ...{ damaged: event.part === undefined, line: firstLine(event) },
    text: bodies ? partText(event) : undefined,
  };
}
