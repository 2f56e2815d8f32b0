// A process that has no home, no entry in the password file, or no folder: Node throws where it is asked for
// them. No command shows a stack trace, and what needs none of them works.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hostPlace, program } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';
import { type Ended, ended, type Shell, shell } from '../../support/processes/shell.ts';

/** A uid that no password file has. */
const unlisted = '54321';
const asUnlisted =
  process.getuid?.() === 0
    ? ['setpriv', '--reuid', unlisted, '--regid', unlisted, '--clear-groups']
    : ['unshare', '--user', `--map-user=${unlisted}`, `--map-group=${unlisted}`];
const noUnlisted = canStart(asUnlisted) ? false : 'no other uid can run the program here';

function canStart([command = '', ...words]: readonly string[]): boolean {
  const args = [...words, process.execPath, program, '--version'];
  return spawnSync(command, args, { cwd: '/' }).status === 0;
}

const noHome = /there is no home folder: HOME is not set, and uid 54321 has none/;

interface Homeless {
  /** Runs the program as the uid without an entry; `env` is all that it has beside PATH. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** A folder that the uid may write to. */
  readonly folder: string;
  readonly port: number;
}

async function homeless(context: TestContext): Promise<Homeless> {
  const { other, port } = await shell(context);
  const folder = await makeHome(context);
  await chmod(folder, 0o1777);
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const settings = { PATH: process.env.PATH ?? '', IPC_PORT: `${port}`, ...env };
    const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const inFolder = ['-C', '/', '-i', ...words];
    return ended(other('env', [...inFolder, ...asUnlisted, process.execPath, program, ...args]));
  };
  return { run, folder, port };
}

test('without a home every command names it and the variables to set', {
  skip: noUnlisted,
}, async (context) => {
  const { run } = await homeless(context);
  for (const args of [
    ['post', 'ann', 'hi'],
    ['wait', 'ann'],
    ['status'],
    ['ping', '127.0.0.1:1'],
    ['receive'],
    ['key', 'show'],
    ['store', 'check'],
  ]) {
    const { code, text, errors } = await run(args);
    assert.deepEqual([code, text], [1, ''], errors);
    assert.match(errors, /^ipc: home_unusable: .*\. To do: set HOME or IPC_HOME\.\n$/);
    assert.match(errors, noHome);
  }
});

test('without a home doctor says so in one line', { skip: noUnlisted }, async (context) => {
  const { run } = await homeless(context);
  const { code, text, errors } = await run(['doctor']);
  const bad = `${text}${errors}`.split('\n').filter((line) => line.startsWith('BAD'));
  assert.equal(code, 1);
  assert.equal(bad.length, 1, `${text}${errors}`);
  assert.match(
    bad[0] ?? '',
    /home_unusable: there is no home folder.* To do: set HOME or IPC_HOME\./,
  );
});

test('with IPC_HOME a process without a home posts and reads, and doctor and install pass over its hosts', {
  skip: noUnlisted,
}, async (context) => {
  const { run, folder } = await homeless(context);
  const env = { IPC_HOME: join(folder, 'mail') };
  assert.equal((await run(['post', 'ann', 'hello'], env)).code, 0);
  assert.equal((await run(['wait', 'ann'], env)).text, 'hello');
  const doctor = await run(['doctor'], env);
  assert.equal(doctor.code, 0, doctor.errors);
  const none = await run(['install', '--print'], env);
  assert.match(none.errors, /^ipc: host_unusable: no host was found on this machine\. /);
  const cursor = await run(['install', 'cursor', '--print'], env);
  assert.equal(
    cursor.errors,
    'ipc: host_unusable: Cursor keeps its settings in the home folder, and this user has none. To do: set HOME.\n',
  );
});

test('without a home `ipc mcp` stays connected, and every call names what to set', {
  skip: noUnlisted,
}, async (context) => {
  const place = await hostPlace(context);
  const command = 'env';
  const args = ['-u', 'HOME', '-u', 'IPC_HOME', ...asUnlisted, process.execPath, program, 'mcp'];
  const host = await place.host({ server: { command, args, cwd: '/' } });
  for (const operation of ['broker_status', 'broker_start']) {
    const { text, isError } = await host.call({ operation });
    assert.equal(isError, true);
    assert.match(text, noHome);
    assert.match(text, /set HOME or IPC_HOME/);
  }
  await host.end();
});

/** Runs a line of the shell in a folder that is removed before. */
async function inRemoved({ home, line }: Shell, text: string, env = {}): Promise<Ended> {
  const folder = `${home}-removed`;
  return line(`mkdir '${folder}' && cd '${folder}' && rmdir '${folder}' && ${text}`, env);
}

test('in a folder that was removed all commands work, and only the files of a project are passed over', async (context) => {
  const place = await shell(context);
  const { home } = place;
  await mkdir(join(home, '.cursor'), { recursive: true, mode: 0o700 });
  for (const [text, code] of [
    ['"$@" post ann hi', 0],
    ['"$@" fetch ann', 0],
    ['"$@" work jobs -- cat </dev/null & pid=$!; "$@" post jobs shutdown && wait $pid', 0],
    ['"$@" doctor', 0],
    ['"$@" doctor --json', 0],
    ['"$@" install --print', 0],
    ['"$@" install cursor --yes', 0],
    ['"$@" uninstall cursor --yes', 0],
    ['"$@" install cursor --scope project --yes', 1],
  ] as const) {
    const { code: actual, errors } = await inRemoved(place, text);
    assert.equal(actual, code, `${text}: ${errors}`);
    assert.doesNotMatch(errors, /^ +at /m, text);
  }
  const project = await inRemoved(place, '"$@" uninstall cursor --scope project --yes');
  assert.equal(
    project.errors,
    'ipc: host_unusable: Cursor: the current folder was removed, so it has no project. To do: change to the folder of the project.\n',
  );
});

test("a host's own program is not started in a folder that was removed", async (context) => {
  const place = await shell(context);
  const bin = `${place.home}-bin`;
  await mkdir(bin);
  const script = '#!/bin/sh\npwd > "$HOME/where"\n';
  await mkdir(place.home);
  await writeFile(join(bin, 'codex'), script, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const { code, errors } = await inRemoved(
    place,
    '"$@" install codex --yes && cat "$HOME/where"',
    env,
  );
  assert.equal(code, 0, errors);
});

test('`ipc mcp` starts in a folder that was removed', async (context) => {
  const place = await hostPlace(context);
  const folder = await makeHome(context);
  const removed = join(folder, 'removed');
  const line = `mkdir '${removed}' && cd '${removed}' && rmdir '${removed}' && exec "$@"`;
  const args = ['-c', line, 'sh', process.execPath, program, 'mcp'];
  const host = await place.host({ server: { command: 'sh', args } });
  assert.equal((await host.call({ operation: 'broker_status' })).isError, false);
  host.endInput();
  if (host.child.exitCode === null) await once(host.child, 'exit');
});
