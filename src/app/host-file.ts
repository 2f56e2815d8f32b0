// Small JSON files, one for each process of a host, in a folder of the state folder. A file is named by the process
// id; the identity in it says which process was meant, so a file of a process that has ended does not count.
import { closeSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IpcError, outOfFiles, storageFault, systemErrorCode } from '../base/errors.ts';
import { makePrivateFolder, openPrivateFile } from '../files/private-files.ts';
import { requireTrustedFolder } from '../files/trusted-path.ts';
import { isRunning, type ProcessIdentity } from './process-identity.ts';

/** `sessions`: what a session watches. `wake`: which hook waits for its mail. */
export type HostFolder = 'sessions' | 'wake';

export class HostFile {
  readonly #home: string;
  readonly #folder: string;
  readonly #path: string;
  readonly #host: ProcessIdentity;

  constructor(home: string, folder: HostFolder, host: ProcessIdentity) {
    this.#home = home;
    this.#folder = join(home, folder);
    this.#path = join(this.#folder, `${host.pid}.json`);
    this.#host = host;
  }

  /** undefined if there is none for this process. */
  read(): Readonly<Record<string, unknown>> | undefined {
    requireTrustedFolder(this.#home);
    const content = contentOf(this.#path);
    const host = identityIn(content?.host);
    return host && isSame(host, this.#host) ? content : undefined;
  }

  /** Replaces the file as a whole. */
  write(content: object): void {
    try {
      requireTrustedFolder(this.#home);
      makePrivateFolder(this.#home);
      makePrivateFolder(this.#folder);
      const aside = `${this.#path}.${process.pid}`;
      rmSync(aside, { force: true });
      const file = openPrivateFile(aside, 'wx');
      try {
        writeFileSync(file, JSON.stringify({ host: this.#host, ...content }));
      } finally {
        closeSync(file);
      }
      renameSync(aside, this.#path);
    } catch (error) {
      throw this.#fault(error);
    }
  }

  remove(): void {
    removeIfPossible(this.#path);
  }

  #fault(error: unknown): IpcError {
    if (error instanceof IpcError) return error;
    const what = `${this.#path}: ${systemErrorCode(error)}`;
    return (
      outOfFiles(error) ??
      storageFault(error, what) ??
      new IpcError('home_unusable', what, { cause: error })
    );
  }

  /** Removes the files of processes that have ended. */
  sweep(): void {
    for (const name of namesIn(this.#folder)) {
      const path = join(this.#folder, name);
      const host = identityIn(contentOf(path)?.host);
      if (!host || !isRunning(host)) removeIfPossible(path);
    }
  }
}

/** undefined if the value is none. */
export function identityIn(value: unknown): ProcessIdentity | undefined {
  const { pid, start } = (value ?? {}) as { pid?: unknown; start?: unknown };
  return Number.isInteger(pid) && typeof start === 'string'
    ? { pid: pid as number, start }
    : undefined;
}

export function isSame(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return one.pid === other.pid && one.start === other.start;
}

/** undefined if it cannot be read, or is no object. */
function contentOf(path: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof content === 'object' && content !== null
      ? (content as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** What cannot be removed, such as a folder, counts for nothing all the same. */
function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+\.json$/.test(name));
  } catch {
    return [];
  }
}
