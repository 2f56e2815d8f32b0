// Limits on what one peer with the key may use, and what other peers get meanwhile.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import type { Name } from '../../../src/model/message.ts';
import { dial } from '../../../src/net/connect.ts';
import { decodeResponse, encodeRequest } from '../../../src/protocol/codec.ts';
import { FrameDecoder } from '../../../src/protocol/frame.ts';
import { startBroker } from '../../support/brokers.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';
import { hello, provenSocket } from '../../support/proven-socket.ts';
import { Ear } from '../../support/sockets.ts';

const box = 'box' as Name;
const megabyte = Buffer.alloc(1_048_576, 'x');

test('a connection beyond the limit gets an error and is closed; when one ends, another is accepted', async (context) => {
  const broker = await startBroker(context, { limits: { connectionsMax: 1 } });
  const first = broker.client();
  await first.status();
  const second = new Ear(await dial({ host: '127.0.0.1', port: broker.port }, broker.keys));
  const [frame] = await second.next();
  assert(frame);
  assert.deepEqual(decodeResponse(frame).response, {
    kind: 'error',
    request: 0,
    code: 'too_many_connections',
    message: '1 connections are open, which is the limit',
  });
  assert.equal(await second.closed, undefined);
  await assert.rejects(broker.client().status(), { code: 'too_many_connections' });
  await first.close(1_000);
  await broker.client().status();
});

test('posts of one connection that wait for the disk are limited; more are refused, and accepted later', async (context) => {
  const gated = new GatedDisk();
  const broker = await startBroker(context, { disk: gated.disk, limits: { postsInFlightMax: 2 } });
  const client = broker.client();
  await client.post(box, Buffer.from('before'));
  let open: () => void = () => {};
  gated.gate = new Promise((resolve) => {
    open = resolve;
  });
  const stored = [client.post(box, Buffer.from('one')), client.post(box, Buffer.from('two'))];
  await assert.rejects(client.post(box, Buffer.from('three')), {
    code: 'too_many_unanswered',
    message: '2 posts and settles wait for the disk, which is the limit',
  });
  // Another connection has places of its own.
  stored.push(broker.client().post(box, Buffer.from('other')));
  open();
  await Promise.all(stored);
  await client.post(box, Buffer.from('three'));
});

test('refused posts take no space on disk', async (context) => {
  const broker = await startBroker(context, { limits: { mailboxMessagesMax: 1 } });
  const client = broker.client();
  await client.post(box, megabyte);
  const path = join(broker.folder, 'epochs', '00000001', 'seg-000001.log');
  const { size } = await stat(path);
  for (let refused = 0; refused < 8; refused++) {
    await assert.rejects(client.post(box, megabyte), { code: 'mailbox_full' });
  }
  const grown = (await stat(path)).size - size;
  assert(grown < 2 * megabyte.length, `${grown} bytes`);
});

test('a post is stored soon while another connection floods the broker', async (context) => {
  const broker = await startBroker(context);
  const quiet = broker.client();
  await quiet.post(box, Buffer.from('before'));
  const flood = await provenSocket(context, broker, 'flood');
  flood.resume();
  const status = Buffer.concat(encodeRequest({ kind: 'status', request: 7 }));
  const ping = Buffer.concat(encodeRequest({ kind: 'ping', request: 0 }));
  const settle = encodeRequest({ kind: 'settle', request: 8, holds: [] });
  const burst = Buffer.concat([
    ...Array.from({ length: 2_000 }, () => status),
    ...Array.from({ length: 50_000 }, () => ping),
    ...Array.from({ length: 20_000 }, () => settle).flat(),
  ]);
  for (let count = 0; count < 8; count++) flood.write(burst);
  for (let count = 0; count < 5; count++) {
    const began = performance.now();
    await quiet.post(box, Buffer.from('quiet'));
    const tookMs = performance.now() - began;
    assert(tookMs < 500, `${tookMs} ms`);
  }
});

test('a peer that reads nothing is not read from, and others are served; memory stays flat', async (context) => {
  const broker = await startBroker(context);
  const other = broker.client();
  for (let count = 0; count < 60; count++) await other.post(box, megabyte);
  const slow = await provenSocket(context, broker, 'idle');
  const before = process.memoryUsage();
  const sizes = { bytesMax: 8_388_608, messagesMax: 1_000 };
  for (let request = 1; request <= 1_000; request++) {
    const fetch = { kind: 'fetch', request, mailbox: box, ...sizes } as const;
    for (const bytes of encodeRequest(fetch)) slow.write(bytes);
    const wait = {
      kind: 'wait',
      request: 5_000 + request,
      mailbox: box,
      answers: '',
      waitMs: 60_000,
    } as const;
    for (const bytes of encodeRequest(wait)) slow.write(bytes);
  }
  const asks = Buffer.concat(encodeRequest({ kind: 'ping', request: 9 }));
  for (let count = 0; count < 500_000; count += 5_000) {
    slow.write(Buffer.concat(Array.from({ length: 5_000 }, () => asks)));
  }
  await other.status();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { messages, bytes } = await other.fetch(box).then(({ deliveries, remaining }) => ({
    messages: deliveries.length,
    bytes: remaining,
  }));
  // The slow one holds what fills its buffers: by far not all.
  assert(messages > 0, 'others get mail');
  assert(bytes > 20, `${bytes} messages are left`);
  const after = process.memoryUsage();
  const grown = after.rss - before.rss;
  assert(grown < 100 * 1024 ** 2, `${Math.round(grown / 1024 ** 2)} MiB`);
  // It gets the rest once it reads.
  const decoder = new FrameDecoder();
  let offers = 0;
  slow.on('data', (chunk) => {
    for (const frame of decoder.push(chunk)) if (frame.type === 0x83) offers++;
  });
  slow.resume();
  while (offers < 60 - messages) await once(slow, 'data');
});

test('a peer that violates the protocol is closed, and the broker keeps serving others', async (context) => {
  const broker = await startBroker(context);
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(64),
    Buffer.concat(hello('rude')),
  ]) {
    const socket = await provenSocket(context, broker, 'rude');
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
  }
  await broker.client().status();
});
