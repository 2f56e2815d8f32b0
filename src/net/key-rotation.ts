// Another key in the place of the one that is there, which stays good until it is retired:
// 1. the new key is written aside and synced, 2. the file of the present one gets its second name,
// `.old`, 3. the new one is renamed over the first name, 4. the folder is synced. Whoever stops in
// between leaves a key that works. There are never more than two: a key is replaced again only after
// the old one was retired.
import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IpcError, outOfFiles } from '../base/errors.ts';
import { keyBytes } from '../protocol/handshake.ts';
import {
  errorCode,
  type KeyEnvironment,
  keyPath,
  linkOnce,
  makeHome,
  oldKeyPath,
  parseKey,
  readKey,
  syncFolder,
  writeAside,
} from './keys.ts';

export interface KeyChange {
  readonly path: string;
  /** Nothing was to be done. */
  readonly same: boolean;
  /** The key before it is good too. */
  readonly old: boolean;
}

export async function newKey(home: string, env: KeyEnvironment): Promise<KeyChange> {
  return putKey(filePath(home, env), randomBytes(keyBytes));
}

/** `text`: what `ipc key show` said elsewhere. */
export async function importKey(
  home: string,
  env: KeyEnvironment,
  text: string,
): Promise<KeyChange> {
  return putKey(filePath(home, env), parseKey(text, 'the text'));
}

/** From now on only the present key is good. */
export async function retireKey(home: string, env: KeyEnvironment): Promise<KeyChange> {
  const path = filePath(home, env);
  const old = oldKeyPath(path);
  if (readKey(path) === undefined) throw new IpcError('key_unusable', `${path} is not there`);
  const same = readKey(old) === undefined;
  if (!same) await change(path, () => rm(old));
  return { path, same, old: false };
}

function filePath(home: string, env: KeyEnvironment): string {
  if (!env.IPC_KEY) return keyPath(home, env);
  throw new IpcError('key_unusable', 'the key is in IPC_KEY, so no file has it; change it there');
}

async function putKey(path: string, key: Buffer): Promise<KeyChange> {
  const present = readKey(path);
  if (present?.equals(key)) return { path, same: true, old: hasOld(path, key) };
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  await change(path, async () => {
    await makeHome(dirname(path));
    try {
      await writeAside(aside, key);
      if (present) await keepOld(path);
      await rename(aside, path);
    } finally {
      await rm(aside, { force: true });
    }
  });
  return { path, same: false, old: hasOld(path, key) };
}

/** One that is equal is what an interrupted change left. */
async function keepOld(path: string): Promise<void> {
  const old = oldKeyPath(path);
  if (await linkOnce(path, old)) return;
  const [one, other] = [readKey(path), readKey(old)];
  if (one && other?.equals(one)) return;
  throw new IpcError('key_rotating', `${old} has a key that is not retired yet`);
}

function hasOld(path: string, key: Buffer): boolean {
  return readKey(oldKeyPath(path))?.equals(key) === false;
}

async function change(path: string, action: () => Promise<void>): Promise<void> {
  const folder = dirname(path);
  try {
    await action();
    await syncFolder(folder);
  } catch (error) {
    if (error instanceof IpcError) throw error;
    const what = `${folder} cannot keep a key (${errorCode(error)})`;
    throw outOfFiles(error) ?? new IpcError('home_unusable', what);
  }
}
