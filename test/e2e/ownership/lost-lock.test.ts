// A successor that binds all addresses, as its predecessor did, has to release 127.0.0.1 for a moment.
// A process that binds it in that moment has the lock, so the successor must not own the store.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { place } from '../../support/processes/remote.ts';

/** A foreign program that holds the port at an address and does not speak the protocol. */
async function hold(context: TestContext, host: string, port: number): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).end('not a broker');
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  return server;
}

test('a successor that loses its lock while it opens its addresses does not own the store', async (context) => {
  const { home, port, session } = await place(context);
  const folder = join(home, `broker-${port}`);
  const before = session();
  await before.post('box', 'mail');
  await before.start('0.0.0.0');
  await before.kill();
  const door = join(folder, 'owner.sock');
  await rm(door);
  // 0.0.0.0 cannot be bound while another process holds one of its addresses.
  await hold(context, '127.0.0.9', port);

  const successor = session();
  const posting = successor.post('box', 'more mail');
  const refused = assert.rejects(posting, { code: 'port_taken' });
  while (!existsSync(door)) await new Promise(setImmediate);
  // It has acquired the port, and soon releases it for a second in order to bind 0.0.0.0.
  for (let has = false; !has; ) {
    has = await hold(context, '127.0.0.1', port).then(
      () => true,
      () => false,
    );
  }
  await refused;
  assert.deepEqual(await readdir(join(folder, 'epochs')), ['00000001']);
});
