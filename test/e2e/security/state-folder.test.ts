// A state folder that other users can reach, with real users: root runs the program as two of them. What others can
// change is not used, nothing is changed through a link, and ordinary set-ups work.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { McpHost, program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { type Ended, ended } from '../../support/processes/shell.ts';

const uid = 54_321;
const attacker = 54_322;
const isRoot = process.getuid?.() === 0;
const rootOnly = { skip: isRoot ? false : 'only root can run the program as two users' };

interface Users {
  /** Of root, with mode 0755. */
  readonly above: string;
  readonly port: number;
  /** Runs the program as the user 54321. */
  user(home: string, ...args: string[]): Promise<Ended>;
  /** The same as another user, with a key of its own. */
  attacker(home: string, ...args: string[]): Promise<Ended>;
  /** The same as the user, behind the words of another command. */
  behind(prefix: readonly string[], home: string, ...args: string[]): Promise<Ended>;
}

async function users(context: TestContext): Promise<Users> {
  const above = await makeHome(context);
  await chmod(above, 0o755);
  const port = await freePort();
  const start = (id: number, words: readonly string[], home: string, env: object = {}) => {
    const [command = '', ...args] = words;
    const child = spawn(command, args, {
      ...(id === 0 ? {} : { uid: id, gid: id }),
      env: { PATH: process.env.PATH, HOME: above, IPC_HOME: home, IPC_PORT: `${port}`, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
    });
    context.after(() => child.kill('SIGKILL'));
    return ended(child);
  };
  const ipc = [process.execPath, program];
  return {
    above,
    port,
    user: (home, ...args) => start(uid, [...ipc, ...args], home),
    attacker: (home, ...args) =>
      start(attacker, [...ipc, ...args], home, { IPC_KEY: 'ab'.repeat(32) }),
    behind: (prefix, home, ...args) => start(0, [...prefix, ...ipc, ...args], home),
  };
}

async function folderOf(owner: number, path: string, mode = 0o700): Promise<string> {
  await mkdir(path);
  await chown(path, owner, owner);
  await chmod(path, mode);
  return path;
}

function asUser(...words: string[]): string[] {
  return ['setpriv', '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', ...words];
}

function canRun([command = '', ...args]: readonly string[]): boolean {
  return spawnSync(command, args).status === 0;
}

/** Opens a folder with all that is in it to everybody. */
async function open(folder: string): Promise<void> {
  for (const name of ['', ...(await readdir(folder, { recursive: true }))]) {
    await chmod(join(folder, name), 0o777);
  }
}

async function assertRefused(run: Promise<Ended>, error: RegExp): Promise<void> {
  const { code, text, errors } = await run;
  assert.deepEqual([code, text], [1, ''], errors);
  assert.match(errors, error);
}

test(
  'mail that the owner of the folder put there without the key is not read',
  rootOnly,
  async (context) => {
    const { above, port, user, attacker: forge } = await users(context);
    const home = await folderOf(attacker, join(above, 'mail'));
    assert.equal((await forge(home, 'post', 'ann', 'forged')).code, 0);
    await open(home);
    for (const command of ['fetch ann', 'post ann hi', 'status', 'store check', 'key new']) {
      await assertRefused(
        user(home, ...command.split(' ')),
        /^ipc: home_unusable: \S+mail belongs to user 54322, and this process is of user 54321\. To do: set IPC_HOME to a folder of yours\.\n$/,
      );
    }
    assert.deepEqual(await readdir(home), [`broker-${port}`]);
  },
);

test(
  'mail is not read from a store that somebody moved in, where all can write to the folder above',
  rootOnly,
  async (context) => {
    const { above, user } = await users(context);
    const open = await folderOf(0, join(above, 'tmp'), 0o777);
    const [home, forged] = [join(open, 'mail'), join(open, 'forged')];
    for (const each of [home, forged]) await folderOf(uid, each);
    const error =
      /^ipc: home_unusable: \S+tmp can be written by all users, so what is in it cannot be trusted\. To do: set IPC_HOME to a folder that others cannot replace\.\n$/;
    await assertRefused(user(home, 'post', 'ann', 'hi'), error);
    await rename(forged, home);
    await assertRefused(user(home, 'fetch', 'ann'), error);
    // A sticky folder is like the temporary folder.
    await chmod(open, 0o1777);
    assert.equal((await user(home, 'post', 'ann', 'hi')).code, 0);
    assert.equal((await user(join(open, 'new'), 'post', 'ann', 'hi')).code, 0);
  },
);

test(
  "another user's link is not followed, in the temporary folder or for a store, and the user's own is",
  rootOnly,
  async (context) => {
    const { above, port, user } = await users(context);
    const shared = await folderOf(0, join(above, 'tmp'), 0o1777);
    const target = await folderOf(uid, join(above, 'data'));
    const [foreign, own] = [join(shared, 'foreign'), join(shared, 'own')];
    for (const [path, owner] of [
      [foreign, attacker],
      [own, uid],
    ] as const) {
      await symlink(target, path);
      await lchown(path, owner, owner);
    }
    const error = (name: string) =>
      new RegExp(
        `^ipc: home_unusable: \\S+${name} is a symbolic link that belongs to user 54322, and this process is of user 54321\\.`,
      );
    await assertRefused(user(foreign, 'post', 'ann', 'hi'), error('foreign'));
    assert.deepEqual(await readdir(target), []);
    assert.equal((await user(own, 'post', 'ann', 'hi')).code, 0);
    assert.deepEqual((await readdir(target)).sort(), [`broker-${port}`, 'key']);

    const [store, moved] = [join(target, `broker-${port}`), join(above, 'store')];
    await rename(store, moved);
    await symlink(moved, store);
    await lchown(store, uid, uid);
    assert.equal((await user(own, 'post', 'ann', 'behind a link')).code, 0);
    assert.match((await user(own, 'store', 'check')).text, /^Store in .*: sound/);
    await lchown(store, attacker, attacker);
    await assertRefused(user(own, 'fetch', 'ann'), error(`broker-${port}`));
    await lchown(store, uid, uid);
    assert.equal((await user(own, 'fetch', 'ann')).text, 'hi\nbehind a link\n');
  },
);

test('through a link in place of the folder of saved bodies no file is written or removed, and no mode is changed', async (context) => {
  const parent = await makeHome(context);
  const [home, target] = [join(parent, 'home'), join(parent, 'target')];
  for (const each of [home, target]) await mkdir(each);
  await chmod(target, 0o755);
  const files = Array.from({ length: 300 }, (_, at) => `20260101000000${100 + at}-mine.txt`);
  for (const file of files) await writeFile(join(target, file), '');
  await symlink(target, join(home, 'bodies'));
  const host = await McpHost.start({ home, port: await freePort() });
  context.after(() => host.destroy());
  const body = `${'x'.repeat(60_000)} the end`;
  await host.call({ operation: 'post', to: 'ann', message: body });
  const { text } = await host.call({ operation: 'wait', mailbox: 'ann' });
  assert.match(text, /^Message .*; no file could be written\.\n/);
  assert.deepEqual((await readdir(target)).sort(), files);
  assert.equal((await stat(target)).mode & 0o777, 0o755);
});

test('a link inside of a store is refused, and what is behind it stays as it was', async (context) => {
  const parent = await makeHome(context);
  const home = join(parent, 'home');
  const port = await freePort();
  const ipc = (...args: string[]) =>
    ended(
      spawn(process.execPath, [program, ...args], {
        env: { PATH: process.env.PATH, IPC_HOME: home, IPC_PORT: `${port}` },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  assert.equal((await ipc('post', 'ann', 'hi')).code, 0);
  const store = join(home, `broker-${port}`);
  for (const name of ['spare', 'damaged', 'epochs/00000001', 'epochs']) {
    const [path, target] = [join(store, name), join(parent, 'target')];
    await rename(path, `${path}.away`).catch(() => {});
    await mkdir(target);
    // Short ballast, and a segment, would be removed by the next owner.
    for (const file of ['01', 'seg-000001.log', '00000001-000001.json']) {
      await writeFile(join(target, file), 'mine');
    }
    await symlink(target, path);
    const { code, errors } = await ipc('post', 'ann', 'hi');
    assert.deepEqual((await readdir(target)).sort(), [
      '00000001-000001.json',
      '01',
      'seg-000001.log',
    ]);
    assert.equal(await readFile(join(target, '01'), 'utf8'), 'mine');
    if (name !== 'damaged') {
      assert.equal(code, 1, name);
      assert.match(
        errors,
        new RegExp(`^ipc: home_unusable: \\S+${name} is a symbolic link, not a folder\\.`),
      );
    }
    await rename(path, `${target}.link`);
    await rename(target, `${target}-${name.replace('/', '-')}`);
    await rename(`${path}.away`, path).catch(() => {});
  }
  assert.equal((await ipc('fetch', 'ann')).text.split('\n')[0], 'hi');
});

test(
  'ordinary set-ups work: homes of several modes, and user namespaces without root',
  rootOnly,
  async (context) => {
    const { above, user, behind } = await users(context);
    for (const mode of [0o700, 0o755, 0o775]) {
      const home = await folderOf(uid, join(above, `home-${mode}`), mode);
      assert.equal((await user(join(home, '.agent-ipc'), 'post', 'ann', 'hi')).code, 0);
    }
    const home = await folderOf(uid, join(above, 'home'));
    // In these the owner of / has no id, and in the last one this user has none either.
    const namespaces = [['--map-root-user'], ['--map-current-user'], ['--user']];
    for (const words of namespaces.map((options) => ['unshare', ...options])) {
      if (!canRun(asUser(...words, 'true'))) {
        context.diagnostic(`not possible here: ${words.join(' ')}`);
        continue;
      }
      const { code, errors } = await behind(asUser(...words), home, 'post', 'ann', 'hi');
      assert.equal(code, 0, `${words}: ${errors}`);
      assert.equal((await user(home, 'fetch', 'ann')).text, 'hi\n');
    }
  },
);

test(
  'a group without other members is no other user, unless a directory service may have members of it',
  rootOnly,
  async (context) => {
    const { above, user, behind } = await users(context);
    const group = 54_399;
    const volume = await folderOf(0, join(above, 'volume'));
    await chown(volume, 0, group);
    await chmod(volume, 0o2770);
    const names = ['passwd', 'group', 'nsswitch.conf'];
    const tables = await folderOf(0, join(above, 'tables'), 0o755);
    const within = async (rows: Readonly<Record<string, string>>, ...args: string[]) => {
      for (const name of names) await writeFile(join(tables, name), `${rows[name] ?? ''}\n`);
      const mounts = names.map((name) => `mount --bind ${join(tables, name)} /etc/${name}`);
      const user = `setpriv --reuid ${uid} --regid ${uid} --groups ${group}`;
      const line = `${mounts.join(' && ')} && exec ${user} "$@"`;
      return behind(['unshare', '--mount', 'sh', '-c', line, 'sh'], volume, ...args);
    };
    const files = {
      passwd: 'root:x:0:0::/:\nann:x:54321:54321::/:',
      group: `mail:x:${group}:ann,root`,
      'nsswitch.conf': 'passwd: files systemd # and no other',
    };
    const local = await within(files, 'post', 'ann', 'hi');
    if (/unshare|mount/.test(local.errors)) return context.skip(local.errors);
    assert.equal(local.code, 0, local.errors);
    for (const rows of [
      { ...files, group: `mail:x:${group}:ann,bob` },
      { ...files, passwd: `${files.passwd}\nbob:x:54322:${group}::/:` },
      { ...files, 'nsswitch.conf': 'passwd: files\ngroup: files [SUCCESS=merge] sss' },
    ]) {
      const { code, errors } = await within(rows, 'fetch', 'ann');
      assert.equal(code, 1, JSON.stringify(rows));
      assert.match(
        errors,
        /^ipc: home_unusable: \S+volume can be written by group mail \(54399\), so what is in it cannot be trusted\. To do: set IPC_HOME to a folder that others cannot replace\.\n$/,
      );
    }
    // A group with the number of the user is private to it, whatever a directory service has.
    const home = await folderOf(uid, join(above, 'home'), 0o770);
    assert.equal((await user(home, 'post', 'ann', 'hi')).code, 0);
  },
);

test(
  'doctor reports what calls refuse: the folder, the store, and the folder of saved bodies',
  rootOnly,
  async (context) => {
    const { above, port, user } = await users(context);
    const home = await folderOf(uid, join(above, 'mail'));
    assert.equal((await user(home, 'post', 'ann', 'hi')).code, 0);
    const store = join(home, `broker-${port}`);
    await chmod(store, 0o777);
    await symlink(above, join(home, 'bodies'));
    const { code, text } = await user(home, 'doctor');
    assert.equal(code, 1);
    assert.match(
      text,
      /^BAD {2}folder: home_unusable: \S+bodies is a symbolic link, not a folder\. To do: /m,
    );
    const openStore = `BAD  store: home_unusable: ${store} can be written by all users, so what is in it cannot be trusted. To do: \`chmod 700 ${store}\`, or set IPC_HOME to a folder that others cannot replace.`;
    assert.ok(text.split('\n').includes(openStore), text);
    await chmod(above, 0o777);
    const exposed = (await user(home, 'doctor')).text;
    const line = `BAD  folder: home_unusable: ${above} can be written by all users, `;
    assert.equal(exposed.split(line).length, 2, exposed);
  },
);

for (const umask of ['0777', '0277', '0577', '0077', '0002', '0000']) {
  test(
    `under umask ${umask} mail is stored, read and saved, and all files are private`,
    rootOnly,
    async (context) => {
      const { above, port, user, behind } = await users(context);
      const home = join(await folderOf(uid, join(above, 'user')), 'mail');
      const masked = asUser('sh', '-c', `umask ${umask} && exec "$@"`, 'sh');
      for (const text of ['one', 'two']) {
        const { code, errors } = await behind(masked, home, 'post', 'ann', text);
        assert.equal(code, 0, errors);
      }
      const host = await McpHost.start({ home, port, prefix: masked });
      context.after(() => host.destroy());
      await host.call({ operation: 'post', to: 'bob', message: 'x'.repeat(60_000) });
      const { text } = await host.call({ operation: 'wait', mailbox: 'bob' });
      assert.doesNotMatch(text.split('\n')[0] ?? '', /no file could be written/);
      for (const name of ['', ...(await readdir(home, { recursive: true }))]) {
        const found = await lstat(join(home, name));
        const mode = found.isDirectory() ? 0o700 : 0o600;
        assert.deepEqual([found.mode & 0o777, found.uid], [mode, uid], name);
      }
      await host.destroy();
      assert.equal((await user(home, 'fetch', 'ann')).text, 'one\ntwo\n');
    },
  );
}
