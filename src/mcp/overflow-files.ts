// Whole bodies in files, for those that do not fit into a result, and the way back to them from the
// tickets of their parts. File names begin with the time, so that the newest are the last.
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bodyFilesMax } from '../base/limits.ts';

export interface OverflowBody<About> {
  readonly about: About;
  readonly bytes: number;
  readonly text: string;
  /** Undefined when the file could not be written. */
  readonly path: string | undefined;
}

interface OverflowEntry<About> {
  readonly about: About;
  readonly bytes: number;
  /** In memory only where there is no file. */
  readonly body: Buffer | undefined;
  readonly path: string | undefined;
}

export class OverflowFiles<About> {
  readonly #folder: string;
  /** By ticket, the oldest first. */
  readonly #kept = new Map<string, OverflowEntry<About>>();

  constructor(home: string) {
    this.#folder = join(home, 'bodies');
  }

  async keep(ticket: string, body: Buffer, about: About): Promise<OverflowBody<About>> {
    const path = await this.#write(ticket, body).catch(() => undefined);
    const bytes = body.length;
    this.#kept.set(ticket, { about, bytes, path, body: path === undefined ? body : undefined });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= bodyFilesMax) break;
      this.#kept.delete(oldest);
    }
    return { about, bytes, path, text: body.toString('utf8') };
  }

  /** Undefined for a ticket without parts, and for one whose file is gone. */
  async find(ticket: string): Promise<OverflowBody<About> | undefined> {
    const kept = this.#kept.get(ticket);
    if (!kept) return undefined;
    const { about, bytes, path } = kept;
    const body = kept.body ?? (path && (await readFile(path).catch(() => undefined)));
    return body ? { about, bytes, path, text: body.toString('utf8') } : undefined;
  }

  /** Only the user of this process can read it. */
  async #write(ticket: string, body: Buffer): Promise<string> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await chmod(this.#folder, 0o700);
    const time = new Date().toISOString().replace(/\D/g, '');
    const path = join(this.#folder, `${time}-${ticket}.txt`);
    await writeFile(path, body, { mode: 0o600, flag: 'wx' });
    await this.#removeOldest();
    return path;
  }

  /** Several processes do so at once: a file may be gone already. */
  async #removeOldest(): Promise<void> {
    const files = (await readdir(this.#folder)).filter((file) => /^\d{17}-.+\.txt$/.test(file));
    for (const file of files.sort().slice(0, -bodyFilesMax)) {
      await rm(join(this.#folder, file), { force: true });
    }
  }
}
