// What a process that begins to own a store finds in its folder, and leaves there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, rename, utimes } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { claim } from '../../support/claim.ts';
import { freePort, makeHome } from '../../support/places.ts';

test('the next owner removes the sockets of processes that died before they served; sockets that are in use or young stay', async (context) => {
  const folder = await makeHome(context);
  const listeners: Server[] = [];
  context.after(() => {
    for (const each of listeners) each.close();
  });
  const socket = async (name: string): Promise<Server> => {
    const server = createServer();
    listeners.push(server.listen(join(folder, name)));
    await once(server, 'listening');
    return server;
  };
  // Node removes a socket only under the name with which it was made, so after a rename it stays.
  const left = async (name: string) => {
    const server = await socket('made');
    await rename(join(folder, 'made'), join(folder, name));
    server.close();
    await once(server, 'close');
  };
  const old = new Date(Date.now() - 120_000);
  await left('o-leftold1');
  await left('o-leftnew2');
  await socket('o-liveold3');
  await left('other-socket');
  await mkdir(join(folder, 'o-folder4'));
  for (const name of ['o-leftold1', 'o-liveold3', 'other-socket', 'o-folder4']) {
    await utimes(join(folder, name), old, old);
  }

  const claimed = await claim(await freePort(), folder);
  assert(claimed.kind === 'won');
  listeners.push(...claimed.listeners);
  assert.deepEqual((await readdir(folder)).sort(), [
    'o-folder4',
    'o-leftnew2',
    'o-liveold3',
    'other-socket',
    'owner.sock',
  ]);
});
