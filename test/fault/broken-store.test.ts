// A disk fault that persists when the owner restarts: calls end with its error, instead of starting one
// epoch after another.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildShim, fileLimit, largeBody, newestEpochOf } from '../support/disk/failing-disk.ts';
import { hostPlace, program } from '../support/mcp-host.ts';
import { makeHome } from '../support/places.ts';
import { type Place, place, type Remote } from '../support/processes/remote.ts';
import { ended, shell } from '../support/processes/shell.ts';

/** One attempt, and a second one after a standby had time to take over. */
const epochsPerCall = 2;

/** An owner under this limit starts, and fails at a large post. */
const limited = fileLimit(128);
/** An owner under this limit cannot start. */
const unusable = fileLimit(8);

const failed = { code: 'storage_failed', message: /EFBIG/ };

test('a post by the program that exceeds the file size limit fails with the disk error after two epochs', async (context) => {
  const { home, port, run, other } = await shell(context);
  await run(['post', 'box', 'before']);
  for (let call = 1; call <= 3; call++) {
    const [command = '', ...words] = [...limited, process.execPath, program, 'post', 'box'];
    const { code, errors } = await ended(other(command, words, largeBody));
    assert.equal(code, 1);
    assert.match(
      errors,
      /^ipc: storage_failed: EFBIG: .* The call may have taken effect all the same\./m,
    );
    assert.equal(newestEpochOf(home, port), 1 + call * epochsPerCall);
  }
  await run(['post', 'box', 'after']);
  assert.equal((await run(['fetch', 'box'])).text, 'before\nafter\n');
});

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

/** A session under the file size limit that owns a store made by a healthy session. */
async function limitedOwner({ session }: Place): Promise<Remote> {
  const maker = session();
  await maker.post('box', 'before');
  const owner = session(limited);
  await owner.status();
  await maker.close();
  assert.equal((await owner.status()).own, true);
  return owner;
}

test('the only session on such a disk gets the error for each post and its parked wait, and works again once the disk does', async (context) => {
  const here = await place(context);
  const owner = await limitedOwner(here);
  const waiting = owner.wait('empty', 60_000);
  const waitEnds = assert.rejects(waiting, failed);
  await owner.status();
  const before = newestEpochOf(here.home, here.port);
  for (let call = 1; call <= 3; call++) {
    await assert.rejects(owner.post('box', largeBody), failed);
    assert.ok(newestEpochOf(here.home, here.port) <= before + call * epochsPerCall);
  }
  await waitEnds;
  const small = here.session();
  await small.post('box', 'after');
  assert.equal((await small.fetch('box', 1)).deliveries[0]?.body, 'before');
});

test('a healthy standby takes over from an owner on such a disk, stores its post, and keeps the role', async (context) => {
  const here = await place(context);
  const owner = await limitedOwner(here);
  const standby = here.session();
  const waiting = standby.wait('empty', 60_000);
  await standby.status();
  await owner.post('box', largeBody);
  const { epoch, own } = await standby.status();
  assert.equal(own, true);
  for (let call = 1; call <= 3; call++) await owner.post('box', largeBody);
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
  const maker = await host();
  await maker.call({ operation: 'post', to: 'box', message: 'before' });
  await maker.end();
  const agent = await host({ prefix: limited });
  const waiting = agent.begin({ operation: 'wait', mailbox: 'empty', timeout: 60 });
  await agent.call({ operation: 'broker_status' });
  const before = newestEpochOf(home, port);
  for (let call = 1; call <= 3; call++) {
    const { isError, text } = await agent.call({
      operation: 'post',
      to: 'box',
      message: `${call} ${largeBody}`,
    });
    assert.ok(isError);
    assert.match(text, /storage_failed: EFBIG/);
    assert.ok(newestEpochOf(home, port) <= before + call * epochsPerCall);
  }
  const { isError, text } = await waiting.answer;
  assert.ok(isError);
  assert.match(text, /storage_failed: EFBIG/);
});
