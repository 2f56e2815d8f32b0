// Real processes that stand still for longer than the limit of silence: all together, as in a paused container,
// or the owner alone. A message stays with the session that holds it. simulation/standstill.test.ts has more
// times and orders, without real time.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPlace, type McpHost } from '../support/mcp-host.ts';
import { freePort } from '../support/places.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
const skip = !isLong && 'runs with --long; simulation/standstill.test.ts simulates it';

/** An owner, a holder of "job", a reader that waits for "job", and another waiter, each in its own process. */
async function standing(context: TestContext) {
  const place = await hostPlace(context);
  const [owner, holder, reader, waiter] = [
    await place.host(),
    await place.host(),
    await place.host(),
    await place.host(),
  ];
  await owner.call({ operation: 'broker_start' });
  await owner.call({ operation: 'post', to: 'job', from: 'boss', message: 'work' });
  const held = await holder.call({ operation: 'wait', mailbox: 'job' });
  assert.deepEqual(held.bodies, ['work']);
  const reading = reader.begin({ operation: 'wait', mailbox: 'job', timeout: 300 });
  const waiting = waiter.begin({ operation: 'wait', mailbox: 'other', timeout: 300 });
  for (;;) {
    const { text } = await owner.call({ operation: 'broker_status' });
    if (text.split(' waiting').length > 2) break;
  }
  // From its answer on, the silence of the owner is no reason to end a wait that is parked.
  for (const host of [reader, waiter]) await host.call({ operation: 'broker_status' });
  return { owner, holder, reader, waiter, held, reading, waiting };
}

function signal(hosts: readonly McpHost[], name: NodeJS.Signals): void {
  for (const { child } of hosts) child.kill(name);
}

test('when all processes are stopped for a minute, the holder keeps its message, and its answer settles it', {
  skip,
}, async (context) => {
  const { owner, holder, reader, waiter, held, reading, waiting } = await standing(context);
  signal([owner, holder, reader, waiter], 'SIGSTOP');
  await sleep(60_000);
  signal([owner], 'SIGCONT');
  await sleep(1_500);
  signal([waiter, holder, reader], 'SIGCONT');
  const answer = { operation: 'post', to: 'boss', from: 'ann', message: 'done' };
  const { text } = await holder.call({ ...answer, after: held.ticket });
  assert.doesNotMatch(text, /not settled/);
  await owner.call({ operation: 'post', to: 'job', from: 'boss', message: 'next' });
  await owner.call({ operation: 'post', to: 'other', from: 'boss', message: 'more' });
  const next = await reading.answer;
  assert.deepEqual(next.bodies, ['next']);
  assert.doesNotMatch(next.text, /attempt/);
  assert.deepEqual((await waiting.answer).bodies, ['more']);
});

test('a result that was written just before the server stood still does not count as seen when it ends', async (context) => {
  const place = await hostPlace(context);
  const [owner, reader] = [await place.host(), await place.host()];
  await owner.call({ operation: 'post', to: 'job', from: 'boss', message: 'work' });
  await reader.call({ operation: 'wait', mailbox: 'job' });
  signal([reader], 'SIGSTOP');
  await sleep(3_000);
  reader.endInput();
  signal([reader], 'SIGCONT');
  await reader.exited;
  const again = await owner.call({ operation: 'fetch', mailbox: 'job' });
  assert.deepEqual(again.bodies, ['work']);
});

test('a send whose process stood still for longer than its time goes on trying', async (context) => {
  const place = await hostPlace(context);
  const [sender, receiver] = [await place.host(), await place.host()];
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  await receiver.call({ operation: 'ping', host, timeout: 1 });
  const sending = sender.begin({ operation: 'send', host, message: 'hello', timeout: 5 });
  // The answer to a later call shows that the sender has begun.
  await sender.call({ operation: 'broker_status' });
  signal([sender], 'SIGSTOP');
  await sleep(6_000);
  signal([sender], 'SIGCONT');
  const { bodies } = await receiver.call({ operation: 'receive', port, timeout: 20 });
  assert.deepEqual(bodies, ['hello']);
  // The next call confirms it.
  await receiver.call({ operation: 'broker_status' });
  assert.equal((await sending.answer).isError, false);
});

test('when the owner alone is stopped for a minute, its holder returns, and its answer settles the message', {
  skip,
}, async (context) => {
  const { owner, holder, held, reading } = await standing(context);
  signal([owner], 'SIGSTOP');
  await sleep(60_000);
  signal([owner], 'SIGCONT');
  await owner.call({ operation: 'broker_status' });
  await sleep(3_000);
  const answer = { operation: 'post', to: 'boss', from: 'ann', message: 'done' };
  const { text } = await holder.call({ ...answer, after: held.ticket });
  assert.doesNotMatch(text, /not settled/);
  await owner.call({ operation: 'post', to: 'job', from: 'boss', message: 'next' });
  const next = await reading.answer;
  assert.deepEqual(next.bodies, ['next']);
  assert.doesNotMatch(next.text, /attempt/);
});
