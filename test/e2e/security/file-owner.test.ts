// Files of another user, most often of root after a `sudo` that kept HOME. The error names the owner and the line
// that gives them back, and root makes none that would lock the user out.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { type Ended, ended, nextLine } from '../../support/processes/shell.ts';

const uid = 54_321;
const isRoot = process.getuid?.() === 0;
const rootOnly = { skip: isRoot ? false : 'only root can run the program as two users' };

interface TwoUsers {
  /** The user's state folder. */
  readonly home: string;
  readonly port: number;
  user(...args: string[]): Promise<Ended>;
  /** As `sudo` with the user's environment. */
  root(...args: string[]): Promise<Ended>;
  begin(...args: string[]): ReturnType<typeof spawn>;
}

async function twoUsers(context: TestContext): Promise<TwoUsers> {
  const above = await makeHome(context);
  await chown(above, uid, uid);
  const home = join(above, 'mail');
  const port = await freePort();
  const start = (args: readonly string[], ids: { uid?: number; gid?: number }) => {
    const child = spawn(process.execPath, [program, ...args], {
      ...ids,
      env: { PATH: process.env.PATH, HOME: above, IPC_HOME: home, IPC_PORT: `${port}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
    });
    context.after(() => child.kill('SIGKILL'));
    return child;
  };
  const own = { uid, gid: uid };
  return {
    home,
    port,
    user: (...args) => ended(start(args, own)),
    root: (...args) => ended(start(args, {})),
    begin: (...args) => start(args, own),
  };
}

test(
  "root makes no file in another user's folder, and says what to run instead",
  rootOnly,
  async (context) => {
    const { home, user, root } = await twoUsers(context);
    for (const args of [['post', 'ann', 'hi'], ['status'], ['key', 'new']]) {
      const { code, errors } = await root(...args);
      assert.equal(code, 1);
      assert.match(
        errors,
        /^ipc: home_unusable: \S+ belongs to user 54321; files that root makes in it would lock that user out\. To do: run it without sudo, or as that user \(sudo -u '#54321'\), or set IPC_HOME to a folder of root\.\n$/,
      );
      assert.equal(existsSync(home), false);
    }
    assert.match(
      (await root('doctor')).text,
      /^BAD {2}folder: home_unusable: \S+ belongs to user 54321; files that root makes in it would lock that user out\. To do: run it without sudo, /m,
    );
    assert.equal((await user('post', 'ann', 'hi')).code, 0);
    assert.match(
      (await root('post', 'ann', 'hi')).errors,
      /^ipc: home_unusable: \S+ belongs to user 54321; /,
    );
    assert.equal((await user('fetch', 'ann')).text, 'hi\n');
  },
);

test(
  'root uses no key, store or broker of another user, and the error says what to run instead',
  rootOnly,
  async (context) => {
    const { home, user, root, begin } = await twoUsers(context);
    assert.equal((await user('post', 'ann', 'hi')).code, 0);
    const broker = begin('broker');
    await nextLine(broker as Parameters<typeof nextLine>[0]);
    const commands = ['post ann hi', 'fetch ann', 'status', 'key show', 'ping 127.0.0.1:1'];
    for (const command of [...commands, 'store check', 'store dump', 'doctor']) {
      const { code, text, errors } = await root(...command.split(' '));
      assert.equal(code, 1, command);
      assert.match(
        `${text}${errors}`,
        /^(?:ipc|BAD {2}folder): home_unusable: \S+ belongs to user 54321; .* as that user \(sudo -u '#54321'\), /m,
        command,
      );
    }
    const child = spawn(process.execPath, [program, 'key', 'show'], {
      env: { PATH: process.env.PATH, IPC_HOME: '/', IPC_KEY_FILE: join(home, 'key') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, text, errors } = await ended(child);
    assert.deepEqual([code, text], [1, '']);
    assert.match(
      errors,
      /^ipc: key_unusable: \S+ belongs to user 54321.* \(sudo -u '#54321'\), or set IPC_KEY_FILE /,
    );
    assert.equal((await user('fetch', 'ann')).text, 'hi\n');
  },
);

test(
  'the error for a file of root names it, its owner and the line that gives it back',
  rootOnly,
  async (context) => {
    const { home, port, user } = await twoUsers(context);
    assert.equal((await user('post', 'ann', 'hi')).code, 0);
    const store = join(home, `broker-${port}`);
    const epochs = join(store, 'epochs');
    for (const [path, mode, commands] of [
      [epochs, 0o700, ['post', 'store check', 'doctor']],
      [join(epochs, '00000001'), 0o700, ['post', 'store check', 'doctor']],
      [join(epochs, '00000001/seg-000001.log'), 0o600, ['post', 'store check', 'doctor']],
      [store, 0o700, ['post', 'store check', 'doctor']],
      [join(home, 'key'), 0o600, ['post', 'status', 'key show', 'doctor', 'ping 127.0.0.1:1']],
      [home, 0o700, ['post', 'status', 'key show', 'doctor']],
    ] as const) {
      await chown(path, 0, 0);
      await chmod(path, mode);
      for (const command of commands) {
        const words = command === 'post' ? ['post', 'ann', 'hi'] : command.split(' ');
        const { code, text, errors } = await user(...words);
        const said = `${path}, ${command}: ${text}${errors}`;
        assert.equal(code, 1, said);
        const fault = `${text}${errors}`.split('\n').find((line) => /_unusable/.test(line)) ?? '';
        assert.match(
          fault,
          new RegExp(`${path} belongs to user root \\(0\\), and this process is of user 54321`),
          said,
        );
        assert.ok(
          fault.includes(`if only agent-ipc uses that folder, \`sudo chown -R 54321 ${home}\``),
          said,
        );
      }
      await chown(path, uid, uid);
    }
    assert.equal((await user('fetch', 'ann')).text, 'hi\n', 'all was given back');
  },
);

test(
  'a folder of the system is not to be given away: another one is named',
  rootOnly,
  async (context) => {
    const above = await makeHome(context);
    await chmod(above, 0o755);
    const home = join(above, 'mail');
    const child = spawn(process.execPath, [program, 'post', 'ann', 'hi'], {
      ...{ uid, gid: uid, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] },
      env: { PATH: process.env.PATH, IPC_HOME: home },
    });
    const { code, errors } = await ended(child);
    assert.equal(code, 1);
    assert.equal(
      errors,
      `ipc: home_unusable: ${above} belongs to user root (0), and this process is of user 54321 (EACCES). To do: set IPC_HOME to a folder of yours.\n`,
    );
  },
);

test(
  "a key file elsewhere that belongs to root is given to the user, another user's is not",
  rootOnly,
  async (context) => {
    const { home } = await twoUsers(context);
    const path = join(await makeHome(context), 'key');
    await chmod(join(path, '..'), 0o755);
    await writeFile(path, `${'ab'.repeat(32)}\n`, { mode: 0o600 });
    for (const [owner, user, hint] of [
      [0, 'root (0)', `\`sudo chown 54321 ${path}\``],
      [54_322, '54322', 'set IPC_KEY_FILE to a file of yours'],
    ] as const) {
      await chown(path, owner, owner);
      const child = spawn(process.execPath, [program, 'status'], {
        ...{ uid, gid: uid, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] },
        env: { PATH: process.env.PATH, IPC_HOME: home, IPC_KEY_FILE: path },
      });
      assert.equal(
        (await ended(child)).errors,
        `ipc: key_unusable: ${path} belongs to user ${user}, and this process is of user 54321 (EACCES). To do: ${hint}.\n`,
      );
    }
  },
);

test('a state folder whose parent is missing is not made: it may be a typing error', async (context) => {
  const above = await makeHome(context);
  const [typo, home] = [join(above, 'tpyo'), join(above, 'tpyo', 'mail')];
  const run = (env: Record<string, string>, ...args: string[]) =>
    ended(
      spawn(process.execPath, [program, ...args], {
        env: { PATH: process.env.PATH, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  const port = `${await freePort()}`;
  for (const [env, folder] of [
    [{ IPC_HOME: home, IPC_PORT: port }, home],
    [{ HOME: typo, IPC_PORT: port }, join(typo, '.agent-ipc')],
    [{ IPC_HOME: home, IPC_PORT: port, IPC_KEY: 'ab'.repeat(32) }, home],
  ] as const) {
    for (const args of [['post', 'ann', 'hi'], ['status'], ['doctor']]) {
      const { code, text, errors } = await run(env, ...args);
      assert.equal(code, 1);
      assert.ok(
        `${text}${errors}`.includes(
          `home_unusable: ${typo} does not exist, so ${folder} is not made. To do: correct IPC_HOME, HOME or IPC_KEY_FILE, or make that folder: mkdir -p ${typo}.\n`,
        ),
        `${args}: ${text}${errors}`,
      );
    }
    assert.equal(existsSync(typo), false);
  }
  await mkdir(typo);
  assert.equal((await run({ IPC_HOME: home, IPC_PORT: port }, 'post', 'ann', 'hi')).code, 0);
});
