// The disk of the session that owns a store on a NATS server: it has the mirror of the files.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AppContext } from '../../src/app/context.ts';
import type { IpcError } from '../../src/base/errors.ts';
import type { Name } from '../../src/model/message.ts';
import { mountTmpfs, takeSpace } from '../support/disk/tmpfs.ts';
import { natsServer } from '../support/nats/nats-server.ts';
import { natsTeam } from '../support/nats/nats-team.ts';

const box = 'box' as Name;

async function smallHome(context: TestContext, size: string, port: number, broker: string) {
  let app: AppContext | undefined;
  // Before the disk is taken away.
  context.after(() => app?.close());
  const { path, why } = await mountTmpfs(context, `size=${size}`);
  if (path === undefined) return context.skip(why);
  const home = join(path, 'home');
  mkdirSync(home, { mode: 0o700 });
  app = new AppContext({ env: { IPC_PORT: `${port}`, IPC_BROKER: broker }, home, program: 'test' });
  return { home, mail: (await app.broker({})).mail };
}

test('the disk of the owner is full: posts are refused, mail is read and settled, and there is room again', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { port } = await natsTeam(context, server.url);
  const small = await smallHome(context, '12m', port, server.url);
  if (!small) return;
  const { mail, home } = small;
  await mail.post(box, Buffer.from('before'));
  const filler = takeSpace(home);
  let refusal: IpcError | undefined;
  let stored = 1;
  while (!refusal) {
    await mail.post(box, Buffer.alloc(100_000, 'x')).then(
      () => stored++,
      (error: IpcError) => {
        refusal = error;
      },
    );
  }
  assert.equal(refusal.code, 'store_full');
  const { deliveries } = await mail.fetch(box, { messagesMax: 100 });
  assert.equal(deliveries.length, stored);
  assert.deepEqual(await mail.settle(deliveries), []);
  rmSync(filler);
  await mail.post(box, Buffer.alloc(100_000, 'x'));
});

test('a session whose disk is too small for the mirror says so, and another owns the store', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const { port, remote, service } = await natsTeam(context, server.url);
  const first = remote();
  await first.start();
  for (let count = 0; count < 8; count++) await first.post('box', 'x'.repeat(500_000));
  await first.kill();
  const small = await smallHome(context, '2m', port, server.url);
  if (!small) return;
  await assert.rejects(small.mail.post(box, Buffer.from('more')), (error: IpcError) => {
    context.diagnostic(`${error.code}: ${error.message}`);
    assert.match(error.message, /ENOSPC|no space/);
    return error.code === 'store_full';
  });
  const other = await service();
  assert.equal((await other.fetch(box, { messagesMax: 20 })).deliveries.length > 0, true);
  await small.mail.post(box, Buffer.from('more'));
});
