// The call for events, at a broker that the test plays: what is sent again after a lost connection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { eventsCall } from '../../../src/client/events-call.ts';
import { PendingCall } from '../../../src/client/pending-call.ts';
import type { EventsRequest } from '../../../src/model/event-requests.ts';
import type { EventBatch, MailEvent } from '../../../src/model/mail-events.ts';
import type { EventsArguments } from '../../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';

const message = { id: 'm1' as MessageId, number: 1, to: 'A' as Name, from: '' as const };
const envelope = {
  ...message,
  ...{ time: 1, answers: '' as const, origin: { program: 'p', pid: 1, machine: 'm' } },
  ...{ depth: 0, bodyBytes: 5, checksum: 0 },
};

function dropped(sequence: number): MailEvent {
  return { kind: 'dropped', sequence, time: 1, message, mailbox: 'A' as Name };
}

function stored(sequence: number, part: Buffer | undefined): MailEvent {
  return { kind: 'stored', sequence, time: 1, envelope, part };
}

class Stage {
  now = 0;
  readonly sent: EventsRequest[] = [];
  readonly call: PendingCall<EventBatch>;
  readonly result: Promise<EventBatch>;
  readonly late: () => { readonly result: EventBatch } | undefined;

  constructor(options: Partial<EventsArguments> = {}) {
    const asked = { after: 'now', timeoutMs: 1_000, partBytesMax: 10, ...options } as const;
    const parts = eventsCall(
      asked,
      () => this.now,
      (request) => this.sent.push(request),
    );
    this.late = parts.late;
    this.call = new PendingCall<EventBatch>(7, parts, () => {});
    this.result = this.call.attach(() => {});
    this.connect();
  }

  /** Sends the call, as the link does after each welcome. */
  connect(): void {
    this.sent.push(this.call.request() as EventsRequest);
  }

  event(event: MailEvent, hasSamePart = false): void {
    this.call.take({ kind: 'event', request: 7, event, hasSamePart });
  }

  end(sequence: number, more: Partial<EventBatch> = {}): void {
    const next = { epoch: 2, sequence };
    this.call.take({
      kind: 'eventsEnd',
      request: 7,
      next,
      gap: undefined,
      hasMore: false,
      ...more,
    });
  }

  get places(): EventsRequest['after'][] {
    return this.sent.map(({ after }) => after);
  }
}

test('`now` is asked once: from then on the call has the cursor that the first broker gave it', async () => {
  const stage = new Stage();
  stage.end(8);
  stage.connect();
  assert.deepEqual(stage.places, ['now', { epoch: 2, sequence: 8 }, { epoch: 2, sequence: 8 }]);
  stage.event(dropped(9));
  stage.end(9);
  const { events, next } = await stage.result;
  assert.deepEqual([events, next], [[dropped(9)], { epoch: 2, sequence: 9 }]);
});

test('a batch of which a part was lost with the connection is taken from its beginning, with the time that is left', async () => {
  const after = { epoch: 1, sequence: 5 };
  const stage = new Stage({ after });
  stage.event(dropped(6));
  stage.now = 400;
  stage.connect();
  stage.event(dropped(6));
  stage.event(dropped(7));
  stage.end(7, { gap: { from: 1, to: 2 }, hasMore: true });
  assert.deepEqual(stage.places, [after, after]);
  assert.deepEqual(
    stage.sent.map(({ waitMs }) => waitMs),
    [1_000, 600],
  );
  assert.deepEqual(await stage.result, {
    ...{ events: [dropped(6), dropped(7)], next: { epoch: 2, sequence: 7 } },
    ...{ gap: { from: 1, to: 2 }, hasMore: true },
  });
});

test('an empty batch ends the call only when its time is over', async () => {
  const stage = new Stage({ after: 'start', timeoutMs: 400_000 });
  stage.now = 300_000;
  stage.end(0);
  assert.deepEqual(
    stage.sent.map(({ waitMs }) => waitMs),
    [300_000, 100_000],
  );
  stage.now = 400_000;
  stage.end(3);
  assert.deepEqual((await stage.result).next, { epoch: 2, sequence: 3 });
});

test('without an answer in time the batch is empty, and begins where it did; `now` has no such place', () => {
  const late = (after: EventsArguments['after']) => new Stage({ after }).late()?.result.next;
  assert.deepEqual(late({ epoch: 1, sequence: 5 }), { epoch: 1, sequence: 5 });
  assert.deepEqual(late('start'), { epoch: 0, sequence: 0 });
  assert.equal(late('now'), undefined);
});

test('messages of one post share the part of their body', async () => {
  const stage = new Stage();
  const part = Buffer.from('hello');
  stage.event(stored(1, part));
  stage.event(stored(1, undefined), true);
  stage.event(stored(2, undefined));
  stage.end(2);
  const { events } = await stage.result;
  assert.deepEqual(
    events.map((event) => event.kind === 'stored' && event.part),
    [part, part, undefined],
  );
});

test('a broker that sends more than a batch has, or a part that is not there, breaks the protocol', () => {
  const many = new Stage();
  assert.throws(() => {
    for (let count = 0; count < 10_000; count++) many.event(dropped(1));
  }, isBadFrame);
  const large = new Stage();
  assert.throws(() => {
    for (let count = 0; count < 3; count++) large.event(stored(1, Buffer.alloc(1_000_000)));
  }, isBadFrame);
  assert.throws(() => new Stage().event(stored(1, undefined), true), isBadFrame);
});

function isBadFrame(error: unknown): boolean {
  return error instanceof IpcError && error.code === 'bad_frame';
}
