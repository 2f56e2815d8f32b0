// Replaces the key; the previous one stays valid until it is retired:
// 1. the new key is written to a file beside the key file and synced, 2. the present key file gets a
// second name, `.old`, 3. the new file is renamed over the key file, 4. the folder is synced. A process
// that dies at any step leaves a key that works. There are never more than two keys: a key can be
// replaced again only after the old one was retired.
import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IpcError } from '../base/errors.ts';
import { keyBytes } from '../protocol/handshake.ts';
import {
  changeFolder,
  explained,
  type KeyEnvironment,
  linkOnce,
  oldKeyPath,
  parseKey,
  placeKey,
  readKey,
  trustedKeyPath,
} from './keys.ts';

export interface KeyChange {
  readonly path: string;
  /** The files already were as asked. */
  readonly same: boolean;
  /** The previous key is still good, too. */
  readonly old: boolean;
}

export async function newKey(home: string, env: KeyEnvironment): Promise<KeyChange> {
  const path = filePath(home, env);
  return explained(home, path, () => putKey(path, randomBytes(keyBytes)));
}

/** `text`: what `ipc key show` prints on another machine. */
export async function importKey(
  home: string,
  env: KeyEnvironment,
  text: string,
): Promise<KeyChange> {
  const path = filePath(home, env);
  const key = parseKey(text, 'the text');
  return explained(home, path, () => putKey(path, key));
}

/** From now on only the present key is good. */
export async function retireKey(home: string, env: KeyEnvironment): Promise<KeyChange> {
  const path = filePath(home, env);
  return explained(home, path, () => removeOld(path));
}

async function removeOld(path: string): Promise<KeyChange> {
  const old = oldKeyPath(path);
  if (readKey(path) === undefined)
    throw new IpcError('key_unusable', `there is no key file ${path}`);
  const same = readKey(old) === undefined;
  if (!same) await changeFolder(dirname(path), () => rm(old));
  return { path, same, old: false };
}

function filePath(home: string, env: KeyEnvironment): string {
  if (!env.IPC_KEY) return trustedKeyPath(home, env);
  throw new IpcError('key_unusable', 'the key is in IPC_KEY, not in a file; change it there');
}

async function putKey(path: string, key: Buffer): Promise<KeyChange> {
  const present = readKey(path);
  if (present?.equals(key)) return { path, same: true, old: hasOld(path, key) };
  await placeKey(path, key, async (aside) => {
    if (present) await keepOld(path);
    await rename(aside, path);
  });
  return { path, same: false, old: hasOld(path, key) };
}

/** An old key that equals the present one was left by a process that died while it replaced the key. */
async function keepOld(path: string): Promise<void> {
  const old = oldKeyPath(path);
  if (await linkOnce(path, old)) return;
  const present = readKey(path);
  if (present && readKey(old)?.equals(present)) return;
  throw new IpcError('key_rotating', `${old} still has the key before this one`);
}

function hasOld(path: string, key: Buffer): boolean {
  return readKey(oldKeyPath(path))?.equals(key) === false;
}
