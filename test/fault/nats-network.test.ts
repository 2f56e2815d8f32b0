// Sessions that are cut off from their NATS server, and come back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { NatsRelay } from '../support/nats/nats-relay.ts';
import { natsServer } from '../support/nats/nats-server.ts';
import { natsTeam, untilParked } from '../support/nats/nats-team.ts';

test('a client is cut off and comes back: its wait and its posts go on, and each is stored once', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relay = await NatsRelay.open(context, server.port);
  const { remote } = await natsTeam(context, server.url);
  const [owner, cut] = [remote(), remote(relay.url)];
  await owner.start();
  const waiting = cut.wait('box', 60_000);
  await untilParked(owner, 'box');
  relay.close();
  const posts = Promise.all([1, 2, 3].map((count) => cut.post('other', `post ${count}`)));
  await owner.post('box', 'while it was away');
  await sleep(1_500);
  await relay.reopen();
  const reopened = performance.now();
  assert.equal((await waiting)?.body, 'while it was away');
  await posts;
  context.diagnostic(
    `all is done ${Math.round(performance.now() - reopened)} ms after it was back`,
  );
  const { deliveries } = await owner.fetch('other');
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['post 1', 'post 2', 'post 3'],
  );
});

test('a holder whose way stands still keeps its message for a while, and then another gets it', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relay = await NatsRelay.open(context, server.port);
  const { remote } = await natsTeam(context, server.url);
  const [owner, still] = [remote(), remote(relay.url)];
  await owner.start();
  await owner.post('box', 'held');
  const held = await still.wait('box');
  const waiting = owner.wait('box', 60_000);
  relay.stop();
  const stopped = performance.now();
  const again = await waiting;
  context.diagnostic(`delivered again after ${Math.round(performance.now() - stopped)} ms`);
  assert.deepEqual([again?.body, again?.attempt], ['held', 2]);
  relay.continue();
  assert.equal(await still.settle(held?.number ?? 0), 1, 'another session holds it');
  assert.equal(await owner.settle(again?.number ?? 0), 0);
});

test('an owner whose way stands still is replaced, and what it sent late counts for nothing', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relay = await NatsRelay.open(context, server.port);
  const { remote } = await natsTeam(context, server.url);
  const [owner, other] = [remote(relay.url), remote()];
  await owner.start();
  await owner.post('box', 'one');
  await other.status();
  relay.stop();
  // The owner writes them into a way on which nothing moves.
  const late = [1, 2, 3, 4].map((count) => owner.post('late', `late ${count}`));
  const stopped = performance.now();
  await other.post('box', 'two');
  context.diagnostic(`stored by another after ${Math.round(performance.now() - stopped)} ms`);
  assert.equal((await other.start()).role, 'owner');
  relay.continue();
  await Promise.all(late);
  const { deliveries } = await other.fetch('late');
  assert.deepEqual(
    deliveries.map(({ body }) => body).sort(),
    [1, 2, 3, 4].map((n) => `late ${n}`),
  );
  const { warnings } = await other.start();
  assert.deepEqual(
    warnings.filter((each) => /lost|damaged/.test(each) && /segment/.test(each)),
    [],
  );
  const { deliveries: before } = await owner.fetch('box');
  assert.deepEqual(
    before.map(({ body }) => body),
    ['one', 'two'],
  );
});

test('an idle owner that was cut off, and replaced meanwhile, gives up, and its wait gets what the new one stored', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relay = await NatsRelay.open(context, server.port);
  const { remote } = await natsTeam(context, server.url);
  const [owner, other] = [remote(relay.url), remote()];
  await owner.start();
  const waiting = owner.wait('box', 20_000);
  await untilParked(owner, 'box');
  relay.close();
  await other.post('box', 'stored by the new owner');
  await relay.reopen();
  assert.equal((await waiting)?.body, 'stored by the new owner');
  assert.equal((await owner.start()).role, 'client');
});

test('a session whose way breaks while it loads the log for a takeover loads it anew', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relay = await NatsRelay.open(context, server.port);
  const { remote } = await natsTeam(context, server.url);
  const owner = remote();
  await owner.start();
  for (let count = 0; count < 12; count++) await owner.post('box', 'x'.repeat(250_000));
  const next = remote(relay.url);
  await next.status();
  relay.slowDown(3_000_000);
  await owner.kill();
  const loads = relay.passes(1_000_000);
  const posting = next.post('other', 'stored after the takeover');
  await loads;
  relay.close();
  await relay.reopen();
  await posting;
  const { deliveries } = await next.fetch('box');
  assert.equal(deliveries.length, 12);
});

test('a session ends in time while nothing gets to its server: an owner that is idle, and one that takes over', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relay = await NatsRelay.open(context, server.port);
  const { service, port } = await natsTeam(context, server.url);
  for (const isIdle of [true, false]) {
    const session = await service(relay.url);
    const watcher = await connect({ servers: `127.0.0.1:${server.port}` });
    const claimed = new Promise<void>((resolve) => {
      watcher.subscribe(`ipc.${port}.claim`, { callback: () => resolve() });
    });
    await watcher.flush();
    const starting = session.start();
    await (isIdle ? starting : claimed);
    relay.stop();
    const outcome = Promise.allSettled([starting]);
    const began = performance.now();
    await session.close();
    const tookMs = Math.round(performance.now() - began);
    context.diagnostic(`closed after ${tookMs} ms`);
    assert(tookMs < 8_000, `${tookMs} ms`);
    await outcome;
    relay.continue();
    await watcher.close();
  }
});

test('an owner on a way of 40 KB a second stores 256 KB, which takes longer than an answer may', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relay = await NatsRelay.open(context, server.port);
  const { remote } = await natsTeam(context, server.url);
  const slow = remote(relay.url);
  await slow.start();
  relay.slowDown(40 * 1024);
  await slow.post('box', 'x'.repeat(256 * 1024));
  relay.slowDown(Number.POSITIVE_INFINITY);
  const { deliveries } = await slow.fetch('box');
  assert.deepEqual(
    deliveries.map(({ body }) => body.length),
    [256 * 1024],
  );
});

test('an owner on slow ways to two nodes stays at its node while what it sends gets there', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const relays = await Promise.all([1, 2].map(() => NatsRelay.open(context, server.port)));
  const { remote } = await natsTeam(context, server.url);
  const slow = remote(`nats://${relays.map(({ port }) => `127.0.0.1:${port}`).join(',')}`);
  await slow.start();
  for (const relay of relays) relay.slowDown(20 * 1024);
  await slow.post('box', 'x'.repeat(300 * 1024));
  assert.deepEqual(relays.map(({ joined }) => joined).sort(), [0, 1]);
});
