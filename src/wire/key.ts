// The key: 32 bytes in a file of 64 hex digits that only its owner may read. Whoever comes first makes
// it: 1. written aside and synced, 2. linked into place, which only one can do, 3. the folder synced.
// Who comes second at 2 reads the winner's. No error text ever shows any of it.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, link, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { IpcError } from '../core/errors.ts';
import { keyBytes } from './handshake.ts';

/** A key file is a line of 64 characters; one much larger is something else. */
const keyFileBytesMax = 1_024;
const othersMode = 0o077;

export async function loadKey(
  home: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Buffer> {
  if (env.IPC_KEY) return parseKey(env.IPC_KEY, 'IPC_KEY');
  if (env.IPC_KEY_FILE) return readNamedKey(env.IPC_KEY_FILE);
  const path = join(home, 'key');
  return (await readKey(path)) ?? makeKey(home, path);
}

async function readNamedKey(path: string): Promise<Buffer> {
  const key = await readKey(path);
  if (key === undefined) throw new IpcError('key_unusable', `${path} (IPC_KEY_FILE) is not there`);
  return key;
}

/** Undefined when there is no such file. */
async function readKey(path: string): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    // Opening a pipe must not wait for its writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ENAMETOOLONG') throw tooLong(path);
    if (code === 'ENOTDIR') throw new IpcError('home_unusable', `${path}: its folder is a file`);
    throw new IpcError('key_unusable', `${path} cannot be read (${code})`);
  }
  try {
    return await readKeyFrom(file, path);
  } finally {
    await file.close();
  }
}

async function readKeyFrom(file: FileHandle, path: string): Promise<Buffer> {
  const stat = await file.stat();
  if (!stat.isFile()) throw new IpcError('key_unusable', `${path} is not a file`);
  if ((stat.mode & othersMode) !== 0) {
    throw new IpcError('key_unusable', `${path} can be read by others; make it 0600`);
  }
  if (stat.size > keyFileBytesMax) throw malformed(path);
  return parseKey(await file.readFile('latin1'), path);
}

async function makeKey(home: string, path: string): Promise<Buffer> {
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    await makeHome(home);
    await writeAside(aside);
    await linkOnce(aside, path);
    await syncFolder(home);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENAMETOOLONG') throw tooLong(home);
    throw new IpcError('home_unusable', `${home} cannot keep a key (${code})`);
  } finally {
    await rm(aside, { force: true }).catch(() => {});
  }
  const key = await readKey(path);
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

async function writeAside(aside: string): Promise<void> {
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(`${randomBytes(keyBytes).toString('hex')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function linkOnce(aside: string, path: string): Promise<void> {
  try {
    await link(aside, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
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

/** 64 hex digits, or 32 bytes in base64. */
function parseKey(text: string, source: string): Buffer {
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return Buffer.from(trimmed, 'hex');
  if (/^[A-Za-z0-9+/]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64');
  throw malformed(source);
}

function tooLong(path: string): IpcError {
  const hint = 'name a shorter path in IPC_HOME or IPC_KEY_FILE';
  return new IpcError('home_unusable', `${path} is too long a path`, { hint });
}

function malformed(source: string): IpcError {
  return new IpcError(
    'key_unusable',
    `${source} is not a key: 64 hex digits, or base64 of 32 bytes`,
  );
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
