// A host's configuration file: read as text, and replaced as a whole.
import { mkdir, readFile, readlink, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { IpcError, systemErrorCode } from '../base/errors.ts';

/** Keeps a byte order mark. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** undefined if there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  const content = await readRegular(path).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error instanceof IpcError ? error : unusable(path, error);
  });
  try {
    return content && utf8.decode(content);
  } catch {
    throw untouched(path, 'is not UTF-8');
  }
}

/** Refuses a pipe, whose read might never end. */
async function readRegular(path: string): Promise<Buffer> {
  if (!(await stat(path)).isFile()) throw untouched(path, 'is not a regular file');
  return readFile(path);
}

/** The file that links lead to, whether it is there or not, so that a link itself is not replaced. */
export async function realpathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT' || dirname(path) === path) return path;
    const link = await readlink(path).catch(() => undefined);
    if (link !== undefined) return realpathOf(resolve(dirname(path), link));
    return join(await realpathOf(dirname(path)), basename(path));
  }
}

export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return !way.startsWith('..') && !isAbsolute(way);
}

/**
 * A project may come from anybody, and a link in it must not lead to a change elsewhere. `path`: where the
 * links of `file` lead.
 */
export async function checkInProject(file: string, path: string, project: string): Promise<void> {
  if (isInside(await realpathOf(project), path)) return;
  const hint = 'put a file of the project in place of the link, or change that file by hand';
  throw untouched(file, `leads out of the project, to ${path}`, hint);
}

/** Atomic: a host that reads meanwhile sees the old file or the new one. */
export async function replaceText(path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const mode = await stat(path).then(
      (found) => found.mode & 0o777,
      () => 0o600,
    );
    await writeFile(aside, text, { mode, flag: 'wx' });
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {});
    throw unusable(path, error);
  }
}

export async function removeFile(path: string): Promise<void> {
  await rm(path).catch((error: unknown) => {
    throw unusable(path, error);
  });
}

export function untouched(path: string, why: string, hint = 'fix it, then try again'): IpcError {
  return new IpcError('host_unusable', `${path} ${why}, and was not touched`, { hint });
}

export function unusable(what: string, error: unknown): IpcError {
  const reason = error instanceof Error ? error.message : String(error);
  return new IpcError('host_unusable', `${what}: ${reason}`, { cause: error });
}
