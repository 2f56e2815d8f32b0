// The addresses on which an owner listens. It never loses its lock over them.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Listeners } from '../../../src/broker/listeners.ts';
import { claim } from '../../support/claim.ts';
import { freePort, makeHome } from '../../support/places.ts';

async function openDoors(
  context: TestContext,
): Promise<{ port: number; home: string; listeners: Listeners }> {
  const home = await makeHome(context);
  const port = await freePort();
  const won = await claim(port, home);
  assert.equal(won.kind, 'won');
  const listeners = new Listeners(port, won.listeners);
  context.after(() => listeners.close());
  listeners.serve((socket) => socket.on('error', () => {}).end('here'));
  return { port, home, listeners: listeners };
}

/** What somebody hears who comes to an address; a refusal is ''. */
async function heard(host: string, port: number): Promise<string> {
  const socket: Socket = connect({ host, port });
  const chunks: Buffer[] = [];
  socket.on('error', () => {}).on('data', (chunk) => chunks.push(chunk));
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks).toString();
}

test('the named addresses are open, and 127.0.0.1, and no others', async (context) => {
  const { port, listeners } = await openDoors(context);
  await listeners.listenOn(['127.0.0.3']);
  await listeners.listenOn(['127.0.0.2', '127.0.0.4', '127.0.0.2']);
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2', '127.0.0.4']);
  await listeners.listenOn(['127.0.0.2']);
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
  assert.equal(await heard('127.0.0.3', port), '');
  assert.equal(await heard('127.0.0.4', port), '');
  assert.equal(await heard('127.0.0.1', port), 'here');
  assert.equal(await heard('127.0.0.2', port), 'here');
});

test('0.0.0.0 replaces all IPv4 addresses, and is the lock', async (context) => {
  const { port, home, listeners } = await openDoors(context);
  await listeners.listenOn(['127.0.0.2']);
  await listeners.listenOn(['127.0.0.3', '0.0.0.0']);
  assert.deepEqual(listeners.addresses, ['0.0.0.0']);
  for (const host of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
    assert.equal(await heard(host, port), 'here', host);
  }
  assert.equal(listeners.holdsLock, true);
  assert.equal((await claim(port, home)).kind, 'taken');
});

test('a wildcard that cannot be bound because of another program changes nothing', async (context) => {
  const { port, listeners } = await openDoors(context);
  const other = createServer().listen({ host: '127.0.0.9', port });
  await once(other, 'listening');
  context.after(() => other.close());
  await listeners.listenOn(['127.0.0.2']);
  await assert.rejects(listeners.listenOn(['0.0.0.0']), { code: 'port_taken' });
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
  assert.equal(await heard('127.0.0.1', port), 'here');
  assert.equal(listeners.holdsLock, true);
});

test('a session that takes the port while a wildcard replaces it finds the owner, and gives the port back', async (context) => {
  const { port, home, listeners } = await openDoors(context);
  const opening = listeners.listenOn(['0.0.0.0']);
  const claims = await Promise.all([claim(port, home), claim(port, home), claim(port, home)]);
  for (const { kind } of claims) assert.notEqual(kind, 'won');
  await opening;
  assert.deepEqual(listeners.addresses, ['0.0.0.0']);
});

test('addresses that are opened at the same time are opened one after the other', async (context) => {
  const { port, listeners } = await openDoors(context);
  const wildcards = [
    listeners.listenOn(['0.0.0.0']),
    listeners.listenOn(['0.0.0.0']),
    listeners.listenOn(['127.0.0.2']),
  ];
  await Promise.all(wildcards);
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
  await Promise.all([listeners.listenOn(['127.0.0.1']), listeners.listenOn(['0.0.0.0'])]);
  assert.deepEqual(listeners.addresses, ['0.0.0.0']);
  assert.equal(await heard('127.0.0.3', port), 'here');
});

test('one address replaces 0.0.0.0, and the lock stays', async (context) => {
  const { port, home, listeners } = await openDoors(context);
  await listeners.listenOn(['0.0.0.0']);
  await listeners.listenOn(['127.0.0.2']);
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
  assert.equal(await heard('127.0.0.3', port), '');
  assert.equal((await claim(port, home)).kind, 'taken');
});

test('if one of several addresses cannot be opened, none is opened or closed', async (context) => {
  const { port, listeners } = await openDoors(context);
  await listeners.listenOn(['127.0.0.2']);
  const refused = listeners.listenOn(['127.0.0.3', '192.0.2.1']);
  await assert.rejects(refused, { code: 'address_unusable' });
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
  assert.equal(await heard('127.0.0.3', port), '');
  await listeners.listenOn(['0.0.0.0']);
  const rival = createServer().listen({ host: '::', port, ipv6Only: true });
  const hasIPv6 = await once(rival, 'listening').then(
    () => true,
    () => false,
  );
  if (!hasIPv6) return;
  context.after(() => rival.close());
  await assert.rejects(listeners.listenOn(['127.0.0.2', '::']), { code: 'port_taken' });
  assert.deepEqual(listeners.addresses, ['0.0.0.0']);
  assert.equal(await heard('127.0.0.3', port), 'here');
});

test('when it is closed amid a change, whether that fails or not, nothing is open afterwards', async (context) => {
  for (const last of ['127.0.0.3', '192.0.2.1']) {
    for (let ticks = 0; ticks < 12; ticks++) {
      const { port, listeners } = await openDoors(context);
      const changing = listeners.listenOn(['127.0.0.2', last]).catch(() => {});
      for (let tick = 0; tick < ticks; tick++) await new Promise<void>(process.nextTick);
      listeners.close();
      await changing;
      assert.deepEqual(listeners.addresses, [], `closed after ${ticks} ticks`);
      for (const host of ['127.0.0.1', '127.0.0.2'])
        assert.equal(await heard(host, port), '', host);
    }
  }
});

test('connections through an address that is closed end, and those through others stay', async (context) => {
  const { port, listeners } = await openDoors(context);
  const accepted = new EventEmitter();
  listeners.serve((socket) => accepted.emit('socket', socket.on('error', () => {}).resume()));
  await listeners.listenOn(['0.0.0.0']);
  const bothAccepted = once(accepted, 'socket').then(() => once(accepted, 'socket'));
  const [stays, ends] = ['127.0.0.1', '127.0.0.3'].map((host) => connect({ host, port }));
  assert(stays && ends);
  context.after(() => stays.destroy());
  ends.on('error', () => {}).resume();
  await bothAccepted;
  const ended = once(ends, 'close');
  await listeners.listenOn(['127.0.0.2']);
  await ended;
  stays.write('still here');
  await listeners.listenOn([]);
  assert.equal(stays.closed, false);
});

test('after an address that cannot be opened, the next one is opened', async (context) => {
  const { listeners } = await openDoors(context);
  const refused = assert.rejects(listeners.listenOn(['192.0.2.1']), { code: 'address_unusable' });
  await listeners.listenOn(['127.0.0.2']);
  await refused;
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
});

test('127.0.0.1 replaces all other addresses', async (context) => {
  const { port, listeners } = await openDoors(context);
  await listeners.listenOn(['127.0.0.2']);
  await listeners.listenOn(['127.0.0.1']);
  assert.deepEqual(listeners.addresses, ['127.0.0.1']);
  assert.equal(await heard('127.0.0.2', port), '');
  await listeners.listenOn(['0.0.0.0']);
  await listeners.listenOn(['127.0.0.1']);
  assert.deepEqual(listeners.addresses, ['127.0.0.1']);
  assert.equal(await heard('127.0.0.3', port), '');
  assert.equal(await heard('127.0.0.1', port), 'here');
});

test('IPv4 and IPv6 are open at the same time', async (context) => {
  const { port, listeners } = await openDoors(context);
  const opened = await listeners.listenOn(['::1']).then(
    () => true,
    () => false,
  );
  if (!opened) return context.skip('no IPv6 here');
  await listeners.listenOn(['0:0::1']);
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '::1']);
  await listeners.listenOn(['0:0::0']);
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '::']);
  assert.equal(await heard('::1', port), 'here');
  assert.equal(await heard('127.0.0.1', port), 'here');
});

test('an address of another machine is refused, and the lock stays', async (context) => {
  const { listeners } = await openDoors(context);
  await assert.rejects(listeners.listenOn(['192.0.2.1']), { code: 'address_unusable' });
  assert.deepEqual(listeners.addresses, ['127.0.0.1']);
});
