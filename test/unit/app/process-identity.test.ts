// Real processes: a process id alone does not say which process is meant.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findHost, identify, isRunning, lookWithPs } from '../../../src/app/process-identity.ts';
import { makeHome } from '../../support/places.ts';

const psMissing = spawnSync('ps', ['-V']).error ? 'there is no `ps`' : false;

test('a process is the same as long as it runs, and none after its end', async (context) => {
  const child = start(context, 'sleep', ['60']);
  const identity = identify(child.pid as number);
  assert(identity);
  assert.equal(identity.pid, child.pid);
  assert.equal(isRunning(identity), true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(isRunning(identity), false);
});

test('another process with the same id is another one', () => {
  const own = identify(process.pid);
  assert(own);
  assert.equal(isRunning({ pid: process.pid, start: `${own.start}0` }), false);
});

test('a process that has ended counts as ended, although its parent has not noticed', async (context) => {
  // `cat` takes the place of the shell, and waits for no child. Before that, the shell might notice.
  const parent = start(context, 'sh', ['-c', 'sleep 60 > /dev/null & echo $!; exec cat']);
  const { stdin, stdout } = parent;
  assert(stdin && stdout);
  const [line] = await once(stdout, 'data');
  stdin.write('are you cat?');
  await once(stdout, 'data');
  const identity = identify(Number(line));
  assert(identity);
  process.kill(identity.pid, 'SIGKILL');
  while (isRunning(identity)) await new Promise((resolve) => setTimeout(resolve, 5));
  // Its id is still taken.
  process.kill(identity.pid, 0);
});

test('the host of a process is above the shells, npx and env that have started it', async (context) => {
  const folder = await makeHome(context);
  const host = join(folder, 'host.mjs');
  const npx = join(folder, 'npx-cli.js');
  const run = (words: string) =>
    `import { spawn } from 'node:child_process'; spawn(${words}, { stdio: 'inherit' }).on('exit', () => {});`;
  // As npx does it: a script of Node starts a shell, and the shell the program.
  const wait = `['-c', 'echo $$; sleep 60; :']`;
  await writeFile(
    npx,
    `const { spawn } = require('node:child_process'); spawn('sh', ${wait}, { stdio: 'inherit' });`,
  );
  await writeFile(host, run(`'env', ['sh', '-c', '"${process.execPath}" "${npx}"; :']`));
  const child = start(context, process.execPath, [host]);
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  const innermost = Number(line);
  assert.deepEqual(findHost(innermost), identify(child.pid as number));
});

test('`ps` tells the same as /proc', { skip: psMissing }, (context) => {
  const child = start(context, 'sleep', ['60']);
  const found = lookWithPs(child.pid as number);
  assert(found);
  assert.equal(found.parent, process.pid);
  assert.equal(found.isZombie, false);
  assert.deepEqual(found.words, ['sleep', '60']);
  assert.match(found.start, /^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/);
  assert.equal(lookWithPs(2 ** 22 + 1), undefined);
});

/** With all that it starts, it ends before the test does. */
function start(context: TestContext, command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const closed = once(child, 'close');
  context.after(async () => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // All of it has ended.
    }
    await closed;
  });
  return child;
}
