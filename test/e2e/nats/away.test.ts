// A NATS server that goes away under sessions, and comes back.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPlace } from '../../support/mcp-host.ts';
import { natsMissing } from '../../support/nats/nats-server.ts';
import { assertKept, teamServer } from '../../support/nats/team-server.ts';

/** A call ends within this time, also on a busy machine. */
const endMsMax = 60_000;
/** A wait of 2 s. Its settle would take some 25 s. */
const waitMsMax = 15_000;
const retryMs = 200;
const status = { operation: 'broker_status' };
const post = (message: string) => ({ operation: 'post', to: 'ann', from: 'ben', message });

/** A node, and two sessions at it, of which the first is the owner. */
async function sessions(context: TestContext) {
  const { node, login } = await teamServer(context);
  const place = await hostPlace(context, { IPC_BROKER: login });
  const [owner, other] = [await place.host(), await place.host()];
  await owner.call(post('before'));
  await other.call(status);
  /** The bodies in the mailbox, once the server is back. */
  const read = async (): Promise<readonly string[]> => {
    for (;;) {
      const { isError, bodies } = await other.call({ operation: 'fetch', mailbox: 'ann' });
      if (!isError) return bodies;
    }
  };
  return { node, owner, other, read };
}

test('while the server is away for seconds the owner says so, and its post waits until it is back', {
  skip: natsMissing,
}, async (context) => {
  const { node, owner, read } = await sessions(context);
  await node.kill();
  const posted = owner.begin(post('meanwhile'));
  let words = '';
  while (!/NATS server has not answered for \d+ s: posts and settles wait/.test(words)) {
    words = (await owner.call(status)).text;
    await sleep(retryMs);
  }
  assertKept(words);
  await node.start();
  assert.match((await posted.answer).text, /^Stored as #2 in "ann"/);
  assert.deepEqual(await read(), ['before', 'meanwhile']);
});

test('while the server is away for longer each call ends with what to do, and the same post is stored once when it is back', {
  skip: natsMissing,
}, async (context) => {
  const { node, owner, other, read } = await sessions(context);
  await node.kill();
  const began = performance.now();
  const passedMs = () => Math.round(performance.now() - began);
  const posted = owner.begin(post('meanwhile'));
  const ended = await other.call(status);
  context.diagnostic(`${passedMs()} ms: ${ended.text}`);
  assert.ok(passedMs() < endMsMax, `${passedMs()} ms`);
  assert.equal(ended.isError, true, ended.text);
  assert.match(ended.text, /^(unreachable|owner_silent): nats:/);
  const { text } = await posted.answer;
  context.diagnostic(`${passedMs()} ms: ${text}`);
  assert.ok(passedMs() < endMsMax, `${passedMs()} ms`);
  assert.match(text, /^unreachable: nats:.* The call may have taken effect all the same\./);
  assertKept(ended.text, text);
  await node.start();
  for (let isStored = false; !isStored; ) isStored = !(await owner.call(post('meanwhile'))).isError;
  assert.deepEqual(await read(), ['before', 'meanwhile']);
});

test('a wait that names a ticket ends in its time while the server stands still, and the ticket settles when it goes on', {
  skip: natsMissing,
}, async (context) => {
  const { node, other } = await sessions(context);
  const { ticket } = await other.call({ operation: 'wait', mailbox: 'ann' });
  node.stop();
  const began = performance.now();
  const wait = { operation: 'wait', mailbox: 'ann', timeout: 2 };
  const { text } = await other.call({ ...wait, after: ticket });
  const passedMs = Math.round(performance.now() - began);
  context.diagnostic(`${passedMs} ms: ${text}`);
  assert.ok(passedMs < waitMsMax, `${passedMs} ms`);
  node.continue();
  for (let isDone = false; !isDone; )
    isDone = !(await other.call({ ...status, after: ticket })).isError;
  const { head } = await other.call({ ...status, mailbox: 'ann' });
  assert.match(head, /^No message is in "ann"/);
});
