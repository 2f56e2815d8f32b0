// A NATS server that dies, loses the stream, or has no room.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { IpcError } from '../../src/base/errors.ts';
import type { Name } from '../../src/model/message.ts';
import { parseNatsAddress } from '../../src/nats/nats-address.ts';
import { NatsServer } from '../../src/nats/nats-server.ts';
import { NatsSession } from '../../src/session/nats-session.ts';
import { natsServer } from '../support/nats/nats-server.ts';
import { natsTeam, untilParked } from '../support/nats/nats-team.ts';

/** Whoever operates the server. */
async function operator(context: TestContext, url: string) {
  const connection = await connect({ servers: url.slice('nats://'.length) });
  context.after(() => connection.close());
  return jetstreamManager(connection);
}

test('a server is killed and started again: waits go on with the rest of their time, posts are stored once', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote } = await natsTeam(context, server.url);
  const [owner, reader, writer] = [remote(), remote(), remote()];
  await owner.start();
  await owner.post('kept', 'before');
  const began = performance.now();
  const short = reader.wait('short', 8_000);
  const long = reader.wait('long', 120_000);
  const own = owner.wait('own', 120_000);
  await untilParked(owner, 'short');
  await untilParked(owner, 'long');
  await writer.status();
  await server.kill();
  const posts = [1, 2, 3].map((count) => writer.post('long', `post ${count}`));
  const toOwn = owner.post('own', 'from the owner');
  const outcomes = Promise.allSettled([...posts, toOwn]);
  await sleep(2_000);
  await server.start();
  const started = performance.now();
  assert.equal((await long)?.body, 'post 1');
  context.diagnostic(
    `read ${Math.round(performance.now() - started)} ms after the server was back`,
  );
  assert.deepEqual(
    (await outcomes).map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
  );
  assert.equal((await own)?.body, 'from the owner');
  const { deliveries } = await reader.fetch('long');
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['post 2', 'post 3'],
  );
  assert.equal(await short, undefined);
  const tookMs = performance.now() - began;
  assert(tookMs > 7_000 && tookMs < 30_000, `${tookMs}`);
  assert.equal((await writer.wait('kept'))?.body, 'before');
});

test('a server stands still for longer than an append waits: what it stored unseen is stored once', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { service } = await natsTeam(context, server.url);
  const mail = await service();
  await mail.post('box' as Name, Buffer.from('before'));
  server.stop();
  const posts = [1, 2, 3].map((count) => mail.post('box' as Name, Buffer.from(`post ${count}`)));
  await sleep(7_000);
  server.continue();
  await Promise.all(posts);
  const { deliveries } = await mail.fetch('box' as Name);
  assert.deepEqual(
    deliveries.map(({ body }) => String(body)),
    ['before', 'post 1', 'post 2', 'post 3'],
  );
});

test('the stream is deleted under parked waits: each session is told, and none begins a new one in silence', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote, stream } = await natsTeam(context, server.url);
  const [owner, reader] = [remote(), remote()];
  await owner.start();
  await owner.post('box', 'lost with the stream');
  const waiting = reader.wait('other', 60_000);
  await untilParked(owner, 'other');
  const manager = await operator(context, server.url);
  await manager.streams.delete(stream);
  const failed = async (call: Promise<unknown>) =>
    call.then(
      (result) => assert.fail(`it is ${JSON.stringify(result)}`),
      (error: IpcError) => error,
    );
  const posted = await failed(owner.post('box', 'after'));
  context.diagnostic(`${posted.code}: ${posted.message}`);
  assert.match(posted.message, new RegExp(`${stream}.*(deleted|gone)`));
  const waited = await failed(waiting);
  assert.match(waited.message, new RegExp(`${stream}.*(deleted|gone)`));
  await assert.rejects(manager.streams.info(stream), /stream not found/);
  // Only who asks for it begins an empty one.
  const { server: made, messages } = await reader.start();
  assert.deepEqual([made?.isNew, messages], [true, 0]);
  await owner.post('box', 'a new beginning');
  const { deliveries } = await reader.fetch('box');
  // Its caller was told that the first may be stored.
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['after', 'a new beginning'],
  );
});

test('another session begins a new stream in place of one that was deleted: each session that knew that one says so once, and goes on', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote, stream } = await natsTeam(context, server.url);
  const [owner, guest, late] = [remote(), remote(), remote()];
  await owner.start();
  await owner.post('box', 'lost with the stream');
  const waits = [owner.wait('own', 60_000), guest.wait('other', 60_000)];
  await untilParked(owner, 'own');
  await untilParked(owner, 'other');
  const manager = await operator(context, server.url);
  await manager.streams.delete(stream);
  await late.post('own', 'in the new one');
  const code = 'storage_failed';
  const message = `stream ${stream} was deleted from ${server.url}, and all mail in it; there is a new one`;
  for (const waiting of waits) await assert.rejects(waiting, { code, message });
  assert.equal((await owner.wait('own'))?.body, 'in the new one');
  await guest.post('other', 'goes on');
  assert.equal((await guest.wait('other'))?.body, 'goes on');
});

test('a session that made no call while a new stream took the place of its own says so at its next call, once', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { port, remote, stream } = await natsTeam(context, server.url);
  const [owner, idle, late] = [remote(), remote(), remote()];
  await owner.start();
  await idle.status();
  const connection = await connect({ servers: server.url.slice('nats://'.length) });
  context.after(() => connection.close());
  const dials = connection.subscribe(`ipcwire.${port}.d.*`, { max: 2 });
  await connection.flush();
  const manager = await operator(context, server.url);
  await manager.streams.delete(stream);
  await late.post('box', 'in the new one');
  // It connects again, and once more some seconds after that was in vain.
  for await (const _ of dials);
  const message = `stream ${stream} was deleted from ${server.url}, and all mail in it; there is a new one`;
  await assert.rejects(idle.post('box', 'hi'), { code: 'storage_failed', message });
  await idle.post('box', 'goes on');
});

test('a stream that is set so that it keeps no mail is named with what is wrong, in sessions that had used it', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote, stream } = await natsTeam(context, server.url);
  const [owner, guest] = [remote(), remote()];
  await owner.start();
  await guest.post('box', 'before');
  const manager = await operator(context, server.url);
  const { config } = await manager.streams.info(stream);
  const sealed = { ...config, sealed: true };
  await manager.streams.update(stream, sealed);
  const refused = {
    code: 'home_unusable',
    message: `stream ${stream} cannot keep mail: purges are denied; it is sealed`,
  };
  await Promise.all(
    [owner, guest].map((each) => assert.rejects(each.post('box', 'after'), refused)),
  );
});

test('the stream is purged under parked waits: the owner says so, and nobody crashes', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { remote, stream } = await natsTeam(context, server.url);
  const [owner, reader] = [remote(), remote()];
  await owner.start();
  await owner.post('box', 'in the mirror of the owner only');
  const waiting = reader.wait('other', 60_000);
  await untilParked(owner, 'other');
  const manager = await operator(context, server.url);
  await manager.streams.purge(stream);
  await reader.post('other', 'after');
  assert.equal((await waiting)?.body, 'after');
  assert.equal((await reader.wait('box'))?.body, 'in the mirror of the owner only');
  await owner.kill();
  const { warnings } = await reader.start();
  context.diagnostic(warnings.join(' | '));
  await reader.post('box', 'works');
  assert.equal((await reader.wait('box'))?.body, 'works');
});

test('a full stream refuses posts and takes settles, and posts again when there is room', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { service, stream } = await natsTeam(context, server.url);
  const mail = await service();
  await mail.start();
  const manager = await operator(context, server.url);
  const { config } = await manager.streams.info(stream);
  await manager.streams.update(stream, { ...config, max_bytes: 12 * 1024 ** 2 });
  // The limit is read when a session begins to own.
  await mail.close();
  const next = await service();
  await next.start();
  const body = Buffer.alloc(50_000, 'x');
  let stored = 0;
  let refusal: IpcError | undefined;
  while (!refusal && stored < 400) {
    await next.post('box' as Name, body).then(
      () => stored++,
      (error: IpcError) => {
        refusal = error;
      },
    );
  }
  context.diagnostic(`${stored} stored, then ${refusal?.code}: ${refusal?.message}`);
  assert(refusal && stored > 20);
  assert.equal(refusal.kind.retry, true);
  const full = 'the stream of the mail is full (ENOSPC); this post was not stored';
  assert.equal(refusal.message, `the broker says: "${full}"`);
  let settled = 0;
  for (;;) {
    const { deliveries } = await next.fetch('box' as Name, { messagesMax: 20 });
    if (deliveries.length === 0) break;
    settled += deliveries.length;
    assert.deepEqual(await next.settle(deliveries), []);
  }
  assert.equal(settled, stored);
  await next.post('box' as Name, body);
  const { bytes } = (await manager.streams.info(stream)).state;
  context.diagnostic(`${bytes} bytes at the end`);
});

test('a broker that refuses posts to a full stream takes them again when its limit was raised', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { service, stream } = await natsTeam(context, server.url);
  const manager = await operator(context, server.url);
  const first = await service();
  await first.start();
  const { config } = await manager.streams.info(stream);
  await manager.streams.update(stream, { ...config, max_bytes: 12 * 1024 ** 2 });
  await first.close();
  const mail = await service();
  await mail.start();
  const body = Buffer.alloc(200_000, 'x');
  const isStored = () =>
    mail.post('box' as Name, body).then(
      () => true,
      ({ code }: IpcError) => {
        assert.equal(code, 'store_full');
        return false;
      },
    );
  let stored = 0;
  while (await isStored()) stored++;
  assert.equal(await isStored(), false);
  await manager.streams.update(stream, config);
  // The broker looks at the stream when it refuses a post.
  let refused = 0;
  while (!(await isStored())) refused++;
  context.diagnostic(`${stored} stored, ${refused} refused after the limit was raised`);
  const { epoch, mailboxes } = await mail.status();
  assert.deepEqual([epoch, mailboxes[0]?.ready], [2, stored + 1]);
});

test('a stream whose limit leaves no room for the next broker is named, with the remedy, and works when it has room', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { service, stream } = await natsTeam(context, server.url);
  const mail = await service();
  for (let count = 0; count < 20; count++) {
    await mail.post('box' as Name, Buffer.alloc(500_000, 'x'));
  }
  await mail.close();
  const manager = await operator(context, server.url);
  const { config, state } = await manager.streams.info(stream);
  await manager.streams.update(stream, { ...config, max_bytes: state.bytes + 1_000_000 });
  const next = await service();
  await assert.rejects(next.post('box' as Name, Buffer.from('more')), {
    code: 'store_full',
    message: `stream ${stream} has no room for a broker to start in; the mail in it is safe`,
    hint: `raise its limit: \`nats stream edit ${stream} --max-bytes 4GB\``,
  });
  await manager.streams.update(stream, config);
  // A session whose own brokers did not start tries again after some seconds.
  const more = () => next.post('box' as Name, Buffer.from('more'));
  for (let isStored = false; !isStored; ) {
    isStored = await more().then(
      () => true,
      ({ code }: IpcError) => {
        assert.equal(code, 'store_full');
        return false;
      },
    );
  }
  const { mailboxes } = await next.status();
  assert.equal(mailboxes[0]?.ready, 21);
});

test('many short messages fill a stream, and each can still be settled', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { service, stream } = await natsTeam(context, server.url);
  const mail = await service();
  await mail.start();
  const manager = await operator(context, server.url);
  const { config } = await manager.streams.info(stream);
  await manager.streams.update(stream, { ...config, max_bytes: 8_400_000 });
  await mail.close();
  const next = await service();
  await next.start();
  let stored = 0;
  let refusal: IpcError | undefined;
  while (!refusal && stored < 2_000) {
    await next.post('box' as Name, Buffer.from(`short ${stored}`)).then(
      () => stored++,
      (error: IpcError) => {
        refusal = error;
      },
    );
  }
  context.diagnostic(`${stored} stored, then ${refusal?.code}`);
  assert(refusal);
  for (let settled = 0; settled < stored; settled++) {
    const delivery = await next.wait('box' as Name, { timeoutMs: 10_000 });
    assert(delivery, `${settled} of ${stored}`);
    await next.settle([delivery], { signal: AbortSignal.timeout(10_000) });
  }
  await next.post('box' as Name, Buffer.from('again'));
});

test('a state folder that cannot have a mirror is named', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { home, service } = await natsTeam(context, server.url);
  await writeFile(join(home, 'nats'), 'a file in the way');
  const session = await service();
  await assert.rejects(session.start(), (error: IpcError) => {
    assert.equal(error.code, 'home_unusable');
    assert.match(error.message, /EEXIST/);
    return true;
  });
});

test('an owner whose connection was closed for good ends, and its session owns the store over a new one', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { home, port } = await natsTeam(context, server.url);
  const nats = new NatsServer({ address: parseNatsAddress(server.url), name: 'test' });
  const origin = { program: 'test', pid: process.pid, machine: 'here' };
  const session = new NatsSession({ server: nats, home, port, origin });
  context.after(() => session.close());
  const first = await session.start();
  const waiting = session.wait('box' as Name, { timeoutMs: 20_000 });
  const { connection } = await nats.connection();
  await connection.close();
  await session.post('box' as Name, Buffer.from('over the new one'));
  assert.equal((await waiting)?.body?.toString(), 'over the new one');
  const second = await session.start();
  assert.deepEqual([second.role, second.epoch > first.epoch], ['owner', true]);
});

test('a server without JetStream is named, with the remedy', async (context) => {
  const server = await natsServer(context, { settings: { jetstream: false } });
  if (!server) return;
  const { service } = await natsTeam(context, server.url);
  const mail = await service();
  await assert.rejects(mail.start(), (error: IpcError) => {
    assert.equal(error.code, 'unreachable');
    assert.match(`${error.message} ${error.hint}`, /no JetStream.*nats-server -js/);
    return true;
  });
});
