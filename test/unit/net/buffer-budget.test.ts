// The memory that all connections of a broker use together, and which one is closed beyond the budget.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { helloMs, turnBodyBytesMax } from '../../../src/base/limits.ts';
import type { Name } from '../../../src/model/message.ts';
import { encodeRequest } from '../../../src/protocol/codec.ts';
import { startBroker } from '../../support/brokers.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';
import { collectGarbage } from '../../support/memory.ts';
import { tickUntil } from '../../support/mocked-time.ts';
import { muteSocket, provenSocket } from '../../support/proven-socket.ts';

const box = 'box' as Name;
const mebibyte = 1024 ** 2;
const megabyte = Buffer.alloc(mebibyte, 'x');

/** Bodies that the broker may have in its cache. */
const cacheBytes = 64 * mebibyte;

function memory(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** Long before the connection would be closed for its silence. */
function closed(socket: Socket): Promise<unknown> {
  return once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
}

/** The beginning of a frame with a body of this length. */
function beginning(bodyBytes: number): Buffer {
  const prefix = Buffer.alloc(17);
  prefix.writeUInt32BE(12 + 64 + bodyBytes, 0);
  prefix.writeUInt8(0x02, 4);
  prefix.writeUInt32BE(2, 8);
  prefix.writeUInt32BE(64, 12);
  return prefix;
}

test('when incomplete frames exceed the budget, the connection that has been stalled for longest is closed', async (context) => {
  const broker = await startBroker(context, { limits: { bufferBudgetBytes: 2.5 * mebibyte } });
  const client = broker.client();
  const come = async (name: string): Promise<Socket> => {
    const socket = await provenSocket(context, broker, name);
    socket.resume();
    socket.write(beginning(mebibyte));
    // When this is answered, the broker has read what came before.
    await client.status();
    return socket;
  };
  const [first, second] = [await come('first'), await come('second')];
  assert.deepEqual([first.closed, second.closed], [false, false]);
  const firstGone = closed(first);
  const third = await come('third');
  await firstGone;
  assert.deepEqual([second.closed, third.closed], [false, false]);
  // The connection that goes on sending stays, though it uses as much memory.
  const secondGone = closed(second);
  await client.post(box, megabyte);
  await secondGone;
  assert.equal(third.closed, false);
});

test('when unread mail exceeds the budget, the connection that has been stalled for longest is closed, and its mail goes to others', async (context) => {
  const bufferedBytesMax = 24 * mebibyte;
  const broker = await startBroker(context, { limits: { bufferBudgetBytes: bufferedBytesMax } });
  const poster = broker.client();
  const before = memory();
  for (let count = 0; count < 16; count++) {
    const idle = await provenSocket(context, broker, `idle${count.toString(16)}`);
    for (let posted = 0; posted < 8; posted++) await poster.post(box, megabyte);
    const wants = { bytesMax: 8_388_608, messagesMax: 1_000 };
    for (const bytes of encodeRequest({ kind: 'fetch', request: 2, mailboxes: [box], ...wants })) {
      idle.write(bytes);
    }
    await poster.status();
  }
  // Buffers go with their sockets, which the loop has to close first.
  const patience = AbortSignal.timeout(10_000);
  let grown = memory() - before;
  while (grown >= bufferedBytesMax + cacheBytes && !patience.aborted) {
    await new Promise(setImmediate);
    grown = memory() - before;
  }
  assert.ok(grown < bufferedBytesMax + cacheBytes, `${Math.round(grown / mebibyte)} MiB`);
  // All of it was delivered; the connections that were closed held what is back.
  const { deliveries } = await broker.client().fetch(box);
  assert.ok(deliveries.length > 0);
});

test('posts of many sessions that come in one turn are written before they exceed the budget', async (context) => {
  const gated = new GatedDisk();
  let most = 0;
  gated.onWrite = (buffers) => {
    most = Math.max(most, Buffer.concat([...buffers]).length);
  };
  const broker = await startBroker(context, { disk: gated.disk });
  const clients = Array.from({ length: 64 }, () => broker.client());
  await Promise.all(clients.map((client) => client.status()));
  await Promise.all(clients.map((client) => client.post(box, megabyte)));
  assert.ok(most <= turnBodyBytesMax + 2 * mebibyte, `${Math.round(most / mebibyte)} MiB`);
  assert.equal((await broker.client().status()).messages, 64);
});

test('a connection that proved the key but sends no hello is closed, and one that sends it is not', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const broker = await startBroker(context);
  const client = broker.client();
  await client.status();
  const mute = await muteSocket(context, broker);
  mute.resume();
  const gone = closed(mute);
  // It has its place when another one that came later has.
  await broker.client().status();
  context.mock.timers.tick(helloMs);
  assert.equal((await client.status()).sessions, 2);
  assert.equal(mute.closed, false);
  await tickUntil(context.mock.timers, helloMs, gone);
  assert.equal((await client.status()).sessions, 2);
});
