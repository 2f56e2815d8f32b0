// The folder of an owner's mirror, below the state folder. An owner that is killed leaves it, with mail in it: a later owner
// of this machine removes it. An owner that lives touches its folder every minute, so an old one has none. If it has one
// all the same, because that process was suspended, its broker ends, and its mail is on the server.
import { statSync, utimes } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder } from '../files/private-files.ts';

const touchMs = 60_000;
const staleMs = 15 * touchMs;

export class MirrorFolder {
  readonly path: string;
  readonly #all: string;
  readonly #timer: NodeJS.Timeout;

  /** `claim`: of the owner. */
  constructor(home: string, claim: string) {
    this.#all = join(home, 'nats');
    this.path = join(this.#all, claim);
    makePrivateFolder(this.#all);
    makePrivateFolder(this.path);
    this.#timer = setInterval(() => {
      const now = new Date();
      utimes(this.path, now, now, () => {});
    }, touchMs).unref();
  }

  /** Removes those that owners left. What cannot be listed or removed stays for a later owner. Never throws. */
  async removeStale(): Promise<void> {
    for (const name of await readdir(this.#all).catch(() => [])) {
      const path = join(this.#all, name);
      if (path !== this.path && isStale(path)) await removeFolder(path);
    }
  }

  async remove(): Promise<void> {
    clearInterval(this.#timer);
    await removeFolder(this.path);
  }
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
