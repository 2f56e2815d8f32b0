// Who has the key cannot make a broker's memory grow beyond its limits.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { bufferedBytesMax } from '../../../src/base/limits.ts';
import { loadKeys } from '../../../src/net/keys.ts';
import { residentMiB } from '../../support/memory.ts';
import { place } from '../../support/processes/remote.ts';
import { provenSocket } from '../../support/proven-socket.ts';

const peers = 600;
/** The broker's own, its pools, and the chunk that each connection is read into. */
const otherMiB = 150;

/** All of a post of 1 MB but its last byte. */
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

test(`${peers} peers that send most of a post leave the memory of the broker flat, and others are served`, async (context) => {
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
  await session().post('box', 'y'.repeat(1_048_576));
  assert.equal((await waiting)?.body.length, 1_048_576);
  const grown = (await residentMiB(owner.pid)) - before;
  context.diagnostic(`grown by ${Math.round(grown)} MiB`);
  assert.ok(grown < bufferedBytesMax / 1_024 ** 2 + otherMiB, `grown by ${Math.round(grown)} MiB`);
  // By so much it would have grown.
  assert.ok(bufferedBytesMax / 1_024 ** 2 + otherMiB < peers);
});
