// Files and folders that only their user can use, whatever the umask. A umask cannot add permissions, but one
// like 0777 takes away those of the user, too.
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { IpcError, systemErrorCode } from '../base/errors.ts';

const folderMode = 0o700;
const fileMode = 0o600;

/** False if it is there already, and then its mode stays as it is. */
export function makePrivateFolder(path: string): boolean {
  try {
    mkdirSync(path, { mode: folderMode });
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST' && statSync(path).isDirectory()) return false;
    throw error;
  }
  // Not by descriptor: a folder that its user may not read cannot be opened. Nobody else can have replaced it,
  // since the folder above is one of those that trusted-path.ts accepts.
  if ((lstatSync(path).mode & folderMode) !== folderMode) chmodSync(path, folderMode);
  return true;
}

/** As fs.openSync(). A file that it creates has mode 0600. */
export function openPrivateFile(path: string, flags: string | number): number {
  const file = openSync(path, flags, fileMode);
  try {
    if ((fstatSync(file).mode & fileMode) !== fileMode) fchmodSync(file, fileMode);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Fails with EEXIST if the file is there already, also as a link. */
export async function writePrivateFile(
  path: string,
  data: string | Buffer,
  { sync = false } = {},
): Promise<void> {
  const file = await open(path, 'wx', fileMode);
  try {
    await file.chmod(fileMode);
    await file.writeFile(data);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}

/** Throws for a link: what is behind it must not be listed, changed or removed. */
export function refuseLink(path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const hint = 'put the folder itself in its place';
  throw new IpcError('home_unusable', `${path} is a symbolic link, not a folder`, { hint });
}
