// Connections that have not proved the key are limited, and never displace one that has.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { accept, dial } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { PendingHandshakes } from '../../../src/net/pending-handshakes.ts';
import { freePort } from '../../support/places.ts';
import { keys, rawSocket } from '../../support/sockets.ts';

/** A listener for `max` pending handshakes. `come` connects one more and waits until it is accepted. */
async function open(max = 3) {
  const pendingHandshakes = new PendingHandshakes(max);
  const proven: Connection[] = [];
  const server = createServer((socket) => {
    pendingHandshakes
      .track(socket, accept(socket, keys))
      .then((connection) => proven.push(connection))
      .catch(() => {});
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const come = async (): Promise<Socket> => {
    const taken = once(server, 'connection');
    const socket = await rawSocket(port);
    await taken;
    socket.resume();
    return socket;
  };
  return { pendingHandshakes, proven, server, port, come };
}

test('when there is one connection too many, the oldest that sent no hello is closed and gets no byte', async () => {
  const { pendingHandshakes, server, come } = await open();
  const [first, second] = [await come(), await come()];
  await come();
  const gone = once(first, 'close');
  const fourth = await come();
  await gone;
  assert.equal(first.bytesRead, 0);
  assert.equal(pendingHandshakes.count, 3);
  assert.deepEqual([second.destroyed, fourth.destroyed], [false, false]);
  server.close();
});

test('a connection that sent its hello stays longer than those that sent nothing', async () => {
  const { server, come } = await open();
  const first = await come();
  first.write(Buffer.concat([Buffer.from('a9495043630d0a01', 'hex'), Buffer.alloc(32, 1)]));
  await once(first, 'data');
  const second = await come();
  await come();
  const gone = once(second, 'close');
  await come();
  await gone;
  assert.equal(first.destroyed, false);
  server.close();
});

test('a newcomer among connections that have all sent their hello is not the next one to be closed', async () => {
  const { server, come } = await open(4);
  const greeted: Socket[] = [];
  for (let count = 0; count < 4; count++) {
    const socket = await come();
    socket.write(Buffer.concat([Buffer.from('a9495043630d0a01', 'hex'), Buffer.alloc(32, 1)]));
    await once(socket, 'data');
    greeted.push(socket);
  }
  const gone = greeted.slice(0, 2).map((socket) => once(socket, 'close'));
  const newcomers = [await come(), await come()];
  await Promise.all(gone);
  assert.deepEqual(
    [...greeted, ...newcomers].map((socket) => socket.destroyed),
    [true, true, false, false, false, false],
  );
  server.close();
});

test('when all have sent their hello the oldest is closed, and a peer with the key gets in', async () => {
  const { proven, server, port, come } = await open();
  const all: Socket[] = [];
  for (let count = 0; count < 3; count++) {
    const socket = await come();
    socket.write(Buffer.concat([Buffer.from('a9495043630d0a01', 'hex'), Buffer.alloc(32, 1)]));
    await once(socket, 'data');
    all.push(socket);
  }
  const gone = once(all[0] as Socket, 'close');
  const client = await dial({ host: '127.0.0.1', port }, keys);
  await gone;
  while (proven.length === 0) await new Promise(setImmediate);
  assert.deepEqual(
    all.map((socket) => socket.closed),
    [true, false, false],
  );
  server.close();
  client.destroy();
});

test('a connection that has proved the key does not count, and is never closed for others', async () => {
  const { pendingHandshakes, proven, server, port, come } = await open();
  const client = await dial({ host: '127.0.0.1', port }, keys);
  while (proven.length === 0) await new Promise(setImmediate);
  assert.equal(pendingHandshakes.count, 0);
  for (let count = 0; count < 10; count++) await come();
  assert.equal(pendingHandshakes.count, 3);
  assert.ok(client.open && proven[0]?.open);
  server.close();
  client.destroy();
});
