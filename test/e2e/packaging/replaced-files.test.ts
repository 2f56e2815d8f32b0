// An update replaces the files of the program while processes of it run.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPlace, program, type ServerCommand } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';

const marks = { broker: 'Broker=class', otherCommands: 'Set up `ipc mcp`' };
const pollMs = 20;
const loadedMsMax = 60_000;

/** A build that the test may change. */
async function copyBuild(context: TestContext) {
  const above = await makeHome(context);
  const build = join(above, 'dist');
  cpSync(dirname(program), build, { recursive: true });
  return { above, build, ipc: join(build, 'ipc.js') };
}

/** The chunks with this text. */
function chunksWith(build: string, mark: string): string[] {
  const names = readdirSync(build).filter((name) => name.startsWith('chunk-'));
  const chunks = names.map((name) => join(build, name));
  const found = chunks.filter((path) => readFileSync(path, 'utf8').includes(mark));
  assert.notEqual(found.length, 0, mark);
  return found;
}

/** A server that reports the chunks that it has loaded, and a function that waits for some of them. */
function reportingServer(above: string, ipc: string) {
  const [reporter, report] = [join(above, 'reporter.cjs'), join(above, 'loaded.txt')];
  writeFileSync(
    reporter,
    `const seen = new Set();
    setInterval(() => {
      for (const path of Object.keys(require.cache)) {
        if (seen.has(path)) continue;
        seen.add(path);
        require('node:fs').appendFileSync(${JSON.stringify(report)}, path + '\\n');
      }
    }, ${pollMs}).unref();`,
  );
  const server: ServerCommand = {
    command: process.execPath,
    args: ['--require', reporter, ipc, 'mcp'],
  };
  const loaded = async (paths: readonly string[]) => {
    for (const end = Date.now() + loadedMsMax; Date.now() < end; await sleep(pollMs)) {
      const lines = existsSync(report) ? readFileSync(report, 'utf8').split('\n') : [];
      if (paths.every((path) => lines.includes(path))) return;
    }
    assert.fail(`not loaded: ${paths}`);
  };
  return { server, loaded };
}

const post = { operation: 'post', to: 'ann', from: 'ben', message: 'hello' };

test('a standby that has loaded the code of an owner takes over, though its files are gone', async (context) => {
  const place = await hostPlace(context);
  const { above, build, ipc } = await copyBuild(context);
  const owner = await place.host({ server: { command: process.execPath, args: [ipc, 'mcp'] } });
  await owner.call({ operation: 'broker_start' });
  const { server, loaded } = reportingServer(above, ipc);
  const standby = await place.host({ server });
  assert.equal((await standby.call(post)).isError, false);
  await loaded(chunksWith(build, marks.broker));
  renameSync(build, `${build}.old`);
  await owner.kill('SIGKILL');
  assert.equal((await standby.call(post)).isError, false);
  const { text } = await standby.call({ operation: 'broker_status' });
  assert.match(text, new RegExp(`pid ${standby.child.pid}`));
});

test('one whose files are gone before says what to do, and goes on with the next owner', async (context) => {
  const place = await hostPlace(context);
  const { build, ipc } = await copyBuild(context);
  const owner = await place.host();
  await owner.call({ operation: 'broker_start' });
  for (const path of chunksWith(build, marks.broker)) rmSync(path);
  const standby = await place.host({ server: { command: process.execPath, args: [ipc, 'mcp'] } });
  assert.equal((await standby.call(post)).isError, false);
  await owner.kill('SIGKILL');
  // While this one starts, no call of the standby waits.
  const next = await place.host();
  await next.call({ operation: 'broker_start' });
  assert.equal(standby.child.exitCode, null);
  assert.equal((await standby.call(post)).isError, false);
  await next.kill('SIGKILL');
  const { isError, text } = await standby.call(post);
  assert(isError);
  assert.match(text, /version_mismatch/);
  assert.match(text, /a file of agent-ipc is gone.*start it again/s);
  const last = await place.host();
  await last.call({ operation: 'broker_start' });
  assert.equal((await standby.call(post)).isError, false);
});

test('a command whose files are gone says what to do', async (context) => {
  const { above, build, ipc } = await copyBuild(context);
  for (const path of chunksWith(build, marks.otherCommands)) rmSync(path);
  const { status, stderr } = spawnSync(process.execPath, [ipc, 'doctor'], {
    env: { PATH: process.env.PATH, HOME: above, IPC_HOME: join(above, 'home') },
    encoding: 'utf8',
    input: '',
  });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /a file of agent-ipc is gone.*run the command again/s);
  assert.doesNotMatch(stderr, /\n {4}at /);
});
