// `ipc doctor`: what a machine has, what is amiss, and what to do.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { said, shell } from '../support/shell.ts';

test('on a machine where nothing was used yet all is well, and nothing is made', async (context) => {
  const { run, home, port } = await shell(context);
  const { code, errors } = await run(['doctor']);
  assert.equal(code, 0);
  assert.match(errors, /^ok {3}Node: v\d+\.\d+\.\d+\.\n/);
  assert.match(errors, new RegExp(`\nok   port: ${port} is free: `));
  assert.match(errors, /\nok {3}store: .*, made by the first post\.\n/);
  assert.equal(existsSync(home), false);
});

test('owner, key and store of a broker that runs are named', async (context) => {
  const { run, begin, home, port } = await shell(context);
  const broker = begin(['broker']);
  await said(broker);
  await run(['post', 'B', 'hi']);
  const { code, errors } = await run(['doctor']);
  assert.equal(code, 0);
  assert.match(errors, new RegExp(`\nok   key: ${join(home, 'key')}\\.\n`));
  assert.match(
    errors,
    new RegExp(`\nok   port: ${port}: pid ${broker.pid} \\(.*\\) owns the broker`),
  );
  assert.match(errors, /\nok {3}store: .*: 1 unsettled messages\.\n/);
});

test('what is amiss is said with what to do, and exits with 1', async (context) => {
  const { run, home, port } = await shell(context);
  const stranger = createServer().listen(port, '127.0.0.1');
  context.after(() => stranger.close());
  await once(stranger, 'listening');
  await mkdir(home);
  await chmod(home, 0o755);
  await writeFile(join(home, 'key'), 'no key', { mode: 0o600 });
  const { code, text } = await run(['doctor', '--json']);
  assert.equal(code, 1);
  const bad = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ ok }) => !ok);
  assert.deepEqual(
    bad.map(({ about }) => about),
    ['folder', 'key', 'port'],
  );
  assert.equal(bad[0].hint, `chmod 700 '${home}'`);
  assert.match(bad[1].what, /^key_unusable: /);
  assert.match(bad[2].what, new RegExp(`^${port} is held by pid ${process.pid} `));
});

test('a host that is here and does not have ipc is told how to get it', async (context) => {
  const { run, home } = await shell(context);
  await mkdir(join(home, '.cursor'), { recursive: true });
  await chmod(home, 0o700);
  assert.match(
    (await run(['doctor'])).errors,
    /\nok {3}Cursor: does not have ipc yet\. To do: ipc install cursor\.\n/,
  );
  await run(['install', 'cursor', '--yes']);
  assert.match((await run(['doctor'])).errors, /\nok {3}Cursor: has ipc\.\n/);
});
