// The keys: each 32 bytes in a file of 64 hex digits that only its owner may read. The first one is made
// by whoever comes first: 1. written aside and synced, 2. linked into place, which only one can do,
// 3. the folder synced. Who comes second at 2 reads the winner's. While a key is being replaced, the
// file beside it with `.old` behind its name has the one before. No error text ever shows any of it.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { chmod, link, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { IpcError, type IpcErrorOptions, outOfFiles } from '../base/errors.ts';
import { keyReadMs } from '../base/limits.ts';
import { type Keys, keyBytes } from '../protocol/handshake.ts';

export type KeyEnvironment = Readonly<Record<string, string | undefined>>;

/** A key file is a line of 64 characters; one much larger is something else. */
export const keyFileBytesMax = 1_024;
const othersMode = 0o077;

/** Makes the first key in the home, if there is none. */
export async function loadKeys(home: string, env: KeyEnvironment): Promise<Keys> {
  return currentKeys(home, env) ?? [await makeKey(home, keyPath(home, env))];
}

/** undefined where the first call makes one. */
export function currentKeys(home: string, env: KeyEnvironment): Keys | undefined {
  const keys = readKeys(home, env);
  if (keys || !env.IPC_KEY_FILE) return keys;
  const path = keyPath(home, env);
  throw new IpcError('key_unusable', `${path} (IPC_KEY_FILE) is not there`);
}

/** The keys as they are now, for a process that runs on. Files that it cannot read change nothing. */
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

/** Where the key before it stays good, until it is retired. */
export function oldKeyPath(path: string): string {
  return `${path}.old`;
}

function readKeys(home: string, env: KeyEnvironment): Keys | undefined {
  if (env.IPC_KEY) return [parseKey(env.IPC_KEY, 'IPC_KEY')];
  const path = keyPath(home, env);
  const key = readKey(path);
  const old = readKey(oldKeyPath(path));
  if (key === undefined) return undefined;
  return old === undefined || old.equals(key) ? [key] : [key, old];
}

/** Undefined when there is no such file. */
export function readKey(path: string): Buffer | undefined {
  let file: number;
  try {
    // Opening a pipe must not wait for its writer.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ENAMETOOLONG') throw tooLong(path);
    if (code === 'ENOTDIR') throw new IpcError('home_unusable', `${path}: its folder is a file`);
    throw outOfFiles(error) ?? new IpcError('key_unusable', `${path} cannot be read (${code})`);
  }
  try {
    return readKeyFrom(file, path);
  } finally {
    closeSync(file);
  }
}

function readKeyFrom(file: number, path: string): Buffer {
  const stat = fstatSync(file);
  if (!stat.isFile()) throw new IpcError('key_unusable', `${path} is not a file`);
  if ((stat.mode & othersMode) !== 0) {
    throw new IpcError('key_unusable', `${path} can be read by others; make it 0600`);
  }
  if (stat.size > keyFileBytesMax) throw malformed(path);
  const key = decodeKey(readFileSync(file, 'latin1'));
  if (key) return key;
  throw malformed(path);
}

async function makeKey(home: string, path: string): Promise<Buffer> {
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    await makeHome(home);
    await writeAside(aside, randomBytes(keyBytes));
    await linkOnce(aside, path);
    await syncFolder(home);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENAMETOOLONG') throw tooLong(home);
    throw outOfFiles(error) ?? new IpcError('home_unusable', `${home} cannot keep a key (${code})`);
  } finally {
    await rm(aside, { force: true }).catch(() => {});
  }
  const key = readKey(path);
  if (key === undefined)
    throw new IpcError('key_unusable', `${path} was removed while it was made`);
  return key;
}

/** For its user alone, and durable, with every folder on the way to it that was made for it. */
export async function makeHome(home: string): Promise<void> {
  const made = await makeFolders(resolve(home));
  if (made.length === 0) return;
  // A umask may have taken more away; a folder that was there keeps its mode.
  await chmod(home, 0o700);
  for (const folder of made) await syncFolder(dirname(folder));
}

/**
 * Makes what is missing, and returns it, the outermost first. Node's own recursive mkdir does not end
 * where the parent is there and the name cannot be made in it, as in /proc (seen on Node 20).
 */
async function makeFolders(folder: string): Promise<string[]> {
  try {
    return await makeFolder(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    const made = await makeFolders(dirname(folder));
    return [...made, ...(await makeFolder(folder))];
  }
}

/** Nothing when somebody else made it. */
async function makeFolder(folder: string): Promise<string[]> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return [folder];
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return [];
    throw error;
  }
}

export async function writeAside(aside: string, key: Buffer): Promise<void> {
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(keyLine(key));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** False when there is one of that name. */
export async function linkOnce(from: string, path: string): Promise<boolean> {
  try {
    await link(from, path);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    return false;
  }
}

export async function syncFolder(folder: string): Promise<void> {
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

/** 64 hex digits, or 32 bytes in base64; given as it is, not in a file. */
export function parseKey(text: string, source: string): Buffer {
  const key = decodeKey(text);
  if (key) return key;
  throw malformed(source, { hint: 'give what `ipc key show` prints where the key is good' });
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

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
