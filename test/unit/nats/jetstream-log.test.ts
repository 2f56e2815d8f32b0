// How a stream is read for a takeover, with a client of NATS whose consumer ends early, or is behind the stream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { JetStreamLog } from '../../../src/nats/jetstream-log.ts';
import type { Nats } from '../../../src/nats/nats-server.ts';
import { settingsOf } from '../../../src/nats/stream-settings.ts';
import { collectGarbage } from '../../support/memory.ts';
import { tickUntil } from '../../support/mocked-time.ts';

interface Delivered {
  readonly seq: number;
  /** Messages of the stream that the consumer has still to deliver, as its node of the cluster knows. */
  readonly pending: number;
}

/**
 * A log whose consumer delivers these messages, and then ends, fails, or does as the promise does. `kept`: the messages
 * of the stream.
 */
function logOf(
  delivered: Iterable<Delivered>,
  after?: Error | Promise<never>,
  { bodyBytes = 0, kept = { messages: 0, last_seq: 0 } } = {},
): JetStreamLog {
  async function* messages() {
    for (const { seq, pending } of delivered) {
      yield { seq, subject: 'ipc.1.f.a', data: new Uint8Array(bodyBytes), info: { pending } };
    }
    if (after instanceof Error) throw after;
    await after;
  }
  const consume = async () => Object.assign(messages(), { stop: () => {} });
  const consumer = { consume, info: async () => ({ name: 'c' }) };
  const nats = {
    library: { jetstream: () => ({ consumers: { get: async () => consumer } }) },
    manager: {
      consumers: { delete: async () => true },
      streams: { info: async () => ({ state: kept }) },
    },
    url: 'nats://here:4222',
  };
  return new JetStreamLog(nats as unknown as Nats, 1);
}

async function sequencesOf(log: JetStreamLog, upTo: number): Promise<number[]> {
  const read: number[] = [];
  for await (const { sequence } of log.read(upTo)) read.push(sequence);
  return read;
}

test('a stream is read to the message that was asked for, also on a node that is behind', async () => {
  const behind = logOf([
    { seq: 1, pending: 1 },
    { seq: 2, pending: 0 },
    { seq: 3, pending: 0 },
    { seq: 4, pending: 0 },
  ]);
  assert.deepEqual(await sequencesOf(behind, 3), [1, 2, 3]);
});

test('a read that ends before that message fails, and is not taken for a short stream', async () => {
  const ended = logOf([{ seq: 1, pending: 2 }]);
  await assert.rejects(sequencesOf(ended, 3), { code: 'unreachable' });
});

test('a read that skips messages which the stream has fails; those that were purged it may skip', async () => {
  const delivered = [
    { seq: 1, pending: 9 },
    { seq: 8, pending: 2 },
  ];
  // Of 1 to 8, three are there, and two came behind them.
  const skipped = logOf(delivered, undefined, { kept: { messages: 5, last_seq: 10 } });
  await assert.rejects(sequencesOf(skipped, 8), {
    code: 'unreachable',
    message: 'nats://here:4222: messages of the stream that the server left out: 1',
  });
  const purged = logOf(delivered, undefined, { kept: { messages: 4, last_seq: 10 } });
  assert.deepEqual(await sequencesOf(purged, 8), [1, 8]);
});

test('a read that skips the message up to which it was to go fails, though it got a later one', async () => {
  const delivered = [
    { seq: 1, pending: 9 },
    { seq: 9, pending: 1 },
  ];
  const kept = (messages: number) => ({ kept: { messages, last_seq: 10 } });
  const skipped = logOf(delivered, undefined, kept(4));
  await assert.rejects(sequencesOf(skipped, 8), { code: 'unreachable' });
  const purged = logOf(delivered, undefined, kept(3));
  assert.deepEqual(await sequencesOf(purged, 8), [1]);
});

test('a read keeps no message that its caller is done with', async () => {
  const [count, bytesMax] = [200, 20_000_000];
  const delivered = Array.from({ length: count }, (_, index) => ({ seq: index + 1, pending: 1 }));
  for await (const { sequence } of logOf(delivered, undefined, { bodyBytes: 1_000_000 }).read(
    count,
  )) {
    if (sequence < count) continue;
    let bytes = Number.POSITIVE_INFINITY;
    // A thread of V8 frees the memory of buffers, a moment after a collection.
    for (let looks = 0; looks < 20 && bytes >= bytesMax; looks++) {
      collectGarbage();
      await nextTurn();
      bytes = process.memoryUsage().arrayBuffers;
    }
    assert.ok(bytes < bytesMax, `${bytes} bytes are kept`);
  }
});

test('an error of the consumer is one of the server', async () => {
  const failed = logOf([{ seq: 1, pending: 2 }], new Error('heartbeats missed'));
  await assert.rejects(sequencesOf(failed, 3), {
    code: 'unreachable',
    message: 'nats://here:4222: heartbeats missed',
  });
});

test('a stream that another session is making is found, though the server says that its subjects overlap', async () => {
  const overlap = Object.assign(new Error('subjects overlap with an existing stream'), {
    code: 10_065,
  });
  const missing = Object.assign(new Error('stream not found'), { code: 10_059 });
  let looks = 0;
  const nats = {
    connection: { info: { max_payload: 1_048_576 } },
    manager: {
      streams: {
        add: () => Promise.reject(overlap),
        info: async () => {
          looks += 1;
          if (looks < 3) throw missing;
          return { config: settingsOf('ipc-1', 'ipc.1.', 1, 1_000_000_000) };
        },
      },
    },
    url: 'nats://here:4222',
  };
  const log = new JetStreamLog(nats as unknown as Nats, 1);
  assert.equal((await log.open(true)).isNew ?? false, false);
  assert.equal(looks, 3);
});

test('a read to which nothing comes for 15 s fails', async (context) => {
  const silent = logOf([{ seq: 1, pending: 2 }], new Promise<never>(() => {}));
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const reading = sequencesOf(silent, 3);
  await tickUntil(context.mock.timers, 15_000, reading);
  await assert.rejects(reading, {
    code: 'unreachable',
    message: 'nats://here:4222: the stream has sent nothing for 15000 ms',
  });
});

test('a read is ended by a loss of the connection, between two messages and while it waits', async () => {
  const log = logOf([{ seq: 1, pending: 1 }], new Promise<never>(() => {}));
  const lost = { code: 'unreachable', message: /connection to the server was lost$/ };
  const waiting = sequencesOf(log, 2);
  setImmediate(() => log.interrupt());
  await assert.rejects(waiting, lost);
  const between = async () => {
    for await (const _ of log.read(2)) log.interrupt();
  };
  await assert.rejects(between(), lost);
});
