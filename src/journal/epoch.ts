// An epoch is a folder, and only one process can create it. The process that creates the next one owns the
// store from then on: the epoch is the fencing token.
import { dirname } from 'node:path';
import {
  IpcError,
  isSystemError,
  outOfFiles,
  storageFault,
  systemErrorCode,
} from '../base/errors.ts';
import type { Ballast } from './ballast.ts';
import { type Disk, type FolderIdentity, isSameFolder } from './disk.ts';
import {
  epochPath,
  epochsPath,
  listEpochs,
  newestEpoch,
  type OwnerNote,
  removeEpoch,
  writeOwner,
} from './paths.ts';

export interface Epoch {
  readonly epoch: number;
  /** Path of its folder. */
  readonly path: string;
  readonly identity: FolderIdentity | undefined;
}

/** Durable when it returns, so that an older owner is fenced off before any of its records is read. */
export async function makeEpoch(
  disk: Disk,
  folder: string,
  owner: OwnerNote,
  ballast: Ballast,
): Promise<Epoch> {
  try {
    if (disk.identity(folder) === undefined) disk.makeFolder(folder);
    disk.makeFolder(epochsPath(folder));
    const epoch = (newestEpoch(disk, folder) ?? 0) + 1;
    const path = epochPath(folder, epoch);
    if (!ballast.withBallast(() => disk.makeFolder(path))) {
      throw new IpcError('no_broker', `another process has just taken over the store ${folder}`);
    }
    const own = { epoch, path, identity: disk.identity(path) };
    await announce(disk, folder, own, owner);
    return own;
  } catch (error) {
    throw folderFault(error);
  }
}

/** For a new store: the processes that made its folders may have ended before they synced them. */
export async function syncParents(disk: Disk, folder: string): Promise<void> {
  await disk.syncFolder(folder);
  await disk.syncFolder(dirname(folder));
}

/** Makes durable that segments of the log, and folders of epochs, were removed. */
export async function syncEpochs(disk: Disk, folder: string): Promise<void> {
  const epochs = listEpochs(disk, folder).map((epoch) => epochPath(folder, epoch));
  for (const path of [...epochs, epochsPath(folder)]) {
    if (disk.identity(path) !== undefined) await disk.syncFolder(path);
  }
}

async function announce(disk: Disk, folder: string, own: Epoch, owner: OwnerNote): Promise<void> {
  try {
    ignoringFullDisk(() => writeOwner(disk, folder, own.epoch, owner));
    await disk.syncFolder(epochsPath(folder));
  } catch (error) {
    abandonEpoch(disk, folder, own);
    throw error;
  }
}

/** Nothing depends on the owner note. */
function ignoringFullDisk(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}

/** Whether the epoch is the newest, and its folder still the one that was created. */
export function isNewest(disk: Disk, folder: string, own: Epoch): boolean {
  // Lists all, since a check of the next number alone would miss a successor that has come and gone.
  return newestEpoch(disk, folder) === own.epoch && isOwnFolder(disk, own);
}

function isOwnFolder(disk: Disk, { path, identity }: Epoch): boolean {
  const now = disk.identity(path);
  return identity !== undefined && now !== undefined && isSameFolder(identity, now);
}

/**
 * Removes the epoch of an owner that has acknowledged nothing and wrote no complete prologue. A successor
 * relies on nothing in it, and if a power loss brings it back, it still does not count.
 */
export function abandonEpoch(disk: Disk, folder: string, own: Epoch): void {
  try {
    if (isOwnFolder(disk, own)) removeEpoch(disk, folder, own.epoch);
  } catch {
    // The next owner skips an empty epoch, and the caller has an error of its own to report.
  }
}

/** The error of an owner whose epoch is not the newest any more. */
export function whyLost(disk: Disk, folder: string, { epoch }: Epoch): IpcError {
  try {
    if ((newestEpoch(disk, folder) ?? 0) > epoch) {
      return new IpcError('owner_replaced', 'a newer broker took the store over');
    }
  } catch (error) {
    throw diskFault(error);
  }
  return new IpcError('storage_failed', `the store ${folder} was removed while it was in use`);
}

/** The caller tries again, and finds the other process then. */
export function justReplaced(): IpcError {
  return new IpcError('no_broker', 'another process has just taken over this store');
}

/** Turns a system error into storage_failed; any other error stays as it is. */
export function diskFault(error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const hint = (outOfFiles(error) ?? storageFault(error))?.hint;
  return new IpcError('storage_failed', error.message, { cause: error, ...(hint && { hint }) });
}

/** The same before the first record is written: then mostly the folder is at fault, not the disk. */
export function folderFault(error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const fault = outOfFiles(error) ?? storageFault(error);
  return fault ?? new IpcError('home_unusable', error.message, { cause: error });
}

export function isDiskFull(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOSPC' || systemErrorCode(error) === 'EDQUOT';
}

/** The process, or the file system, does not allow a file of that size. Another file may have room. */
export function isFileLimit(error: unknown): boolean {
  return systemErrorCode(error) === 'EFBIG';
}

/** Returns an error that says that there is no room; throws any other. */
export function noRoom(error: unknown): Error {
  if (isDiskFull(error) || isFileLimit(error)) return error as Error;
  throw error;
}
