// The addresses on which an owner listens. It never loses its lock over them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Listeners } from '../../../src/broker/listeners.ts';
import { claim } from '../../../src/session/election.ts';
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

test('an address is added to the open ones', async (context) => {
  const { port, listeners } = await openDoors(context);
  await listeners.open('127.0.0.2');
  await listeners.open('127.0.0.2');
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
  assert.equal(await heard('127.0.0.1', port), 'here');
  assert.equal(await heard('127.0.0.2', port), 'here');
});

test('0.0.0.0 replaces all IPv4 addresses, and is the lock', async (context) => {
  const { port, home, listeners } = await openDoors(context);
  await listeners.open('127.0.0.2');
  await listeners.open('0.0.0.0');
  await listeners.open('127.0.0.3');
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
  await listeners.open('127.0.0.2');
  await assert.rejects(listeners.open('0.0.0.0'), { code: 'port_taken' });
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
  assert.equal(await heard('127.0.0.1', port), 'here');
  assert.equal(listeners.holdsLock, true);
});

test('a session that takes the port while a wildcard replaces it finds the owner, and gives the port back', async (context) => {
  const { port, home, listeners } = await openDoors(context);
  const opening = listeners.open('0.0.0.0');
  const claims = await Promise.all([claim(port, home), claim(port, home), claim(port, home)]);
  for (const { kind } of claims) assert.notEqual(kind, 'won');
  await opening;
  assert.deepEqual(listeners.addresses, ['0.0.0.0']);
});

test('addresses that are opened at the same time are opened one after the other', async (context) => {
  const { port, listeners } = await openDoors(context);
  const wildcards = [
    listeners.open('0.0.0.0'),
    listeners.open('0.0.0.0'),
    listeners.open('127.0.0.2'),
  ];
  await Promise.all(wildcards);
  assert.deepEqual(listeners.addresses, ['0.0.0.0']);
  await Promise.all([listeners.open('127.0.0.1'), listeners.open('0.0.0.0')]);
  assert.deepEqual(listeners.addresses, ['0.0.0.0']);
  assert.equal(await heard('127.0.0.3', port), 'here');
});

test('after an address that cannot be opened, the next one is opened', async (context) => {
  const { listeners } = await openDoors(context);
  const refused = assert.rejects(listeners.open('192.0.2.1'), { code: 'address_unusable' });
  await listeners.open('127.0.0.2');
  await refused;
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '127.0.0.2']);
});

test('127.0.0.1 replaces all other addresses', async (context) => {
  const { port, listeners } = await openDoors(context);
  await listeners.open('127.0.0.2');
  await listeners.open('127.0.0.1');
  assert.deepEqual(listeners.addresses, ['127.0.0.1']);
  assert.equal(await heard('127.0.0.2', port), '');
  await listeners.open('0.0.0.0');
  await listeners.open('127.0.0.1');
  assert.deepEqual(listeners.addresses, ['127.0.0.1']);
  assert.equal(await heard('127.0.0.3', port), '');
  assert.equal(await heard('127.0.0.1', port), 'here');
});

test('IPv4 and IPv6 are open at the same time', async (context) => {
  const { port, listeners } = await openDoors(context);
  const opened = await listeners.open('::1').then(
    () => true,
    () => false,
  );
  if (!opened) return context.skip('no IPv6 here');
  await listeners.open('::');
  assert.deepEqual(listeners.addresses, ['127.0.0.1', '::']);
  assert.equal(await heard('::1', port), 'here');
  assert.equal(await heard('127.0.0.1', port), 'here');
});

test('an address of another machine is refused, and the lock stays', async (context) => {
  const { listeners } = await openDoors(context);
  await assert.rejects(listeners.open('192.0.2.1'), { code: 'address_unusable' });
  assert.deepEqual(listeners.addresses, ['127.0.0.1']);
});
