// A command that waits for something that never comes has not succeeded.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';

/** A stdin that neither ends nor keeps the process alive. */
const endless = `const { Readable } = require('node:stream');
Object.defineProperty(process, 'stdin', { value: new Readable({ read() {} }) });`;

async function exitCode(context: TestContext, args: readonly string[]): Promise<number | null> {
  const home = await makeHome(context);
  const preload = join(home, 'endless.cjs');
  writeFileSync(preload, endless);
  const { status } = spawnSync(process.execPath, ['--require', preload, program, ...args], {
    env: { PATH: process.env.PATH, HOME: home, IPC_HOME: home, IPC_PORT: `${await freePort()}` },
  });
  return status;
}

test('a post whose stdin never ends does not exit with 0, which means "stored"', async (context) => {
  assert.equal(await exitCode(context, ['post', 'ann']), 13);
});

test('a command that returns exits with 0', async (context) => {
  assert.equal(await exitCode(context, ['install', '--print', 'claude']), 0);
});
