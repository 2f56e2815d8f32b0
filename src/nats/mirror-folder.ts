// The folder of an owner's mirror, below the state folder. An owner that is killed leaves it, with mail in it: a later
// session of this machine removes it. A living owner touches its folder every minute, so an old folder has none. If its
// owner was only suspended, that broker ends, and its mail is on the server.
import { statSync, utimes } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder } from '../files/private-files.ts';

const touchMs = 60_000;
const staleMs = 15 * touchMs;

export class MirrorFolder {
  readonly path: string;
  readonly #timer: NodeJS.Timeout;

  /** `claim`: of the owner. */
  constructor(home: string, claim: string) {
    makePrivateFolder(mirrorsIn(home));
    this.path = join(mirrorsIn(home), claim);
    makePrivateFolder(this.path);
    this.#timer = setInterval(() => {
      const now = new Date();
      utimes(this.path, now, now, () => {});
    }, touchMs).unref();
  }

  async remove(): Promise<void> {
    clearInterval(this.#timer);
    await removeFolder(this.path);
  }
}

/** Removes those that owners of this machine left. What cannot be removed stays for a later session. Never throws. */
export async function removeStaleMirrors(home: string): Promise<void> {
  const all = mirrorsIn(home);
  for (const name of await readdir(all).catch(() => [])) {
    const path = join(all, name);
    if (isStale(path)) await removeFolder(path);
  }
}

function mirrorsIn(home: string): string {
  return join(home, 'nats');
}

function isStale(path: string): boolean {
  try {
    return statSync(path).mtimeMs < Date.now() - staleMs;
  } catch {
    // Its owner has just removed it.
    return false;
  }
}

async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}
