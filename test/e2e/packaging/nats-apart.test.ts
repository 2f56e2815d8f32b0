// The clients of NATS are in a file of their own, which nothing loads that has no address of a NATS server.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort, makeHome } from '../../support/places.ts';

const dist = fileURLToPath(new URL('../../../../dist/', import.meta.url));

/** A build without that file. */
async function place(context: TestContext) {
  const above = await makeHome(context);
  const build = join(above, 'dist');
  cpSync(dist, build, { recursive: true });
  rmSync(join(build, 'nats.mjs'));
  const home = join(above, 'home');
  const variables = { PATH: process.env.PATH, HOME: home, IPC_HOME: home };
  const env = { ...variables, IPC_PORT: `${await freePort()}` };
  const node = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    spawnSync(process.execPath, args, { env: { ...env, ...more }, encoding: 'utf8', input: '' });
  return { build, node, ipc: join(build, 'ipc.js') };
}

test('without a NATS server the program and its hook do not open dist/nats.mjs', async (context) => {
  const { node, ipc } = await place(context);
  const posted = node([ipc, 'post', 'ann', 'hello']);
  assert.deepEqual([posted.status, posted.stdout.slice(0, 12)], [0, 'Stored as #1']);
  assert.equal(node([ipc, 'wait', 'ann']).stdout, 'hello');
  assert.equal(node([ipc, 'doctor']).status, 0);
  assert.equal(node([ipc, 'wake', '--for', 'claude']).status, 0);
  const nats = node([ipc, 'post', 'ann', 'hello'], { IPC_BROKER: 'nats://127.0.0.1:1' });
  assert.notEqual(nats.status, 0, 'with one it does');
  assert.match(nats.stderr, /nats\.mjs.*run the command again/s);
});

test('without a NATS server the library does not open dist/nats.mjs', async (context) => {
  const { build, node } = await place(context);
  const text = `
    const { open } = await import(${JSON.stringify(pathToFileURL(join(build, 'index.mjs')).href)});
    const mail = await open();
    await mail.post('ann', 'hello');
    console.log((await mail.wait('ann')).text);
    await mail.close();
  `;
  const { stdout, stderr } = node(['--input-type=module', '-e', text]);
  assert.deepEqual([stdout, stderr], ['hello\n', '']);
});
