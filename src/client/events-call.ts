// The call for what happened to mail behind a cursor. It collects one batch. After a reconnect it is sent again with the
// same cursor, so no event is lost or comes twice over a takeover.
import assert from 'node:assert/strict';
import { IpcError } from '../base/errors.ts';
import { eventBatchBytesMax, eventsPerBatchMax, eventsPerRecordMax } from '../base/event-limits.ts';
import { bodyBytesMax, waitMsMax } from '../base/limits.ts';
import type { EventsRequest } from '../model/event-requests.ts';
import type { EventBatch, EventCursor, MailEvent } from '../model/mail-events.ts';
import type { EventsArguments } from '../model/mail-service.ts';
import type { RequestNumber } from '../model/requests.ts';
import type { Incoming, PendingCall, PendingCallOptions } from './pending-call.ts';

/** Of one batch: the events of its last record may exceed the limit. */
const eventsMax = eventsPerBatchMax + eventsPerRecordMax;
/** Bytes of the bodies in one batch. */
const partBytesMaxOfBatch = 2 * bodyBytesMax;
assert(
  eventBatchBytesMax + bodyBytesMax <= partBytesMaxOfBatch,
  'a batch that is nearly full may get one more record, with the largest body',
);

export interface EventsCall
  extends Pick<PendingCallOptions<EventBatch>, 'kind' | 'request' | 'take'> {
  /** An empty batch, for when no broker answers in time; undefined while the call does not know its cursor. */
  late(): { readonly result: EventBatch } | undefined;
}

/** While a batch is empty and there is time left, the call asks again with `send`: a broker parks it for `waitMsMax` at most. */
export function eventsCall(
  { after: given, timeoutMs, mailboxes = [], partBytesMax }: EventsArguments,
  now: () => number,
  send: (request: EventsRequest) => void,
): EventsCall {
  const deadline = now() + timeoutMs;
  let after: EventsRequest['after'] = given;
  const batch = new IncomingBatch();
  const request = (number: RequestNumber): EventsRequest => {
    batch.clear();
    const waitMs = Math.round(Math.min(Math.max(0, deadline - now()), waitMsMax));
    return { kind: 'events', request: number, after, waitMs, partBytesMax, mailboxes };
  };
  const take = (response: Incoming, self: PendingCall<EventBatch>) => {
    if (response.kind === 'event') return batch.add(response.event, response.hasSamePart);
    if (response.kind !== 'eventsEnd') return;
    const { next, gap, hasMore } = response;
    const isNothing = batch.events.length === 0 && gap === undefined;
    if (!isNothing || !self.hasCaller || deadline <= now()) {
      self.done({ events: batch.events, next, gap, hasMore });
    } else {
      after = next;
      send(request(self.number));
    }
  };
  const late = () => {
    const next = cursorOf(after);
    return next && { result: { events: [], next, gap: undefined, hasMore: false } };
  };
  return { kind: 'events', request, take, late };
}

function cursorOf(after: EventsRequest['after']): EventCursor | undefined {
  if (after === 'start') return { epoch: 0, sequence: 0 };
  return after === 'now' ? undefined : after;
}

/** The events of a batch as they come in. A broker that means harm may send more than it should. */
class IncomingBatch {
  events: MailEvent[] = [];
  #partBytes = 0;
  #lastPart: Buffer | undefined;

  clear(): void {
    this.events = [];
    this.#partBytes = 0;
    this.#lastPart = undefined;
  }

  add(event: MailEvent, hasSamePart: boolean): void {
    if (this.events.length >= eventsMax) throw new IpcError('bad_frame', 'too many events');
    if (event.kind !== 'stored') return void this.events.push(event);
    const part = hasSamePart ? this.#samePart(event.envelope.bodyBytes) : event.part;
    if (!hasSamePart) this.#partBytes += part?.length ?? 0;
    if (this.#partBytes > partBytesMaxOfBatch) throw new IpcError('bad_frame', 'too many bodies');
    this.#lastPart = part;
    this.events.push({ ...event, part });
  }

  #samePart(bodyBytes: number): Buffer {
    const part = this.#lastPart;
    if (part && part.length <= bodyBytes) return part;
    throw new IpcError('bad_frame', 'an event with a part that no event before it has');
  }
}
