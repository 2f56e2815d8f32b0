// A NATS server that goes away under sessions, and comes back.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPlace } from '../../support/mcp-host.ts';
import { natsMissing } from '../../support/nats/nats-server.ts';
import { assertKept, teamServer } from '../../support/nats/team-server.ts';

/** A call of a session without the mail ends within this time, also on a busy machine. */
const endMsMax = 60_000;
const retryMs = 200;

test('while the server is away the owner says so and its post waits; a call of another session ends; both go on when it is back', {
  skip: natsMissing,
}, async (context) => {
  const { node, login } = await teamServer(context);
  const place = await hostPlace(context, { IPC_BROKER: login });
  const [owner, other] = [await place.host(), await place.host()];
  const status = { operation: 'broker_status' };
  const post = (message: string) => ({ operation: 'post', to: 'ann', from: 'ben', message });
  await owner.call(post('before'));
  await other.call(status);
  await node.kill();
  const posted = owner.begin(post('meanwhile'));
  const began = performance.now();
  const ended = await other.call(status);
  const passedMs = Math.round(performance.now() - began);
  context.diagnostic(`${passedMs} ms: ${ended.text}`);
  assert.ok(passedMs < endMsMax, `${passedMs} ms`);
  assert.equal(ended.isError, true, ended.text);
  assert.match(ended.text, /^(unreachable|owner_silent): nats:/);
  let words = '';
  while (!/NATS server has not answered for \d+ s: posts and settles wait/.test(words)) {
    words = (await owner.call(status)).text;
    await sleep(retryMs);
  }
  assertKept(words, ended.text);
  await node.start();
  assert.match((await posted.answer).text, /^Stored as #2 in "ann"/);
  for (;;) {
    const read = await other.call({ operation: 'fetch', mailbox: 'ann' });
    if (read.isError) continue;
    assert.deepEqual(read.bodies, ['before', 'meanwhile']);
    break;
  }
});
