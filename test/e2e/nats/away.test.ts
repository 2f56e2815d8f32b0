// A NATS server that goes away under a session, and comes back.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { hostPlace } from '../../support/mcp-host.ts';
import { natsMissing } from '../../support/nats/nats-server.ts';
import { assertKept, teamServer } from '../../support/nats/team-server.ts';

/** A call ends within this time while the server is away, also on a busy machine. */
const endMsMax = 60_000;

test('while the server is away a call of the tool ends with an error that says so, and goes on when it is back', {
  skip: natsMissing,
}, async (context) => {
  const { node, login } = await teamServer(context);
  const place = await hostPlace(context, { IPC_BROKER: login });
  const host = await place.host();
  await host.call({ operation: 'post', to: 'ann', from: 'ben', message: 'before' });
  await node.kill();
  const began = performance.now();
  const { isError, text } = await host.call({
    operation: 'post',
    to: 'ann',
    from: 'ben',
    message: 'x',
  });
  const passedMs = performance.now() - began;
  context.diagnostic(`${Math.round(passedMs)} ms: ${text}`);
  assert.equal(isError, true, text);
  assert.match(text, /^(unreachable|owner_silent|storage_failed): .*nats/i);
  assert.ok(passedMs < endMsMax);
  assertKept(text);
  await node.start();
  for (;;) {
    const read = await host.call({ operation: 'fetch', mailbox: 'ann' });
    if (read.isError) continue;
    assert.equal(read.bodies[0], 'before');
    break;
  }
});
