// Key files: each has 32 bytes in 64 hex digits, and only its owner may read it. How a key gets its name:
// 1. it is written to a file beside that name and synced, 2. linked or renamed into place, 3. the folder
// is synced. Several processes may make the first key at once: one link succeeds, and the others read
// that key. While a key is being replaced, the previous one is in the file whose name ends in `.old`.
// No error text ever shows a part of a key.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import {
  IpcError,
  type IpcErrorOptions,
  isSystemError,
  outOfFiles,
  storageFault,
  systemErrorCode,
} from '../base/errors.ts';
import { keyReadMs } from '../base/limits.ts';
import { shellWord } from '../base/shell.ts';
import { withOwner } from '../files/file-owner.ts';
import { makePrivateFolder, writePrivateFile } from '../files/private-files.ts';
import { requireTrustedFile, requireTrustedFolder } from '../files/trusted-path.ts';
import { type Keys, keyBytes } from '../protocol/handshake.ts';

export type KeyEnvironment = Readonly<Record<string, string | undefined>>;

/** A key file has one line of 64 characters; a much larger file is no key. */
export const keyFileBytesMax = 1_024;
const groupAndOthersMode = 0o077;

/** Makes the first key in the home, if there is none. */
export async function loadKeys(home: string, env: KeyEnvironment): Promise<Keys> {
  const path = keyPath(home, env);
  return currentKeys(home, env) ?? [await explained(home, path, () => makeKey(path))];
}

/** undefined when there is no key yet and `loadKeys` would make one. */
export function currentKeys(home: string, env: KeyEnvironment): Keys | undefined {
  const keys = readKeys(home, env);
  if (keys || !env.IPC_KEY_FILE) return keys;
  const path = keyPath(home, env);
  throw new IpcError('key_unusable', `${path} (IPC_KEY_FILE) is not there`);
}

/**
 * The keys as they are now, for a process that runs on. The files are read again at most once in
 * `keyReadMs`; while they cannot be read, the keys stay as they were.
 */
export function watchKeys(home: string, env: KeyEnvironment, keys: Keys): () => Keys {
  let known = keys;
  let readAt = performance.now();
  return () => {
    if (performance.now() - readAt < keyReadMs) return known;
    readAt = performance.now();
    try {
      known = readKeys(home, env) ?? known;
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
    }
    return known;
  };
}

export function keyPath(home: string, env: KeyEnvironment): string {
  return env.IPC_KEY_FILE || join(home, 'key');
}

/** The same, for use. Throws unless only this user and root can change the folder that the key is in. */
export function trustedKeyPath(home: string, env: KeyEnvironment): string {
  if (!env.IPC_KEY_FILE) requireTrustedFolder(home);
  return keyPath(home, env);
}

/** The file of the previous key, which is good until it is retired. */
export function oldKeyPath(path: string): string {
  return `${path}.old`;
}

function readKeys(home: string, env: KeyEnvironment): Keys | undefined {
  if (env.IPC_KEY) return [parseKey(env.IPC_KEY, 'IPC_KEY')];
  if (env.IPC_KEY_WITHHELD) throw withheld();
  const path = trustedKeyPath(home, env);
  let key: Buffer | undefined;
  let old: Buffer | undefined;
  try {
    key = readKey(path);
    old = readKey(oldKeyPath(path));
  } catch (error) {
    throw withOwner(error, path, home);
  }
  if (key === undefined) return undefined;
  return old === undefined || old.equals(key) ? [key] : [key, old];
}

/** The files have no key, or another one: with it the broker would refuse this process. */
function withheld(): IpcError {
  const what = '`ipc work` has its key from IPC_KEY alone, which its command does not get';
  const hint =
    'keep the key in a file (`ipc help key import`), or start the worker with --pass-key';
  return new IpcError('key_unusable', what, { hint });
}

/** undefined when there is no such file. */
export function readKey(path: string): Buffer | undefined {
  let file: number | undefined;
  try {
    // Opening a pipe must not wait for its writer.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    requireTrustedFile(path);
    return readKeyFrom(file, path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ENAMETOOLONG') throw tooLong(path);
    if (code === 'ENOTDIR') throw new IpcError('home_unusable', `${path}: its folder is a file`);
    const what = `${path} cannot be read (${code})`;
    throw outOfFiles(error) ?? new IpcError('key_unusable', what, { cause: error });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function readKeyFrom(file: number, path: string): Buffer {
  const stat = fstatSync(file);
  if (!stat.isFile()) throw new IpcError('key_unusable', `${path} is not a file`);
  if ((stat.mode & groupAndOthersMode) !== 0) {
    throw new IpcError('key_unusable', `${path} can be read by others; make it 0600`);
  }
  if (stat.size > keyFileBytesMax) throw malformed(path);
  const key = decodeKey(readFileSync(file, 'latin1'));
  if (key) return key;
  throw malformed(path);
}

/** An error of `change` names the owner of the file, where the user of this process may not change it. */
export async function explained<T>(
  home: string,
  path: string,
  change: () => Promise<T>,
): Promise<T> {
  try {
    return await change();
  } catch (error) {
    throw withOwner(error, path, home);
  }
}

async function makeKey(path: string): Promise<Buffer> {
  await placeKey(path, randomBytes(keyBytes), (aside) => linkOnce(aside, path));
  const key = readKey(path);
  if (key) return key;
  throw new IpcError('key_unusable', `${path} was removed while it was made`);
}

/** `place` moves the key, written to `aside` and synced, into place; it is durable when this resolves. */
export function placeKey(
  path: string,
  key: Buffer,
  place: (aside: string) => Promise<unknown>,
): Promise<void> {
  const folder = dirname(path);
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  return changeFolder(folder, async () => {
    await makeFolder(folder, () => requireTrustedFile(path));
    try {
      await writePrivateFile(aside, keyLine(key), { sync: true });
      await place(aside);
    } finally {
      await rm(aside, { force: true }).catch(() => {});
    }
  });
}

/** Syncs the folder after the change. */
export async function changeFolder(folder: string, change: () => Promise<void>): Promise<void> {
  try {
    await change();
    await syncFolder(folder);
  } catch (error) {
    if (error instanceof IpcError) throw error;
    const code = systemErrorCode(error);
    if (code === 'ENAMETOOLONG') throw tooLong(folder);
    const what = `${folder} cannot keep a key (${code})`;
    throw (
      outOfFiles(error) ??
      storageFault(error, what) ??
      new IpcError('home_unusable', what, { cause: error })
    );
  }
}

/** Makes the state folder, or a folder in it. */
export function makeHome(home: string): Promise<void> {
  return makeFolder(home, () => requireTrustedFolder(home));
}

/**
 * Makes a folder that only its user can use, and syncs the folder above, which must be there: if it is
 * missing, the path is taken for a mistake, since the mail would be in a new place. A folder that was there
 * before keeps its mode.
 */
async function makeFolder(folder: string, check: () => void): Promise<void> {
  const isThere = existsSync(folder);
  check();
  if (isThere) return;
  try {
    // Another user may have made it since the check.
    if (!makePrivateFolder(folder)) return check();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') checkParent(folder);
    throw error;
  }
  await syncFolder(dirname(folder));
}

/** Throws when a folder cannot be made because the one above it is missing. */
export function checkParent(folder: string): void {
  const parent = dirname(folder);
  if (existsSync(parent)) return;
  const what = `${parent} does not exist, so ${folder} is not made`;
  const hint = `correct IPC_HOME, HOME or IPC_KEY_FILE, or make that folder: mkdir -p ${shellWord(parent)}`;
  throw new IpcError('home_unusable', what, { hint });
}

/** False when there is a file of that name. */
export async function linkOnce(from: string, path: string): Promise<boolean> {
  try {
    await link(from, path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    return false;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function keyLine(key: Buffer): string {
  return `${key.toString('hex')}\n`;
}

/** A key given as text: 64 hex digits, or 32 bytes in base64. `source`: where it is from, for the error. */
export function parseKey(text: string, source: string): Buffer {
  const key = decodeKey(text);
  if (key) return key;
  throw malformed(source, {
    hint: 'give what `ipc key show` prints on a machine that has the key',
  });
}

function decodeKey(text: string): Buffer | undefined {
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return Buffer.from(trimmed, 'hex');
  if (/^[A-Za-z0-9+/]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64');
  return undefined;
}

function tooLong(path: string): IpcError {
  const hint = 'name a shorter path in IPC_HOME or IPC_KEY_FILE';
  return new IpcError('home_unusable', `${path} is too long a path`, { hint });
}

function malformed(source: string, options: IpcErrorOptions = {}): IpcError {
  const what = `${source} is not a key: 64 hex digits, or base64 of 32 bytes`;
  return new IpcError('key_unusable', what, options);
}
