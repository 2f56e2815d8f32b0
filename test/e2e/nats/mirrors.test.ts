// What owners of a broker on a NATS server leave in the state folder of their machine.
import assert from 'node:assert/strict';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostPlace } from '../../support/mcp-host.ts';
import { natsServer } from '../../support/nats/nats-server.ts';

test('the files of an owner that was killed are removed by a later owner, once they are old; those of one that ends, at once', async (context) => {
  const place = await hostPlace(context);
  const server = await natsServer(context);
  if (!server) return;
  const mirrors = async () => readdir(join(place.home, 'nats'));
  const start = async () => {
    const host = await place.host({ env: { IPC_BROKER: server.url } });
    await host.call({ operation: 'broker_start' });
    return host;
  };
  for (let count = 0; count < 2; count++) await (await start()).kill('SIGKILL');
  const [old = ''] = await mirrors();
  const hourAgo = Date.now() / 1_000 - 3_600;
  await utimes(join(place.home, 'nats', old), hourAgo, hourAgo);
  const last = await start();
  while ((await mirrors()).includes(old));
  assert.equal((await mirrors()).length, 2, 'one is too young: its owner may be alive');
  await last.end();
  assert.equal((await mirrors()).length, 1);
});
