// Bodies that do not fit into a result: each whole in a file, and found by the ticket of its parts. File
// names begin with the time, so that the newest are the last. reads.ts finds out that a body does not fit, and
// returns the parts.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BoundedMap } from '../base/bounded-map.ts';
import { bodyFilesMax } from '../base/limits.ts';
import { refuseLink, writePrivateFile } from '../files/private-files.ts';
import { requireTrustedFolder } from '../files/trusted-path.ts';
import type { MailboxList, Name } from '../model/message.ts';
import { makeHome } from '../net/keys.ts';

/** The message that a body belongs to. */
export interface OverflowSource {
  readonly ticket: string;
  /** Those of the read that took it; undefined for point to point. */
  readonly mailboxes: MailboxList | undefined;
  readonly from: Name | '';
}

interface OverflowEntry {
  readonly source: OverflowSource;
  readonly bytes: number;
  /** undefined when the file could not be written. */
  readonly path: string | undefined;
}

export interface OverflowBody extends OverflowEntry {
  readonly text: string;
}

function bodiesFolder(home: string): string {
  return join(home, 'bodies');
}

/** Not even a link of this user is followed, since the oldest files in the folder are removed. */
export function requireTrustedBodies(home: string): void {
  refuseLink(bodiesFolder(home));
  requireTrustedFolder(bodiesFolder(home));
}

export class OverflowFiles {
  readonly #home: string;
  readonly #folder: string;
  /** By ticket. A body is in memory only where it has no file. */
  readonly #kept = new BoundedMap<string, OverflowEntry & { body: Buffer | undefined }>(
    bodyFilesMax,
  );

  constructor(home: string) {
    this.#home = home;
    this.#folder = bodiesFolder(home);
  }

  async keep(source: OverflowSource, body: Buffer): Promise<OverflowBody> {
    const { ticket } = source;
    const path = await this.#write(ticket, body).catch(() => undefined);
    const entry = { source, bytes: body.length, path };
    this.#kept.set(ticket, { ...entry, body: path === undefined ? body : undefined });
    return { ...entry, text: body.toString('utf8') };
  }

  /** undefined for a ticket without parts, and for one whose file is gone. */
  async find(ticket: string): Promise<OverflowBody | undefined> {
    const kept = this.#kept.get(ticket);
    if (!kept) return undefined;
    const { source, bytes, path } = kept;
    const body = kept.body ?? (path && (await readFile(path).catch(() => undefined)));
    return body ? { source, bytes, path, text: body.toString('utf8') } : undefined;
  }

  /** Only the user of this process can read the file. */
  async #write(ticket: string, body: Buffer): Promise<string> {
    await makeHome(this.#home);
    await makeHome(this.#folder);
    requireTrustedBodies(this.#home);
    const time = new Date().toISOString().replace(/\D/g, '');
    const path = join(this.#folder, `${time}-${ticket}.txt`);
    await writePrivateFile(path, body);
    await this.#removeOldest();
    return path;
  }

  /** Several processes share the folder: another one may have removed a file already. */
  async #removeOldest(): Promise<void> {
    const files = (await readdir(this.#folder)).filter((file) => /^\d{17}-.+\.txt$/.test(file));
    for (const file of files.sort().slice(0, -bodyFilesMax)) {
      await rm(join(this.#folder, file), { force: true });
    }
  }
}
