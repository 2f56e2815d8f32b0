// The feed of events with a clock that the test advances, and a past that the test plays.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { EventFeedLimits } from '../../../src/broker/event-feed.ts';
import { EventFeed } from '../../../src/broker/event-feed.ts';
import type { PastSource } from '../../../src/broker/past-events.ts';
import type { EventOfRecord } from '../../../src/engine/record-events.ts';
import type { EventsRequest } from '../../../src/model/event-requests.ts';
import type { EventBatch, MailEvent } from '../../../src/model/mail-events.ts';
import { type MessageId, type Name, parseSessionId } from '../../../src/model/message.ts';
import type { Response } from '../../../src/model/requests.ts';
import { decodeResponse } from '../../../src/protocol/codec.ts';
import { FrameDecoder } from '../../../src/protocol/frame.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';

const [A, B] = ['A', 'B'] as [Name, Name];

function dropped(number: number, to = A): EventOfRecord {
  const message = { id: `m${number}` as MessageId, number, to, from: '' as const };
  return { kind: 'dropped', message, mailbox: to };
}

/** A feed at epoch 5, which began with record 11. */
class Stage {
  readonly runtime = new ManualRuntime();
  readonly journal = { epoch: 5, sequence: 10, startSequence: 11 };
  readonly engine = { areEventsWanted: false };
  readonly feed: EventFeed;
  /** The frames of each batch in words, with its connection in front. */
  readonly sent: string[] = [];
  turnsEnded = 0;
  endTurn = (): void => void this.turnsEnded++;

  /** `stored`: what is written is on its way to a NATS server until it resolves. */
  constructor(limits: Partial<EventFeedLimits> = {}, past?: PastSource, stored?: Promise<void>) {
    this.feed = new EventFeed({
      ...{ runtime: this.runtime, journal: this.journal, engine: this.engine, limits, past },
      isLogRemote: stored !== undefined,
      commit: { endTurn: () => this.endTurn(), synced: () => stored ?? Promise.resolve() },
      send: (to, frames) => {
        const all = new FrameDecoder().push(Buffer.concat(frames));
        this.sent.push(
          `${to}: ${all.map((frame) => words(decodeResponse(frame).response)).join(' ')}`,
        );
      },
    });
  }

  ask(connection: number, more: Partial<EventsRequest> = {}): void {
    const asked = { after: { epoch: 5, sequence: 10 }, waitMs: 60_000, partBytesMax: 0 } as const;
    const mailboxes: Name[] = [];
    this.feed.request(connection, { kind: 'events', request: 1, ...asked, mailboxes, ...more });
  }

  /** Records with one event each. */
  write(...events: EventOfRecord[]): void {
    this.append(...events)();
  }

  /** The same on a NATS server: they are given to the feed when the function is called, since they are stored then. */
  append(...events: EventOfRecord[]): () => void {
    const first = this.journal.sequence + 1;
    this.journal.sequence += events.length;
    const made = this.engine.areEventsWanted
      ? events.map((event, index) => ({ index, events: [event] }))
      : [];
    return () => this.feed.add({ first, count: events.length, time: 1, events: made });
  }

  async took(ms = 60): Promise<string[]> {
    await this.runtime.pass(ms);
    await new Promise(setImmediate);
    await this.runtime.pass(0);
    return this.sent.splice(0);
  }
}

function words(response: Response): string {
  if (response.kind === 'event') return `${response.event.sequence}`;
  if (response.kind !== 'eventsEnd') return response.kind;
  const { next, gap, hasMore } = response;
  const place = `${next.epoch}/${next.sequence}`;
  return `next ${place}${gap ? ` gap ${gap.from}-${gap.to}` : ''}${hasMore ? ' more' : ''}`;
}

test('events are made from the first request on, and no more a minute after the last one', async () => {
  const stage = new Stage();
  stage.write(dropped(1));
  assert.equal(stage.engine.areEventsWanted, false);
  stage.ask(1, { after: 'now' });
  assert.deepEqual([stage.engine.areEventsWanted, stage.turnsEnded], [true, 1]);
  assert.deepEqual(await stage.took(), ['1: next 5/11']);
  await stage.runtime.pass(59_000);
  assert.equal(stage.engine.areEventsWanted, true);
  await stage.runtime.pass(1_000);
  assert.equal(stage.engine.areEventsWanted, false);
  stage.ask(1, { after: { epoch: 5, sequence: 11 } });
  assert.equal(stage.engine.areEventsWanted, true);
});

test('a request behind the newest event is parked, and gets the events of 50 ms together', async () => {
  const stage = new Stage();
  stage.ask(1);
  stage.ask(2);
  assert.deepEqual(await stage.took(), []);
  stage.write(dropped(1));
  await stage.runtime.pass(30);
  stage.write(dropped(2), dropped(3));
  assert.deepEqual(await stage.took(19), []);
  assert.deepEqual(await stage.took(), ['1: 11 12 13 next 5/13', '2: 11 12 13 next 5/13']);
});

test('a parked request ends with its time, with a cancel, and without a word with its connection', async () => {
  const stage = new Stage();
  stage.ask(1, { waitMs: 1_000 });
  stage.ask(2);
  stage.ask(3);
  assert.deepEqual(await stage.took(999), []);
  assert.deepEqual(await stage.took(1), ['1: next 5/10']);
  assert.equal(stage.feed.cancel(2, 1), true);
  assert.equal(stage.feed.cancel(2, 1), false);
  stage.feed.disconnect(3);
  assert.deepEqual(await stage.took(), ['2: next 5/10']);
  stage.write(dropped(1));
  assert.deepEqual(await stage.took(), []);
});

test('a batch has at most as many events as the limit says, and says that there are more', async () => {
  const stage = new Stage({ eventsPerBatchMax: 2 });
  stage.ask(1, { after: 'now' });
  await stage.took();
  stage.write(dropped(1), dropped(2), dropped(3));
  stage.ask(1);
  assert.deepEqual(await stage.took(), ['1: 11 12 next 5/12 more']);
  stage.ask(1, { after: { epoch: 5, sequence: 12 } });
  assert.deepEqual(await stage.took(), ['1: 13 next 5/13']);
});

test('a request that looks through many events of other mailboxes lets others have their turn', async () => {
  const stage = new Stage({ eventsPerLook: 2 });
  stage.ask(9, { after: 'now' });
  await stage.took();
  stage.write(dropped(1, B), dropped(2, B), dropped(3, B), dropped(4, B), dropped(5));
  stage.ask(1, { mailboxes: [A] });
  stage.ask(2);
  assert.deepEqual(await stage.took(), ['2: 11 12 next 5/12 more', '1: 15 next 5/15']);
});

test('without files, what the ring does not have any more is a gap, but not for a session that wants what is kept', async () => {
  const stage = new Stage({ eventRingEventsMax: 2 });
  stage.ask(1, { after: 'now' });
  await stage.took();
  stage.write(dropped(1), dropped(2), dropped(3), dropped(4));
  stage.ask(1);
  assert.deepEqual(await stage.took(), ['1: 13 14 next 5/14 gap 11-12']);
  stage.ask(1, { after: 'start' });
  assert.deepEqual(await stage.took(), ['1: 13 14 next 5/14']);
});

test('a cursor ahead of what an epoch wrote is set back: to its start if it is of an earlier one, else to its end', async () => {
  const stage = new Stage();
  stage.ask(1, { after: { epoch: 4, sequence: 99 } });
  stage.ask(2, { after: { epoch: 5, sequence: 99 } });
  stage.write(dropped(1));
  assert.deepEqual(await stage.took(), ['2: 11 next 5/11', '1: 11 next 5/11']);
});

test('the ninth open request of a connection is refused, and so is one beyond those of the broker', () => {
  const stage = new Stage({ eventRequestsMax: 9 });
  for (let request = 1; request <= 8; request++) stage.ask(1, { request });
  assert.throws(() => stage.ask(1, { request: 9 }), { code: 'too_many_waits' });
  assert.throws(() => stage.ask(1, { request: 8 }), { code: 'bad_frame' });
  stage.ask(2);
  assert.throws(() => stage.ask(3), { code: 'too_many_waits' });
  stage.feed.disconnect(1);
  stage.ask(3);
});

/** Files with these records, and gaps at the negative numbers. */
class PlayedPast implements PastSource {
  readonly opened: (number | undefined)[] = [];
  closed = 0;
  readonly #batches: readonly EventBatch[];
  /** How often startBehind() fails. */
  startsUnread = 0;
  fault: Error = Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 });

  constructor(batches: readonly Partial<EventBatch>[]) {
    const next = { epoch: 4, sequence: 0 };
    this.#batches = batches.map((batch) => {
      return { events: [], next, gap: undefined, hasMore: true, ...batch };
    });
  }

  async *read(after: number | undefined): AsyncGenerator<EventBatch> {
    this.opened.push(after);
    try {
      for (const batch of this.#batches) yield batch;
    } finally {
      this.closed += 1;
    }
  }

  async startBehind(epoch: number): Promise<number | undefined> {
    if (this.startsUnread-- > 0) throw this.fault;
    return epoch === 2 ? 4 : undefined;
  }
}

function past(...sequences: number[]): MailEvent[] {
  const session = parseSessionId('iscnl9hqnoalmv04');
  return sequences.map((sequence) => {
    const message = { id: `m${sequence}` as MessageId, number: sequence, to: A, from: '' as const };
    return {
      kind: 'settled',
      sequence,
      time: 1,
      message,
      mailbox: A,
      session,
      name: '',
      by: undefined,
    };
  });
}

test('one reader of the files serves the batches of a connection one after the other, up to the ring', async () => {
  const files = new PlayedPast([
    { events: past(1, 2, 2, 3) },
    { gap: { from: 4, to: 6 }, events: past(7) },
  ]);
  const stage = new Stage({ eventsPerBatchMax: 3 }, files);
  stage.ask(1, { after: 'start' });
  assert.deepEqual(await stage.took(), ['1: 1 2 2 next 5/2 more']);
  stage.ask(1, { after: { epoch: 5, sequence: 2 } });
  assert.deepEqual(await stage.took(), ['1: 3 next 5/3 more']);
  stage.ask(1, { after: { epoch: 5, sequence: 3 } });
  stage.write(dropped(1));
  assert.deepEqual(await stage.took(), ['1: 7 11 next 5/11 gap 4-6']);
  assert.deepEqual([files.opened, files.closed], [[undefined], 1]);
});

test('a cursor of an earlier epoch is set back to where the epoch after that began', async () => {
  const files = new PlayedPast([{ events: past(4, 5) }]);
  const stage = new Stage({}, files);
  stage.ask(1, { after: { epoch: 2, sequence: 8 } });
  assert.deepEqual(await stage.took(), ['1: 4 5 next 5/10']);
  assert.deepEqual(files.opened, [3]);
});

test('a cursor of an earlier epoch waits while the disk cannot say where the epoch after that began', async () => {
  const files = new PlayedPast([{ events: past(4, 5) }]);
  files.startsUnread = 1;
  const stage = new Stage({}, files);
  stage.ask(1, { after: { epoch: 2, sequence: 8 } });
  assert.deepEqual(await stage.took(49), []);
  assert.deepEqual(await stage.took(1), ['1: 4 5 next 5/10']);
  assert.deepEqual(files.opened, [3]);
});

test('a fault of this program is not taken for one of the disk', async () => {
  const files = new PlayedPast([{ events: past(4, 5) }]);
  files.startsUnread = 1;
  files.fault = new TypeError('planted');
  const stage = new Stage({}, files);
  // Those of the test runner would fail the test.
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  const unhandled = once(process, 'unhandledRejection');
  stage.ask(1, { after: { epoch: 2, sequence: 8 } });
  assert.deepEqual(await stage.took(), []);
  const [error] = await unhandled;
  assert.equal(error, files.fault);
  for (const listener of listeners) process.on('unhandledRejection', listener);
});

test('a reader of the files ends with its connection', async () => {
  const files = new PlayedPast([{ events: past(1, 2, 3, 4) }]);
  const stage = new Stage({ eventsPerBatchMax: 2 }, files);
  stage.ask(1, { after: { epoch: 5, sequence: 0 } });
  assert.deepEqual(await stage.took(), ['1: 1 2 next 5/2 more']);
  stage.feed.disconnect(1);
  await stage.took();
  assert.equal(files.closed, 1);
});

test('a request that begins the events in a turn whose end fails starts nothing', async () => {
  const stage = new Stage();
  stage.endTurn = () => stage.feed.stop();
  stage.ask(1);
  assert.deepEqual(await stage.took(60_000), []);
});

test('a request that arrives after the end of the broker starts nothing', async () => {
  const stage = new Stage();
  stage.feed.stop();
  stage.ask(1);
  assert.deepEqual([stage.engine.areEventsWanted, stage.turnsEnded], [false, 0]);
  assert.deepEqual(await stage.took(70_000), []);
});

test('records on their way to a NATS server when mail is erased are told once, when they are stored', async () => {
  const stage = new Stage({}, new PlayedPast([{ events: past(11, 12) }]));
  stage.ask(1, { after: 'now' });
  await stage.took();
  const stored = [stage.append(dropped(1)), stage.append(dropped(2))];
  stage.feed.forget();
  stage.ask(1);
  assert.deepEqual(await stage.took(), []);
  stored[0]?.();
  assert.deepEqual(await stage.took(), ['1: 11 next 5/11']);
  stage.ask(1, { after: { epoch: 5, sequence: 11 } });
  stored[1]?.();
  assert.deepEqual(await stage.took(), ['1: 12 next 5/12']);
});

test('records on their way to a NATS server when the first session follows are not told as what comes from now on', async () => {
  const stage = new Stage({}, new PlayedPast([{ events: past(11, 12) }]));
  const stored = [stage.append(dropped(1)), stage.append(dropped(2))];
  stage.ask(1, { after: 'now' });
  assert.deepEqual(await stage.took(), ['1: next 5/12']);
  stored[0]?.();
  stage.ask(1, { after: { epoch: 5, sequence: 12 } });
  assert.deepEqual(await stage.took(), []);
  stored[1]?.();
  stage.write(dropped(3));
  assert.deepEqual(await stage.took(), ['1: 13 next 5/13']);
});

test('files that have records on their way to a NATS server are read when those are stored', async () => {
  let store = () => {};
  const stored = new Promise<void>((resolve) => {
    store = resolve;
  });
  const stage = new Stage({}, new PlayedPast([{ events: past(11, 12) }]), stored);
  stage.append(dropped(1), dropped(2));
  stage.ask(1);
  stage.ask(2, { waitMs: 1_000 });
  assert.deepEqual(await stage.took(1_000), ['2: next 5/10 more']);
  store();
  assert.deepEqual(await stage.took(), ['1: 11 12 next 5/12']);
});

test('records and gaps of the files that are behind the begin of the ring are left to it', async () => {
  const gap = { from: 9, to: 12 };
  const batches = [{ events: past(8) }, { gap, events: past(13) }];
  const expected = [
    [[{ events: past(8, 12) }], '1: 8 11 next 5/11'],
    [batches, '1: 8 next 5/8 more'],
    [batches.slice(1), '1: 11 next 5/11 gap 8-10'],
  ] as const;
  for (const [files, told] of expected) {
    const stage = new Stage({}, new PlayedPast(files));
    stage.ask(2, { after: 'now' });
    await stage.took();
    stage.write(dropped(1));
    // On a NATS server, they are in the files before they are stored.
    stage.append(dropped(2), dropped(3));
    stage.ask(1, { after: { epoch: 5, sequence: 7 } });
    assert.deepEqual(await stage.took(), [told]);
  }
});
