// Election and failover of the broker, with real processes and real ports.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { checkStore } from '../../../src/journal/check.ts';
import {
  metaOf,
  readRecord,
  resealRecord,
  segmentSeed,
} from '../../../src/journal/record-framing.ts';
import { journalFormat } from '../../../src/journal/segment-header.ts';
import type { Name } from '../../../src/model/message.ts';
import { dial } from '../../../src/net/connect.ts';
import { decodeResponse, encodeRequest } from '../../../src/protocol/codec.ts';
import { sessionSecretBytes } from '../../../src/protocol/session-secret.ts';
import { Session } from '../../../src/session/session.ts';
import { startBroker } from '../../support/brokers.ts';
import { makeHome } from '../../support/places.ts';
import { place, Remote } from '../../support/processes/remote.ts';
import { helloOf } from '../../support/proven-socket.ts';

test('when ten sessions start at once, one owns the broker and nine join it', async (context) => {
  const { session } = await place(context);
  const sessions = Array.from({ length: 10 }, () => session());
  const results = await Promise.all(sessions.map((each) => each.start()));
  const owners = new Set(results.map(({ pid }) => pid));
  assert.equal(owners.size, 1);
  assert.equal(results.filter(({ role }) => role === 'owner').length, 1);
});

test('an owner that stops names the standby that takes over, and its own parked wait continues there', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const standby = session();
  await owner.post('box', 'mail');
  await standby.status();
  const waiting = owner.wait('answers', 30_000);
  await owner.status();
  assert.deepEqual(await owner.stop(), { successor: standby.pid, messages: 1 });
  await standby.post('answers', 'from the successor');
  assert.equal((await waiting)?.body, 'from the successor');
  assert.equal((await owner.status()).pid, standby.pid);
});

test('after the only session stops its broker, posts fail until it starts again, and its wait stays parked', async (context) => {
  const { session } = await place(context);
  const owner = session();
  await owner.post('box', 'mail');
  const waiting = owner.wait('answers', 30_000);
  await owner.status();
  const { successor, messages: left } = await owner.stop();
  assert.deepEqual([successor, left], [undefined, 1]);
  // Its connection is gone then. A post that was sent on it might be stored by the start.
  await assert.rejects(owner.status(), { code: 'no_broker' });
  await assert.rejects(owner.post('box', 'more'), { code: 'no_broker' });
  const { role, messages } = await owner.start();
  assert.deepEqual([role, messages], ['owner', 1]);
  await owner.post('answers', 'to myself');
  assert.equal((await waiting)?.body, 'to myself');
});

test('a session that does not own the broker cannot stop it, and the error names the owner', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const other = session();
  await owner.start();
  await other.start();
  await assert.rejects(other.stop(), (error: Error) => {
    assert.match(error.message, new RegExp(`owned by pid ${owner.pid} `));
    return true;
  });
});

test('after a clean shutdown the next owner delivers at once, without a grace period', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const standby = session();
  await owner.post('box', 'mail');
  await standby.status();
  await owner.close();
  const status = await standby.status();
  assert.deepEqual([status.pid, status.epoch, status.messages], [standby.pid, 2, 1]);
});

test('two hundred posts in flight when the owner is killed are stored once each and in order', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const poster = session();
  const standby = session();
  await owner.status();
  await poster.status();
  await standby.status();
  const bodies = Array.from({ length: 200 }, (_, index) => `post ${index}`);
  const posts = bodies.map((body) => poster.post('box', body));
  await posts[20];
  await owner.kill();
  const results = await Promise.all(posts);
  assert.equal(new Set(results.map(({ number }) => number)).size, 200);
  const { deliveries } = await standby.fetch('box', 1_000);
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    bodies,
  );
});

test('a cancelled wait returns its message unread, with no attempt counted', async (context) => {
  const { session } = await place(context);
  const reader = session();
  const poster = session();
  await poster.status();
  for (let round = 1; round <= 20; round++) {
    const waiting = reader.wait('box', 30_000);
    const posted = poster.post('box', `round ${round}`);
    const cancelled = reader.cancel(waiting);
    const delivery = await waiting.catch(() => undefined);
    await Promise.all([posted, cancelled]);
    const again = delivery ?? (await poster.wait('box', 10_000));
    assert.deepEqual([again?.body, again?.attempt], [`round ${round}`, 1]);
    await (delivery ? reader : poster).settle(again?.number ?? 0);
  }
});

test('a suspended owner is reported with pid and state within seconds, and calls succeed after it continues', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const client = session();
  await owner.status();
  await client.status();
  const waiting = client.wait('box', 60_000);
  await client.status();

  owner.signal('SIGSTOP');
  const stopped = new RegExp(`pid ${owner.pid}, .*state T \\(stopped\\)`);
  const began = performance.now();
  await assert.rejects(client.post('other', 'held up'), { code: 'owner_silent', message: stopped });
  assert.ok(performance.now() - began < 4_000);
  const newcomer = session();
  await assert.rejects(newcomer.status(), { code: 'owner_silent', message: stopped });

  owner.signal('SIGCONT');
  await newcomer.post('box', 'after the stop');
  assert.equal((await waiting)?.body, 'after the stop');
  // The repeated post joins the first one, which may have been stored in the meantime.
  await client.post('other', 'held up');
  const { deliveries, remaining } = await client.fetch('other');
  assert.deepEqual([deliveries.map(({ body }) => body), remaining], [['held up'], 0]);
});

test('when another program holds the port, the error names both, and nothing is posted to that program', async (context) => {
  for (const foreign of [
    createTcpServer(() => {}),
    createTcpServer((socket) => socket.end('220 welcome\r\n')),
    createServer((_request, response) => response.end('hello')),
  ]) {
    const { port, session } = await place(context);
    foreign.listen(port, '127.0.0.1');
    await once(foreign, 'listening');
    const poster = session();
    await poster.started();
    const began = performance.now();
    await assert.rejects(poster.post('box', 'secret'), {
      code: 'port_taken',
      message: new RegExp(`port ${port} is held by pid ${process.pid} \\(`),
    });
    assert.ok(performance.now() - began < 5_000);
    foreign.close();
    if ('closeAllConnections' in foreign) foreign.closeAllConnections();
  }
});

test('a session with another key gets an error that says so, with a remedy', async (context) => {
  const { port, session } = await place(context);
  const owner = session();
  await owner.status();
  const outsider = new Remote(await makeHome(context), port);
  context.after(() => outsider.kill());
  await assert.rejects(outsider.status(), {
    code: 'key_mismatch',
    message: new RegExp(`port ${port} is held by pid ${owner.pid} .*another key`),
  });
});

test('a peer with another protocol version gets an error after its proof and is disconnected', async (context) => {
  const { client, port, keys } = await startBroker(context);
  await client().status();
  const connection = await dial({ host: '127.0.0.1', port }, keys);
  const received: string[] = [];
  const ended = new Promise<void>((resolve) => {
    connection.onClose = () => resolve();
  });
  connection.onFrame = (frame) => {
    const { response } = decodeResponse(frame);
    received.push(response.kind === 'error' ? response.code : response.kind);
  };
  const hello = encodeRequest(helloOf(Buffer.alloc(sessionSecretBytes)));
  const newer = Buffer.concat(hello).toString('latin1').replace('"protocol":2', '"protocol":3');
  connection.send([Buffer.from(newer, 'latin1')]);
  await ended;
  assert.deepEqual(received, ['version_mismatch']);
});

test('a session with another state folder uses the broker, but never takes it over', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.post('box', 'mail');
  const elsewhere = await makeHome(context);
  await symlink(join(home, 'key'), join(elsewhere, 'key'));
  const guest = new Remote(elsewhere, port);
  context.after(() => guest.kill());
  assert.equal((await guest.status()).pid, owner.pid);
  await owner.kill();
  await assert.rejects(guest.post('box', 'astray'), { code: 'no_broker' });
  assert.deepEqual(await readdir(join(elsewhere, `broker-${port}`)).catch(() => []), []);
});

test('a session in another network namespace joins through the Unix socket in the state folder, and takes over', async (context) => {
  const prefix = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
  const [command = '', ...words] = prefix;
  const tried = spawnSync(command, [...words, 'true']);
  if (tried.status !== 0) return context.skip(`no network namespaces here: ${tried.stderr}`);
  const { session } = await place(context);
  const owner = session();
  await owner.post('box', 'across');
  const inside = session(prefix);
  const status = await inside.status();
  assert.deepEqual([status.pid, status.messages], [owner.pid, 1]);
  const waiting = inside.wait('inside', 60_000);
  await inside.status();
  await owner.post('inside', 'hello in there');
  assert.equal((await waiting)?.body, 'hello in there');
  await owner.kill();
  const after = await inside.status();
  assert.deepEqual([after.own, after.messages], [true, 2]);
  const outside = session();
  assert.equal((await outside.fetch('box')).deliveries[0]?.body, 'across');
});

test('the error for an unusable state folder names it: a file is in its place', async (context) => {
  const file = join(await makeHome(context), 'file');
  await writeFile(file, '');
  const { port } = await place(context);
  const session = new Remote(file, port);
  context.after(() => session.kill());
  await assert.rejects(session.post('box', 'mail'), { code: 'home_unusable', message: /file/ });
});

test('the error for a state folder that cannot be created names it, without delay', async (context) => {
  const { port } = await place(context);
  const session = new Remote('/proc/ipc/home', port);
  context.after(() => session.kill());
  await assert.rejects(session.post('box', 'mail'), { code: 'home_unusable', message: /proc/ });
});

test('a state folder whose path is too long for a Unix socket is refused', async (context) => {
  const home = join(await makeHome(context), 'x'.repeat(100));
  await mkdir(home);
  const { port } = await place(context);
  const session = new Remote(home, port);
  context.after(() => session.kill());
  await assert.rejects(session.status(), { code: 'home_unusable', message: /107 bytes/ });
});

test('a store in a newer format is refused and left unchanged', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.post('box', 'mail');
  await owner.close();
  await owner.kill();
  const folder = join(home, `broker-${port}`, 'epochs', '00000001');
  const path = join(folder, 'seg-000001.log');
  await writeNewerFormat(path);
  const before = await readFile(path);
  await assert.rejects(session().status(), {
    code: 'store_newer',
    message: `${join(home, `broker-${port}`)}: written by a newer version (format 2; this is 1)`,
  });
  assert.deepEqual(await readFile(path), before);
  assert.deepEqual(await readdir(join(folder, '..')), ['00000001']);
});

/** The same segment with the header that a version with the next format would write. */
async function writeNewerFormat(path: string): Promise<void> {
  const bytes = await readFile(path);
  const seed = segmentSeed({ epoch: 1, segment: 1 });
  const header = readRecord(bytes, 0, seed);
  assert.ok(header);
  const meta = Buffer.from(metaOf(header));
  meta.writeUInt16BE(journalFormat + 1, 0);
  const place = { bytes: meta, metaOffset: 0, bodyOffset: meta.length };
  Buffer.concat(resealRecord({ ...header, ...place }, seed)).copy(bytes);
  await writeFile(path, bytes);
}

test('an owner whose folder was removed gives the role up before it acknowledges a post', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.post('box', 'mail');
  await rm(join(home, `broker-${port}`), { recursive: true });
  const { number } = await owner.post('box', 'into the next store');
  const { epoch, messages } = await owner.status();
  assert.deepEqual([number, epoch, messages], [1, 1, 1]);
});

test('a session whose state folder is removed right after it has joined takes over, and begins a store', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.post('box', 'mail');
  const standby = session();
  assert.equal((await standby.status()).pid, owner.pid);
  await rm(join(home, `broker-${port}`), { recursive: true });
  await owner.kill();
  const { number } = await standby.post('box', 'into the next store');
  const { own, messages } = await standby.status();
  assert.deepEqual([number, own, messages], [1, true, 1]);
});

test('forty sessions that each post once and end leave all their mail, in few segments', async (context) => {
  const { home, port } = await place(context);
  const origin = { program: 'test', pid: process.pid, machine: 'here' };
  const post = async (body: string): Promise<void> => {
    const session = new Session({ home, port, origin, env: {} });
    await session.post('box' as Name, Buffer.from(body));
    await session.close();
  };
  const bodies = Array.from({ length: 40 }, (_, index) => `post ${index}`);
  for (const body of bodies) await post(body);
  const report = await checkStore(join(home, `broker-${port}`));
  assert.deepEqual([report.sound, report.messages], [true, 40]);
  assert.ok(report.segments.length <= 20, `${report.segments.length} segments`);
  const reader = new Session({ home, port, origin, env: {} });
  const { deliveries } = await reader.fetch('box' as Name);
  await reader.close();
  assert.deepEqual(
    deliveries.map(({ body }) => String(body)),
    bodies,
  );
});

test('a successor binds the addresses of its predecessor after a clean shutdown and after a crash', async (context) => {
  const { session } = await place(context);
  const first = session();
  await first.start('127.0.0.2');
  const second = session();
  await second.status();
  await first.kill();
  const taken = await second.start();
  assert.deepEqual([taken.role, taken.addresses], ['owner', ['127.0.0.1', '127.0.0.2']]);
  await second.start('0.0.0.0');
  const third = session();
  await third.status();
  await second.close();
  const status = await third.status();
  assert.deepEqual([status.pid, status.addresses], [third.pid, ['0.0.0.0']]);
});

test('when ten sessions compete to succeed an owner of all addresses, one owns the broker', async (context) => {
  const { session } = await place(context);
  const first = session();
  await first.start('0.0.0.0');
  const others = Array.from({ length: 9 }, () => session());
  await Promise.all(others.map((each) => each.status()));
  await first.kill();
  const results = await Promise.all(others.map((each) => each.status()));
  assert.equal(new Set(results.map(({ pid }) => pid)).size, 1);
  assert.deepEqual(results[0]?.addresses, ['0.0.0.0']);
});
