// A disk fault that persists when the owner restarts: calls end with its error, instead of starting one
// epoch after another.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildShim, fileLimit, newestEpochOf } from '../support/disk/failing-disk.ts';
import { hostPlace } from '../support/mcp-host.ts';
import { makeHome } from '../support/places.ts';
import { place } from '../support/processes/remote.ts';
import { shell } from '../support/processes/shell.ts';

/** One attempt, and a second one after a standby had time to take over. */
const epochsPerCall = 2;

/** An owner under this limit cannot start. */
const unusable = fileLimit(8);

const failed = { code: 'storage_failed', message: /EIO/ };

test('each command of the program fails with the disk error when every sync fails', async (context) => {
  const { home, port, run, line } = await shell(context);
  const library = buildShim(await makeHome(context));
  if (!library) return context.skip('no gcc here: the other tests of this file have a limit');
  await run(['post', 'box', 'before']);
  const flag = join(home, 'fail');
  writeFileSync(flag, '');
  const env = { LD_PRELOAD: library, FAIL_SYNC: flag };
  const commands = ['post box more', 'fetch box', 'wait box --timeout 60'];
  for (const [index, command] of commands.entries()) {
    const { code, errors } = await line(`"$@" ${command}`, env);
    assert.equal(code, 1, errors);
    assert.match(errors, /^ipc: storage_failed: EIO/m);
    assert.ok(newestEpochOf(home, port) <= 1 + (index + 1) * epochsPerCall);
  }
  assert.equal((await run(['fetch', 'box'])).text, 'before\n');
});

/** A command prefix, and the file that makes every sync of the process fail; undefined without a compiler. */
async function failingSyncs(context: TestContext) {
  const folder = await makeHome(context);
  const library = buildShim(folder);
  const flag = join(folder, 'fail');
  return library && { prefix: ['env', `LD_PRELOAD=${library}`, `FAIL_SYNC=${flag}`], flag };
}

test('the only session on such a disk gets the error for each post and its parked wait, and works again once the disk does', async (context) => {
  const { home, port, session } = await place(context);
  const failing = await failingSyncs(context);
  if (!failing) return context.skip('no gcc here');
  const owner = session(failing.prefix);
  await owner.post('box', 'before');
  const waiting = owner.wait('empty', 60_000);
  const waitEnds = assert.rejects(waiting, failed);
  await owner.status();
  writeFileSync(failing.flag, '');
  const before = newestEpochOf(home, port);
  for (let call = 1; call <= 3; call++) {
    await assert.rejects(owner.post('box', 'in doubt'), failed);
    assert.ok(newestEpochOf(home, port) <= before + call * epochsPerCall);
  }
  await waitEnds;
  rmSync(failing.flag);
  const next = session();
  await next.post('box', 'after');
  const { deliveries } = await next.fetch('box', 9);
  const bodies = deliveries.map(({ body }) => body);
  assert.deepEqual([bodies[0], bodies.at(-1)], ['before', 'after']);
});

test('a healthy standby takes over from an owner on such a disk, stores its post, and keeps the role', async (context) => {
  const { session } = await place(context);
  const failing = await failingSyncs(context);
  if (!failing) return context.skip('no gcc here');
  const owner = session(failing.prefix);
  await owner.post('box', 'before');
  const standby = session();
  const waiting = standby.wait('empty', 60_000);
  await standby.status();
  writeFileSync(failing.flag, '');
  await owner.post('box', 'after');
  const { epoch, own } = await standby.status();
  assert.equal(own, true);
  for (let call = 1; call <= 3; call++) await owner.post('box', `${call}`);
  assert.equal((await standby.status()).epoch, epoch);
  await owner.post('empty', 'hello');
  assert.equal((await waiting)?.body, 'hello');
});

test('after a failover, a wait of a session that cannot own the broker continues at the standby that can', async (context) => {
  const { session } = await place(context);
  const owner = session();
  await owner.post('box', 'before');
  const guest = session(unusable);
  const standby = session();
  const waiting = guest.wait('empty', 60_000);
  await guest.status();
  await standby.status();
  await owner.kill();
  await standby.post('empty', 'hello');
  assert.equal((await waiting)?.body, 'hello');
});

test('over MCP each call to such a store fails with the error, a parked wait included', async (context) => {
  const { home, port, host } = await hostPlace(context);
  const failing = await failingSyncs(context);
  if (!failing) return context.skip('no gcc here');
  const agent = await host({ prefix: failing.prefix });
  await agent.call({ operation: 'post', to: 'box', message: 'before' });
  const waiting = agent.begin({ operation: 'wait', mailbox: 'empty', timeout: 60 });
  await agent.call({ operation: 'broker_status' });
  writeFileSync(failing.flag, '');
  const before = newestEpochOf(home, port);
  for (let call = 1; call <= 3; call++) {
    const message = `in doubt ${call}`;
    const { isError, text } = await agent.call({ operation: 'post', to: 'box', message });
    assert.ok(isError);
    assert.match(text, /storage_failed: EIO/);
    assert.ok(newestEpochOf(home, port) <= before + call * epochsPerCall);
  }
  const { isError, text } = await waiting.answer;
  assert.ok(isError);
  assert.match(text, /storage_failed: EIO/);
});
