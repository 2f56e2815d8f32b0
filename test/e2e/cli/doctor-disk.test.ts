// `ipc doctor` and a disk that takes no mail.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountTmpfs, takeInodes, takeSpace } from '../../support/disk/tmpfs.ts';
import { program } from '../../support/mcp-host.ts';
import { reported, reportedAbout } from '../../support/processes/doctor.ts';
import { overQuota } from '../../support/processes/over-quota.ts';
import { ended, nextLine, shell } from '../../support/processes/shell.ts';

test('a full disk is reported before the first call, and nothing is left on it', async (context) => {
  const { path, why } = await mountTmpfs(context, 'size=4m');
  if (path === undefined) return context.skip(why);
  const { line } = await shell(context);
  takeSpace(path);
  const doctor = await line('"$@" doctor --json', { IPC_HOME: join(path, 'home') });
  assert.equal(doctor.code, 1);
  assert.deepEqual(reportedAbout('disk', doctor), {
    about: 'disk',
    ok: false,
    what: `0 bytes free for ${path}: posts may be refused`,
    hint: 'free space there; mail that is stored can be read meanwhile',
  });
  assert.deepEqual(readdirSync(path), ['filler']);
  const { code, errors } = await line('"$@" post ann hi', { IPC_HOME: join(path, 'home') });
  assert.deepEqual([code, errors.includes('ENOSPC')], [1, true]);
});

test('a disk that a store has filled is reported', async (context) => {
  const { path, why } = await mountTmpfs(context, 'size=6m');
  if (path === undefined) return context.skip(why);
  const { line } = await shell(context);
  const env = { IPC_HOME: join(path, 'home') };
  const disk = async () => reportedAbout('disk', await line('"$@" doctor --json', env));
  assert.deepEqual(await disk(), {
    about: 'disk',
    ok: true,
    what: `6 MiB free for ${path}`,
    hint: null,
  });
  const large = 'head -c 1000000 /dev/zero | tr "\\0" x |';
  for (let posts = 0; (await line(`${large} "$@" post ann`, env)).code === 0; posts++) {
    assert.ok(posts < 10);
  }
  const few = /^\d+ \w+ free for .*: (posts may be refused|too little to store a message of 1 MB)$/;
  const { ok, what } = await disk();
  assert.equal(ok, false);
  assert.match(what, few);
  takeSpace(path);
  assert.match((await disk()).what, /^0 bytes free for .*: posts may be refused$/);
});

test('a disk with too little space for the largest message is reported', async (context) => {
  const { path, why } = await mountTmpfs(context, 'size=2m');
  if (path === undefined) return context.skip(why);
  const { line } = await shell(context);
  const doctor = await line('"$@" doctor --json', { IPC_HOME: join(path, 'home') });
  assert.deepEqual([doctor.code, reportedAbout('disk', doctor).ok], [1, false]);
  assert.equal(
    reportedAbout('disk', doctor).what,
    `2 MiB free for ${path}: too little to store a message of 1 MB`,
  );
});

test('a disk without inodes is reported', async (context) => {
  const { path, why } = await mountTmpfs(context, 'size=64m,nr_inodes=60');
  if (path === undefined) return context.skip(why);
  const { line } = await shell(context);
  const disk = async () =>
    reportedAbout('disk', await line('"$@" doctor --json', { IPC_HOME: join(path, 'home') }));
  assert.equal((await disk()).ok, true);
  takeInodes(path, 50);
  assert.match((await disk()).what, /^\d of 60 inodes free for .*: a broker may need 24$/);
  takeInodes(path);
  assert.deepEqual(await disk(), {
    about: 'disk',
    ok: false,
    what: `0 of 60 inodes free for ${path}: a broker may need 24`,
    hint: 'remove files there',
  });
});

test('a quota that is used up is reported, though the disk has space', async (context) => {
  const { other } = await shell(context);
  const { prefix, why } = overQuota('fdatasync');
  if (!prefix) return context.skip(why);
  const words = [...prefix.slice(1), process.execPath, program, 'doctor', '--json'];
  const doctor = await ended(other(prefix[0], words));
  const { ok, what, hint } = reportedAbout('disk', doctor);
  assert.deepEqual([doctor.code, ok, hint], [1, false, 'free space there']);
  assert.match(
    what,
    /^\/.* takes no file of 64 KiB \(EDQUOT\): the quota of this user is used up$/,
  );
});

test('a file system that is read-only is reported, whether a store is on it or not', async (context) => {
  const { path, why } = await mountTmpfs(context, 'size=16m');
  if (path === undefined) return context.skip(why);
  const { line } = await shell(context);
  const env = { IPC_HOME: join(path, 'home') };
  const remount = (mode: string) =>
    assert.equal(spawnSync('mount', ['-o', `remount,${mode}`, path]).status, 0);
  for (const folder of [path, join(path, 'home', 'broker-')]) {
    remount('ro');
    const doctor = await line('"$@" doctor --json', env);
    assert.equal(doctor.code, 1);
    const { ok, what } = reportedAbout('disk', doctor);
    assert.equal(ok, false);
    assert.ok(what.startsWith(folder) && what.endsWith(' is on a file system that is read-only'));
    remount('rw');
    assert.equal((await line('"$@" post ann hi', env)).code, 0);
  }
});

test('a limit on file sizes is reported, of doctor and of the owner of the broker', async (context) => {
  const { line, other, run, port } = await shell(context);
  const limited = await line('ulimit -f 64; "$@" doctor --json');
  assert.equal(limited.code, 1);
  const { what, hint } = reportedAbout('file size', limited);
  assert.match(
    what,
    /^this process may write no file above \d+ KiB, so it can refuse a post of 1 MB$/,
  );
  assert.equal(hint, 'raise the limit (`ulimit -f unlimited`)');
  // Of 2 MiB, in blocks of 512 bytes.
  const roomy = reported(await line('ulimit -f 4096; "$@" doctor --json'));
  assert.equal(
    roomy.some(({ about }) => about === 'file size'),
    false,
  );
  const script = 'ulimit -f 1024; exec "$@"';
  const broker = other('sh', ['-c', script, 'sh', process.execPath, program, 'broker']);
  await nextLine(broker);
  assert.match(
    reportedAbout('file size', await run(['doctor', '--json'])).what,
    new RegExp(`^pid ${broker.pid}, which owns the broker, may write no file above `),
  );
  assert.match(
    reportedAbout('port', await run(['doctor', '--json'])).what,
    new RegExp(`^${port}: pid`),
  );
});

test('doctor leaves no file of its probe behind', async (context) => {
  const { run, home, port } = await shell(context);
  assert.equal(
    reported(await run(['doctor', '--json'])).every(({ ok }) => ok),
    true,
  );
  assert.equal(existsSync(home), false);
  await run(['post', 'ann', 'hi']);
  const folder = join(home, `broker-${port}`);
  const before = readdirSync(folder);
  await run(['doctor']);
  assert.deepEqual(readdirSync(folder), before);
});

test('a store in memory is reported with what that means, and no fact is given for a remedy', async (context) => {
  const { path, why } = await mountTmpfs(context, 'size=64m');
  if (path === undefined) return context.skip(why);
  const { line, port } = await shell(context);
  const env = { IPC_HOME: join(path, 'home') };
  await line('"$@" post ann hi', env);
  const folder = join(path, 'home', `broker-${port}`);
  assert.deepEqual(reportedAbout('store', await line('"$@" doctor --json', env)), {
    about: 'store',
    ok: false,
    what: `${folder}: 1 unsettled message; the store ${folder} is on tmpfs, which is memory: its mail is lost when this machine restarts`,
    hint: null,
  });
});
