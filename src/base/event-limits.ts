// The limits of events for sessions that follow them; limits.ts has all others.
import assert from 'node:assert/strict';
import {
  bodyBytesMax,
  holdsMax,
  mailboxesPerPostMax,
  messagesPerDrop,
  nameBytesMax,
  unreadBytesMax,
} from './limits.ts';

/** Mailboxes that a request for events may name: as many as a post, so that a team can be followed. */
export const eventMailboxesMax = mailboxesPerPostMax;
/**
 * Events of one batch, and bytes of them. The events of one record stay together, so the last record of a batch may exceed
 * both. The client asks for the next batch when it has read this one, so a slow one costs the broker nothing.
 */
export const eventsPerBatchMax = 1_000;
export const eventBatchBytesMax = 256 * 1024;
/** Events of one record: of a post to many mailboxes that settles many messages. */
export const eventsPerRecordMax = mailboxesPerPostMax + holdsMax;
assert(
  messagesPerDrop <= eventsPerRecordMax,
  'a drop is one record, with an event for each message',
);
assert(
  eventBatchBytesMax + bodyBytesMax + eventsPerRecordMax * 4 * (1 + nameBytesMax) <
    2 * unreadBytesMax,
  'one batch of events is hardly more than a peer may leave unread',
);
/**
 * The newest events that a broker keeps in memory while a session follows them, with their bodies. While several follow,
 * their frames are kept as well, which at most doubles it.
 */
export const eventRingEventsMax = 16_384;
export const eventRingBytesMax = 8 * 1024 ** 2;
assert(
  eventRingBytesMax >= 2 * (bodyBytesMax + eventBatchBytesMax),
  'a post of the largest body does not push out all others',
);
/** Memory of an event in the ring beside its body. */
export const eventIndexBytes = 300;
/** Events that one turn looks through for those of the mailboxes that a session follows. */
export const eventsPerLook = 10_000;
/** Requests for events that are parked or wait for their turn: in one broker, and on one connection. */
export const eventRequestsMax = 1_024;
export const eventRequestsPerConnectionMax = 8;
/** Events of this time are given out together: more often than a person can see, and seldom enough to cost little. */
export const eventsGatherMs = 50;
/** Without a request for this long the broker makes no more events. */
export const eventsIdleMs = 60_000;
/** Readers of the past that a broker has open. Each reads the log from its beginning and keeps its unsettled messages. */
export const pastReadersMax = 4;
