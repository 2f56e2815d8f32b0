// Ten thousand waits on one connection, which is the limit of parked waits.
import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Name } from '../../src/model/message.ts';
import { dial } from '../../src/net/connect.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/codec.ts';
import { startBroker } from '../support/brokers.ts';
import { hello } from '../support/proven-socket.ts';

const box = 'box' as Name;
const waits = 10_000;

test('10,000 waits of one connection that time out together each get one response within a second', async (context) => {
  const { port, keys } = await startBroker(context);
  const connection = await dial({ host: '127.0.0.1', port }, keys);
  context.after(() => connection.destroy());
  const ended = new Map<number, number>();
  const lateMs: number[] = [];
  let deadline = 0;
  connection.onFrame = (frame) => {
    const { response } = decodeResponse(frame);
    if (response.kind !== 'end') return;
    ended.set(response.request, (ended.get(response.request) ?? 0) + 1);
    lateMs.push(performance.now() - deadline);
  };
  connection.send(hello('a'));
  deadline = performance.now() + 4_000;
  for (let request = 1; request <= waits; request++) {
    const waitMs = Math.round(deadline - performance.now());
    connection.send(
      encodeRequest({ kind: 'wait', request, mailboxes: [box], answers: '', waitMs }),
    );
  }
  await sleep(deadline - performance.now());
  // This process, which is broker and client, never sleeps from here on: its CPU time is the time that passes
  // on an idle machine, and leaves out what other processes take on a busy one.
  const before = process.cpuUsage();
  while (lateMs.length < waits) await new Promise(setImmediate);
  const { user, system } = process.cpuUsage(before);
  const tookMs = (user + system) / 1_000;
  connection.send(encodeRequest({ kind: 'status', request: waits + 1 }));
  assert.equal(ended.size, waits);
  assert.deepEqual([...new Set(ended.values())], [1]);
  assert.ok(tookMs < 1_000, `the last one came after ${tookMs} ms`);
  assert.ok(Math.min(...lateMs) > -50, `the first one came ${Math.min(...lateMs)} ms late`);
});

test('10,000 waits that are cancelled while messages arrive each end once, and each message is then delivered once as attempt 1', async (context) => {
  const { client } = await startBroker(context);
  const [reader, poster] = [client(), client()];
  await poster.status();
  const cancel = new AbortController();
  setMaxListeners(waits, cancel.signal);
  const calls = Array.from({ length: waits }, () =>
    reader.wait(box, { timeoutMs: 60_000, signal: cancel.signal }),
  );
  await reader.status();
  const total = 2_000;
  const posting = Array.from({ length: total }, (_, index) =>
    poster.post(box, Buffer.from(`${index}`)),
  );
  await Promise.race(calls);
  cancel.abort();
  const outcomes = await Promise.allSettled(calls);
  await Promise.all(posting);
  const delivered = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const refused = outcomes.filter((each) => each.status === 'rejected');
  assert.ok(refused.every(({ reason }) => reason.code === 'cancelled'));
  assert.ok(delivered.length > 0, 'some came in time');
  assert.ok(delivered.length < total, 'some came too late');

  const bodies = delivered.map((delivery) => delivery?.body?.toString());
  await reader.settle(delivered.filter((delivery) => delivery !== undefined));
  while (bodies.length < total) {
    const { deliveries } = await poster.fetch(box);
    assert.deepEqual(new Set(deliveries.map(({ attempt }) => attempt)), new Set([1]));
    bodies.push(...deliveries.map(({ body }) => String(body)));
    await poster.settle(deliveries);
  }
  assert.equal(new Set(bodies).size, total);
  assert.equal((await poster.status()).messages, 0);
});
