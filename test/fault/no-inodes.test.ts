// A disk without a free inode: files can grow, but no new one can be made.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountTmpfs, takeInodes } from '../support/disk/tmpfs.ts';
import { program } from '../support/mcp-host.ts';
import { type Ended, nextLine, shell } from '../support/processes/shell.ts';

test('when the owner is killed on a disk without a free inode, the next one opens, and mail is stored, read and settled', async (context) => {
  const { path: disk, why } = await mountTmpfs(context, 'size=64m,nr_inodes=60');
  if (disk === undefined) return context.skip(why);
  const home = join(disk, 'home');
  const { line, other } = await shell(context);
  const ipc = (words: string): Promise<Ended> => line(`"$@" ${words}`, { IPC_HOME: home });
  const own = async () => {
    const env = ['env', `IPC_HOME=${home}`, process.execPath, program, 'broker'];
    const owner = other('/usr/bin/env', env.slice(1));
    assert.match(await nextLine(owner), /^This session owns the broker/);
    return async () => {
      owner.kill('SIGKILL');
      await once(owner, 'exit');
    };
  };
  let kill = await own();
  assert.equal((await ipc('post ann first')).code, 0);
  takeInodes(disk);
  assert.equal((await ipc('post ann second')).code, 0);
  // Each takeover after a kill costs a few inodes of the ballast, until another owner ends cleanly.
  for (let takeover = 1; takeover <= 2; takeover++) {
    await kill();
    kill = await own();
  }
  await kill();
  const waited = await ipc('wait ann --timeout 20');
  assert.deepEqual([waited.code, waited.text], [0, 'first'], waited.errors);
  assert.equal((await ipc('fetch ann')).text, 'second\n');
  assert.match((await ipc('status')).text, /0 messages, 0 bytes/);
});

test('without a free inode, a first call fails with store_full and a hint that names inodes', async (context) => {
  const { path: disk, why } = await mountTmpfs(context, 'size=64m,nr_inodes=60');
  if (disk === undefined) return context.skip(why);
  const { line } = await shell(context);
  takeInodes(disk);
  const env = { IPC_HOME: join(disk, 'home') };
  for (const key of [{}, { IPC_KEY: 'ab'.repeat(32) }]) {
    const { code, errors } = await line('"$@" post ann hi', { ...env, ...key });
    assert.equal(code, 1);
    assert.match(errors, /^ipc: store_full: .*ENOSPC.* To do: free space, or inodes \(`df -i`\)/m);
  }
});
