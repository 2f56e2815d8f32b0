// Owners of a store on a NATS server that die or stand still, and the sessions that are left.
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { natsServer } from '../support/nats/nats-server.ts';
import { natsTeam, untilParked } from '../support/nats/nats-team.ts';

test('an owner is killed while sessions wait: another takes over, and a message that is posted then reaches its reader', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote } = await natsTeam(context, server.url);
  const owner = remote();
  assert.equal((await owner.start()).role, 'owner');
  const readers = ['a', 'b', 'c'].map((mailbox) => ({ mailbox, session: remote() }));
  const waits = readers.map(({ mailbox, session }) => session.wait(mailbox, 120_000));
  for (const { mailbox } of readers) await untilParked(owner, mailbox);
  const writer = remote();
  await writer.status();
  await owner.post('kept', 'stored before');
  await owner.kill();
  const killed = performance.now();
  await writer.post('a', 'after the owner');
  const stored = performance.now();
  assert.equal((await waits[0])?.body, 'after the owner');
  const read = performance.now();
  context.diagnostic(
    `stored ${Math.round(stored - killed)} ms after the owner was killed, read after ${Math.round(read - killed)} ms`,
  );
  assert(read - killed < 15_000);
  await writer.post('b', 'second');
  await writer.post('c', 'third');
  assert.deepEqual([(await waits[1])?.body, (await waits[2])?.body], ['second', 'third']);
  assert.equal((await writer.wait('kept'))?.body, 'stored before');
  assert.notEqual((await writer.status()).pid, owner.pid);
});

test('an owner that stands still is replaced, and hands out and acknowledges nothing when it goes on', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote } = await natsTeam(context, server.url);
  const owner = remote();
  await owner.start();
  await owner.post('box', 'one');
  // Its own wait is parked at its own broker.
  const parked = owner.wait('later', 120_000);
  await untilParked(owner, 'later');
  const other = remote();
  await other.status();
  process.kill(owner.pid, 'SIGSTOP');
  const stopped = performance.now();
  const posted = await other.post('box', 'two');
  const tookMs = Math.round(performance.now() - stopped);
  context.diagnostic(`stored ${tookMs} ms after the owner stood still`);
  assert.equal(posted.duplicate, false);
  assert(tookMs < 40_000);
  assert.equal((await other.start()).role, 'owner');
  const first = await other.wait('box');
  assert.equal(first?.body, 'one');
  process.kill(owner.pid, 'SIGCONT');
  // It is a client now, also with the wait that it had before.
  assert.equal((await owner.wait('box'))?.body, 'two');
  assert.equal((await owner.start()).role, 'client');
  await other.post('later', 'to the one that stood still');
  assert.equal((await parked)?.body, 'to the one that stood still');
  assert.equal(await other.settle(first?.number ?? 0), 0);
});

test('short waits at an owner that stands still say so, also in a session that had found no server before', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote } = await natsTeam(context, server.url);
  const [owner, idle] = [remote(), remote()];
  await owner.start();
  await idle.status();
  await server.kill();
  await assert.rejects(idle.status(), { code: 'unreachable' });
  await server.start();
  await owner.post('box', 'there');
  process.kill(owner.pid, 'SIGSTOP');
  const late = remote();
  await late.started();
  const silent = `the owner of the broker on ${server.url} (pid ${owner.pid}, test, on ${hostname()}) does not answer`;
  for (const session of [idle, late]) {
    await assert.rejects(session.wait('box', 1_000), { code: 'owner_silent', message: silent });
  }
});

test('a takeover loads a long message that follows many short ones', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote } = await natsTeam(context, server.url);
  const [owner, other] = [remote(), remote()];
  await owner.start();
  for (let count = 0; count < 50; count++) await owner.post('short', `short ${count}`);
  await owner.post('long', 'x'.repeat(300_000));
  await other.status();
  await owner.kill();
  assert.equal((await other.wait('long'))?.body.length, 300_000);
});
