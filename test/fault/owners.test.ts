// Owners that are suspended, blocked, fenced or of another version.
import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import type { Name } from '../../src/model/message.ts';
import { accept, dial } from '../../src/net/connect.ts';
import type { Connection } from '../../src/net/connection.ts';
import { keyLine, loadKeys } from '../../src/net/keys.ts';
import { hangUp } from '../../src/net/listen.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../src/protocol/codec.ts';
import { Session } from '../../src/session/session.ts';
import { makeHome } from '../support/places.ts';
import { networkApart } from '../support/processes/network-apart.ts';
import { type Place, place, type Remote } from '../support/processes/remote.ts';
import { hello } from '../support/proven-socket.ts';
import { retryWhileRefused } from '../support/retry.ts';
import { FrameCollector, keys, Listener } from '../support/sockets.ts';

const isLong = process.env.IPC_TEST_LONG === '1';

test('when ten processes start at once after an owner was killed, they create one new epoch, and each reaches the mail', async (context) => {
  const world = await place(context);
  const first = world.session();
  await first.post('box', 'left behind');
  await first.kill();
  const ten = Array.from({ length: 10 }, () => world.session());
  const all = await Promise.all(ten.map((each) => each.status()));
  assert.equal(new Set(all.map(({ pid }) => pid)).size, 1);
  assert.deepEqual(
    all.map(({ epoch, messages }) => [epoch, messages]),
    Array.from({ length: 10 }, () => [2, 1]),
  );
  assert.deepEqual(await epochsOf(world), ['00000001', '00000002']);
});

test(`an owner whose event loop is blocked for ${isLong ? 60 : 5} s is reported as silent, waits survive it, and no post is stored twice`, async (context) => {
  const world = await place(context);
  const [owner, client, newcomer] = [world.session(), world.session(), world.session()];
  await owner.start();
  await newcomer.started();
  const waiting = client.wait('box', 120_000);
  await client.status();
  const blocked = owner.block(isLong ? 60_000 : 5_000);
  await untilBlocked(owner);
  for (const caller of [client, newcomer]) {
    const began = performance.now();
    await assert.rejects(caller.post('other', 'held up'), {
      code: 'owner_silent',
      message: new RegExp(`pid ${owner.pid}, `),
    });
    // A connection attempt of a new session has a timeout of two seconds.
    assert.ok(performance.now() - began < 5_000, `${performance.now() - began} ms`);
  }
  await blocked;
  // A connection attempt that began during the block may still fail.
  await retryWhileRefused(() => client.status());
  await client.post('box', 'after it');
  assert.deepEqual([(await waiting)?.body, (await waiting)?.attempt], ['after it', 1]);
  await client.post('other', 'held up');
  const { deliveries } = await client.fetch('other');
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['held up'],
  );
  assert.equal((await client.status()).pid, owner.pid);
});

test('an owner that is suspended while posts are in flight continues, and each post is stored once', async (context) => {
  const world = await place(context);
  const [owner, poster, standby] = [world.session(), world.session(), world.session()];
  await owner.start();
  await poster.status();
  await standby.status();
  const bodies = Array.from({ length: 200 }, (_, index) => `post ${index}`);
  const posts = bodies.map((body) => poster.post('box', body));
  await posts[10];
  owner.signal('SIGSTOP');
  await assert.rejects(standby.fetch('other'), { code: 'owner_silent' });
  owner.signal('SIGCONT');
  const outcomes = await Promise.allSettled(posts);
  // Some posts failed meanwhile as possibly stored; an identical post joins the one that was sent.
  await Promise.all(
    bodies
      .filter((_, index) => outcomes[index]?.status === 'rejected')
      .map((body) => poster.post('box', body)),
  );
  const { deliveries } = await standby.fetch('box', 1_000);
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    bodies,
  );
  assert.equal((await standby.status()).pid, owner.pid);
});

test('a wall clock that jumps ten days forward and back changes no wait, no order and no id', async (context) => {
  const world = await place(context);
  const [owner, client] = [world.session(), world.session()];
  const tenDaysMs = 10 * 24 * 3_600_000;
  const ids = [(await owner.post('box', 'now')).id];
  await client.status();
  // Sent as a raw frame, because a client would itself end a wait that its broker forgets.
  const frames = new FrameCollector(
    await dial({ host: '127.0.0.1', port: world.port }, await loadKeys(world.home, {})),
  );
  context.after(() => frames.connection.destroy());
  const began = performance.now();
  frames.connection.send(hello('a'));
  const wait = {
    kind: 'wait',
    request: 2,
    mailboxes: ['nothing' as Name],
    answers: '',
    waitMs: 3_000,
  } as const;
  frames.connection.send(encodeRequest(wait));
  const [welcome] = await frames.next();
  assert.equal(welcome && decodeResponse(welcome).response.kind, 'welcome');
  for (const shiftMs of [tenDaysMs, -2 * tenDaysMs, tenDaysMs]) {
    await owner.shiftClock(shiftMs);
    await client.shiftClock(shiftMs);
    ids.push((await owner.post('box', `shifted by ${shiftMs}`)).id);
    // When another wait times out, the broker reads its clock.
    assert.equal(await client.wait('short', 300), undefined);
  }
  const [end] = await frames.next();
  assert.equal(end && decodeResponse(end).response.kind, 'end');
  const passedMs = performance.now() - began;
  assert.ok(passedMs > 2_900 && passedMs < 4_500, `a wait of 3 s ended after ${passedMs} ms`);
  const { deliveries } = await client.fetch('box');
  assert.deepEqual(
    deliveries.map(({ id }) => id),
    ids,
  );
  assert.equal(await client.settle(...deliveries.map(({ number }) => number)), 0);
  assert.equal((await owner.status()).messages, 0);
});

test('of two owners of one folder in separate networks, the older is fenced before it acknowledges a post', async (context) => {
  const { prefix, why } = networkApart();
  if (!prefix) return context.skip(why);
  const world = await place(context);
  const [outside, inside] = [world.session(), world.session(prefix)];
  await outside.post('box', 'from outside');
  await rm(join(world.home, `broker-${world.port}`, 'owner.sock'));
  const status = await inside.status();
  assert.deepEqual([status.own, status.epoch, status.messages], [true, 2, 1]);
  // The older owner detects the new epoch after the sync of this post, does not acknowledge it, and
  // joins the newer owner through the Unix socket.
  const { number, duplicate } = await outside.post('box', 'after the takeover');
  const after = await outside.status();
  assert.deepEqual([after.pid, after.epoch, after.messages], [inside.pid, 2, 2]);
  assert.deepEqual([number, duplicate], [2, false]);
  const { deliveries } = await inside.fetch('box');
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['from outside', 'after the takeover'],
  );
});

test('a session of an older version uses a newer owner, and never takes over its store', async (context) => {
  const home = await makeHome(context);
  await writeFile(join(home, 'key'), keyLine(keys[0]), { mode: 0o600 });
  const newer = await newerBroker(context);
  const origin = { program: 'test', pid: process.pid, machine: 'here' };
  const session = new Session({ home, port: newer.port, origin, env: {} });
  context.after(() => session.close());
  assert.equal((await session.status()).epoch, 7);
  newer.end();
  await assert.rejects(session.post('box' as Name, Buffer.from('astray')), { code: 'no_broker' });
  await assert.rejects(readdir(join(home, `broker-${newer.port}`)), { code: 'ENOENT' });
});

/** A broker that announces a store format which this version cannot read. */
async function newerBroker(context: TestContext): Promise<{ port: number; end(): void }> {
  const open = new Set<Connection>();
  const listener = await Listener.start((socket) => {
    if (isOver) return hangUp(socket);
    void accept(socket, keys).then((connection) => {
      open.add(connection);
      connection.onFrame = (frame) => {
        const { kind, request } = decodeRequest(frame);
        const common = { store: '0'.repeat(32), epoch: 7, format: 99, pid: 1, addresses: [] };
        if (kind === 'hello') {
          connection.send(
            encodeResponse({ kind: 'welcome', request, ...common, revoked: [], messages: 0 }),
          );
        } else if (kind === 'status') {
          const counts = { messages: 0, bytes: 0, sessions: 1, mailboxCount: 0, mailboxes: [] };
          const people = { namedSessions: 0, sessionList: [], paused: [] };
          const dead = { deadLetterCount: 0, deadLetters: [], ...people };
          const storage = { damaged: 0, storageStalledMs: 0, warnings: [] };
          connection.send(
            encodeResponse({ kind: 'status', request, ...counts, ...dead, ...storage }),
          );
        }
      };
    });
  });
  let isOver = false;
  const end = () => {
    isOver = true;
    listener.close();
    for (const connection of open) connection.destroy();
  };
  context.after(end);
  return { port: listener.port, end };
}

async function epochsOf({ home, port }: Place): Promise<string[]> {
  return (await readdir(join(home, `broker-${port}`, 'epochs'))).sort();
}

/** Resolves when the event loop of the owner is blocked, which shows in a missing response. */
async function untilBlocked(owner: Remote): Promise<void> {
  const answered = Symbol('answered');
  for (;;) {
    const late = new Promise((resolve) => setTimeout(resolve, 300));
    const first = await Promise.race([owner.status().then(() => answered), late]);
    if (first !== answered) return;
  }
}
