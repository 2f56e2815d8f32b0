import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import type { IpcError } from '../../../src/base/errors.ts';
import { importKey, newKey, retireKey } from '../../../src/net/key-rotation.ts';
import { type KeyEnvironment, loadKeys, watchKeys } from '../../../src/net/keys.ts';

const execute = promisify(execFile);
const hex = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const key = Buffer.from(hex, 'hex');
const env = {};

let folder: string;
let home: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ipc-key-'));
  home = join(folder, 'home');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The newest. */
async function loadKey(from: string, environment: KeyEnvironment): Promise<Buffer> {
  return (await loadKeys(from, environment))[0];
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

function writeKey(text: string, mode = 0o600): string {
  mkdirSync(home, { recursive: true });
  const path = join(home, 'key');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test('the first use makes a folder that only its user can read, and in it a key of 64 hex digits', async () => {
  const made = await loadKey(home, env);
  assert.equal(made.length, 32);
  assert.equal(readFileSync(join(home, 'key'), 'latin1'), `${made.toString('hex')}\n`);
  assert.equal(modeOf(home), '700');
  assert.equal(modeOf(join(home, 'key')), '600');
  assert.deepEqual(readdirSync(home), ['key']);
});

test('the folder above the one that was made for the key is synced, and no other folder', async (t) => {
  const handle = await open(folder, 'r');
  const synced: number[] = [];
  const sync = t.mock.method(Object.getPrototypeOf(handle), 'sync', function (this: typeof handle) {
    synced.push(fstatSync(this.fd).ino);
    return Promise.resolve();
  });
  await handle.close();
  await loadKey(home, env);
  const inode = (path: string) => statSync(path).ino;
  for (const path of [home, folder]) assert.ok(synced.includes(inode(path)));
  assert.equal(synced.includes(inode(tmpdir())), false);

  synced.length = 0;
  rmSync(join(home, 'key'));
  await loadKey(home, env);
  assert.deepEqual(synced, [inode(join(home, 'key')), inode(home)]);
  sync.mock.restore();
});

test('a later use reads the same key', async () => {
  assert.deepEqual(await loadKey(home, env), await loadKey(home, env));
});

test('a home that exists keeps its mode', async () => {
  mkdirSync(home, { recursive: true });
  chmodSync(home, 0o755);
  await loadKey(home, env);
  assert.equal(modeOf(home), '755');
});

test('the modes do not depend on the umask', async () => {
  for (const umask of [0o000, 0o077, 0o377]) {
    const before = process.umask(umask);
    try {
      const other = join(folder, `home-${umask}`);
      await loadKey(other, env);
      assert.equal(modeOf(other), '700');
      assert.equal(modeOf(join(other, 'key')), '600');
    } finally {
      process.umask(before);
    }
  }
});

test('twenty callers at once get one key', async () => {
  const keys = await Promise.all(Array.from({ length: 20 }, () => loadKey(home, env)));
  assert.equal(new Set(keys.map((each) => each.toString('hex'))).size, 1);
  assert.deepEqual(readdirSync(home), ['key']);
});

test('ten processes at once get one key', async () => {
  const module = new URL('../../../src/net/keys.js', import.meta.url).href;
  const program = `import { loadKeys } from ${JSON.stringify(module)};
    process.stdout.write((await loadKeys(${JSON.stringify(home)}, {}))[0].toString('hex'));`;
  const runs = Array.from({ length: 10 }, () =>
    execute(process.execPath, ['--input-type=module', '-e', program]),
  );
  const keys = new Set((await Promise.all(runs)).map(({ stdout }) => stdout));
  assert.deepEqual([...keys], [readFileSync(join(home, 'key'), 'latin1').trim()]);
  assert.deepEqual(readdirSync(home), ['key']);
});

test('IPC_KEY is the key, in hex or in base64, and no file is made', async () => {
  assert.deepEqual(await loadKey(home, { IPC_KEY: hex }), key);
  assert.deepEqual(await loadKey(home, { IPC_KEY: hex.toUpperCase() }), key);
  assert.deepEqual(await loadKey(home, { IPC_KEY: key.toString('base64') }), key);
  assert.equal(existsSync(home), false);
});

test('IPC_KEY_FILE is read instead of the key in the home, and is never made', async () => {
  const path = join(folder, 'named');
  writeFileSync(path, key.toString('base64'), { mode: 0o600 });
  assert.deepEqual(await loadKey(home, { IPC_KEY_FILE: path }), key);
  rmSync(path);
  await assert.rejects(loadKey(home, { IPC_KEY_FILE: path }), { code: 'key_unusable' });
  assert.equal(existsSync(path), false);
});

test('an empty variable counts as unset', async () => {
  writeKey(`${hex}\n`);
  assert.deepEqual(await loadKey(home, { IPC_KEY: '', IPC_KEY_FILE: '' }), key);
});

test('a key that others can read is refused, and left as it is', async () => {
  for (const mode of [0o640, 0o604, 0o620, 0o601]) {
    const path = writeKey(`${hex}\n`, mode);
    await assert.rejects(loadKey(home, env), { code: 'key_unusable' });
    assert.equal(modeOf(path), mode.toString(8));
  }
});

test('a malformed key is refused, and no error shows any of it', async () => {
  const wrong = ['', hex.slice(1), `${hex}0`, `${hex.slice(1)}g`, 'A'.repeat(42), hex.repeat(20)];
  for (const text of wrong) {
    const path = writeKey(text);
    const refused = (error: IpcError): boolean => {
      assert.equal(error.code, 'key_unusable');
      assert.ok(!`${error.stack} ${error.cause}`.includes(hex.slice(1, 9)));
      return true;
    };
    await assert.rejects(loadKey(home, env), refused);
    await assert.rejects(loadKey(home, { IPC_KEY_FILE: path }), refused);
    if (text !== '') await assert.rejects(loadKey(home, { IPC_KEY: text }), refused);
  }
});

test('a file in the place of the home, or of a folder above it, is an unusable home', async () => {
  writeFileSync(home, 'a file');
  await assert.rejects(loadKey(home, env), { code: 'home_unusable' });
  await assert.rejects(loadKey(join(home, 'below'), env), { code: 'home_unusable' });
});

test('a folder in the place of the key file is an unusable key', async () => {
  mkdirSync(join(home, 'key'), { recursive: true });
  await assert.rejects(loadKey(home, env), { code: 'key_unusable' });
});

/** A file that can be opened, and not be read. */
const unreadable = '/proc/self/mem';
const skip = !existsSync(unreadable);

test('a key file that the system cannot read is an unusable key', { skip }, async () => {
  await assert.rejects(loadKey(home, { IPC_KEY_FILE: unreadable }), {
    code: 'key_unusable',
    message: '/proc/self/mem cannot be read (EIO)',
  });
});

test('a symbolic link to a key is followed, a dangling one is refused', async () => {
  mkdirSync(home, { recursive: true });
  const target = join(folder, 'target');
  symlinkSync(target, join(home, 'key'));
  await assert.rejects(loadKey(home, env), { code: 'key_unusable' });
  writeFileSync(target, hex, { mode: 0o600 });
  assert.deepEqual(await loadKey(home, env), key);
});

test('a new key replaces the previous one, which stays good until it is retired', async () => {
  const first = await loadKey(home, env);
  assert.deepEqual(await newKey(home, env), { path: join(home, 'key'), same: false, old: true });
  const [second, old] = await loadKeys(home, env);
  assert.deepEqual(old, first);
  assert.notDeepEqual(second, first);
  assert.deepEqual(readdirSync(home).sort(), ['key', 'key.old']);
  assert.deepEqual([modeOf(join(home, 'key')), modeOf(join(home, 'key.old'))], ['600', '600']);
  assert.equal((await retireKey(home, env)).same, false);
  assert.deepEqual(await loadKeys(home, env), [second]);
  assert.equal((await retireKey(home, env)).same, true);
});

test('there are never three keys: the old one must be retired first', async () => {
  await loadKey(home, env);
  await newKey(home, env);
  const keys = await loadKeys(home, env);
  await assert.rejects(newKey(home, env), { code: 'key_rotating' });
  await assert.rejects(importKey(home, env, hex), { code: 'key_rotating' });
  assert.deepEqual(await loadKeys(home, env), keys);
  assert.deepEqual(readdirSync(home).sort(), ['key', 'key.old']);
});

test('an imported key is the key of a home without one, and in another home replaces the key', async () => {
  assert.deepEqual(await importKey(home, env, `${hex}\n`), {
    path: join(home, 'key'),
    same: false,
    old: false,
  });
  assert.deepEqual(await loadKeys(home, env), [key]);
  assert.equal((await importKey(home, env, hex)).same, true);
  const other = join(folder, 'other');
  const before = await loadKey(other, env);
  assert.equal((await importKey(other, env, key.toString('base64'))).old, true);
  assert.deepEqual(await loadKeys(other, env), [key, before]);
  await assert.rejects(importKey(other, env, hex.slice(1)), { code: 'key_unusable' });
});

test('after a replacement of the key was interrupted, the next one succeeds', async () => {
  const before = await loadKey(home, env);
  linkSync(join(home, 'key'), join(home, 'key.old'));
  assert.deepEqual(await loadKeys(home, env), [before]);
  await newKey(home, env);
  const [, old] = await loadKeys(home, env);
  assert.deepEqual(old, before);
});

test('IPC_KEY_FILE names the file that is changed; a key in IPC_KEY cannot be replaced', async () => {
  const path = join(folder, 'named');
  writeFileSync(path, hex, { mode: 0o600 });
  await newKey(home, { IPC_KEY_FILE: path });
  assert.deepEqual((await loadKeys(home, { IPC_KEY_FILE: path }))[1], key);
  await assert.rejects(newKey(home, { IPC_KEY: hex }), { code: 'key_unusable' });
  assert.equal(existsSync(home), false);
});

test('a running process keeps its keys while the system cannot read the file', {
  skip,
}, async (context) => {
  const first = await loadKeys(home, env);
  let now = 0;
  context.mock.method(performance, 'now', () => now);
  const keys = watchKeys(home, env, first);
  rmSync(join(home, 'key'));
  symlinkSync(unreadable, join(home, 'key'));
  now = 1_000;
  assert.equal(keys(), first);
});

test('a running process sees a new key within a second, and keeps its keys while the file cannot be used', async (context) => {
  const first = await loadKeys(home, env);
  let now = 0;
  context.mock.method(performance, 'now', () => now);
  const keys = watchKeys(home, env, first);
  await newKey(home, env);
  assert.equal(keys(), first);
  now = 1_000;
  const both = keys();
  assert.deepEqual([both.length, both[1]], [2, first[0]]);
  await retireKey(home, env);
  chmodSync(join(home, 'key'), 0o644);
  now = 2_000;
  assert.equal(keys(), both);
  chmodSync(join(home, 'key'), 0o600);
  now = 3_000;
  assert.deepEqual(keys(), [both[0]]);
});
