// A peer with the key cannot make the memory of a broker grow beyond its limits.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { bufferBudgetBytes, holdsMax } from '../../../src/base/limits.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { loadKeys } from '../../../src/net/keys.ts';
import { encodeRequest, responseTypes } from '../../../src/protocol/codec.ts';
import { FrameDecoder } from '../../../src/protocol/frame.ts';
import { residentMiB } from '../../support/memory.ts';
import { place } from '../../support/processes/remote.ts';
import { provenSocket } from '../../support/proven-socket.ts';

const peers = 600;
/** Memory of the broker itself: its pools, and the read buffer of each connection. */
const otherMiB = 150;

const box = 'box' as Name;
const megabyte = 'y'.repeat(1_048_576);
/** More than the kernel buffers for a connection on both sides together. */
const floodBytes = 32 * 1_024 ** 2;

/** A post of 1 MB without its last byte. */
function mostOfAPost(): Buffer {
  const bytes = Buffer.alloc(16 + 64 + 1_048_576 - 1, 'x');
  bytes.writeUInt32BE(12 + 64 + 1_048_576, 0);
  bytes.writeUInt8(0x02, 4);
  bytes.writeUInt8(0, 5);
  bytes.writeUInt16BE(0, 6);
  bytes.writeUInt32BE(2, 8);
  bytes.writeUInt32BE(64, 12);
  return bytes;
}

test(`${peers} peers that each send an incomplete post leave the memory of the broker flat, and other peers are served`, async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.start();
  const keys = await loadKeys(home, {});
  const before = await residentMiB(owner.pid);
  const most = mostOfAPost();
  for (let count = 0; count < peers; count++) {
    const socket = await provenSocket(context, { port, keys }, `peer${count}`);
    socket.resume();
    if (!socket.write(most)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  const waiting = owner.wait('box', 60_000);
  await session().post('box', megabyte);
  assert.equal((await waiting)?.body.length, 1_048_576);
  const grown = (await residentMiB(owner.pid)) - before;
  context.diagnostic(`grown by ${Math.round(grown)} MiB`);
  assert.ok(grown < bufferBudgetBytes / 1_024 ** 2 + otherMiB, `grown by ${Math.round(grown)} MiB`);
  // Without a shared budget it would have grown by 1 MiB for each peer.
  assert.ok(bufferBudgetBytes / 1_024 ** 2 + otherMiB < peers);
});

test('a peer that reads nothing is not read from either (backpressure), others are served, and the memory of the broker stays flat', async (context) => {
  const { home, port, session } = await place(context);
  const [owner, other] = [session(), session()];
  await owner.start();
  const messages = 60;
  for (let count = 0; count < messages; count++) await other.post('box', megabyte);
  const keys = await loadKeys(home, {});
  const slow = await provenSocket(context, { port, keys }, 'idle');
  const before = await residentMiB(owner.pid);
  const sizes = { bytesMax: 8_388_608, messagesMax: 1_000 };
  const waiting = { answers: '', waitMs: 60_000 } as const;
  const requests = Array.from({ length: 1_000 }, (_, index) => [
    ...encodeRequest({ kind: 'fetch', request: 1 + index, mailboxes: [box], ...sizes }),
    ...encodeRequest({ kind: 'wait', request: 2_000 + index, mailboxes: [box], ...waiting }),
  ]);
  // All at once, so that the broker receives many of them in one turn of its event loop.
  slow.write(Buffer.concat(requests.flat()));
  // Settles of messages that it does not hold; large, so that few turns of the broker's event loop read
  // many bytes.
  const holds = Array.from({ length: holdsMax }, (_, index) => ({
    number: 1_000_000 + index,
    id: 'x'.repeat(150) as MessageId,
  }));
  const settle = Buffer.concat(encodeRequest({ kind: 'settle', request: 9_000, holds }));
  let taken = 0;
  const flood = (): void => {
    taken += settle.length;
    if (taken < floodBytes) slow.write(settle, flood);
  };
  slow.write(settle, flood);
  // Until the broker takes no more from this peer while others get twenty responses.
  for (let before = -1; taken !== before; ) {
    before = taken;
    for (let answers = 0; answers < 20; answers++) await other.status();
  }
  assert.ok(taken < floodBytes, 'all of the flood was read');
  const grown = (await residentMiB(owner.pid)) - before;
  context.diagnostic(`grown by ${Math.round(grown)} MiB`);
  assert.ok(grown < 45, `grown by ${Math.round(grown)} MiB`);

  // The slow reader holds what fills its buffers, which is far from all messages.
  const { deliveries, remaining } = await other.fetch('box');
  assert.ok(deliveries.length > 0, 'others get mail');
  assert.ok(remaining > 20, `${remaining} messages are left`);
  // It receives the rest when it reads again.
  const decoder = new FrameDecoder();
  let offers = 0;
  slow.on('data', (chunk) => {
    for (const frame of decoder.push(chunk)) if (frame.type === responseTypes.offer) offers++;
  });
  slow.resume();
  while (offers < messages - deliveries.length) await once(slow, 'data');
});
