// An epoch is a folder that one process alone could make: whoever makes the next one owns the store.
import { IpcError, outOfFiles } from '../base/errors.ts';
import { type Disk, type FolderIdentity, hasCode, isSameFolder } from './disk.ts';
import {
  epochPath,
  epochsPath,
  newestEpoch,
  type OwnerNote,
  removeEpoch,
  writeOwner,
} from './paths.ts';

export interface Epoch {
  readonly epoch: number;
  /** Of its folder. */
  readonly path: string;
  readonly identity: FolderIdentity | undefined;
}

/** Durable when it returns, so that an older owner is refused before a record of its is read. */
export async function makeEpoch(
  disk: Disk,
  folder: string,
  owner: OwnerNote,
  insist: <T>(action: () => T) => T,
): Promise<Epoch> {
  try {
    disk.makeFolder(folder);
    disk.makeFolder(epochsPath(folder));
    const epoch = (newestEpoch(disk, folder) ?? 0) + 1;
    const path = epochPath(folder, epoch);
    if (!insist(() => disk.makeFolder(path))) {
      throw new IpcError('no_broker', `another process has just begun to own ${folder}`);
    }
    const own = { epoch, path, identity: disk.identity(path) };
    await announce(disk, folder, own, owner);
    return own;
  } catch (error) {
    throw folderFault(error);
  }
}

async function announce(disk: Disk, folder: string, own: Epoch, owner: OwnerNote): Promise<void> {
  try {
    noteUnlessFull(() => writeOwner(disk, folder, own.epoch, owner));
    await disk.syncFolder(epochsPath(folder));
  } catch (error) {
    abandonEpoch(disk, folder, own);
    throw error;
  }
}

/** Nothing depends on a note. */
function noteUnlessFull(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}

/** The newest, and the folder it was made with. */
export function isNewest(disk: Disk, folder: string, own: Epoch): boolean {
  try {
    // All are listed, not only the next one looked for: the next one may have come and gone.
    return newestEpoch(disk, folder) === own.epoch && isOwnFolder(disk, own);
  } catch (error) {
    throw diskFault(error);
  }
}

function isOwnFolder(disk: Disk, { path, identity }: Epoch): boolean {
  const now = disk.identity(path);
  return identity !== undefined && now !== undefined && isSameFolder(identity, now);
}

/**
 * For an owner that has said nothing, and wrote no whole opening: a successor that began meanwhile
 * counts on nothing of it, and if a power loss brings it back, it still does not count.
 */
export function abandonEpoch(disk: Disk, folder: string, own: Epoch): void {
  try {
    if (isOwnFolder(disk, own)) removeEpoch(disk, folder, own.epoch);
  } catch {
    // The next owner passes over an empty epoch; why this one ends is told by another error.
  }
}

/** For an owner that is not the newest any more. */
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

/** To be tried again: the other process is found by then. */
export function justReplaced(): IpcError {
  return new IpcError('no_broker', 'another process has just begun to own this store');
}

/** What a call of the disk threw, as a fault of the disk; an error of our own stays what it is. */
export function diskFault(error: unknown): unknown {
  return asIpcError('storage_failed', error);
}

/** The same before the first record is written: most often the folder is at fault, not the disk. */
export function folderFault(error: unknown): unknown {
  if (isDiskFull(error)) {
    const hint = 'free space on the disk of the store, then try again; the mail in it is safe';
    return new IpcError('store_full', (error as Error).message, { cause: error, hint });
  }
  return (
    outOfFiles(error) ??
    asIpcError(hasCode(error, 'EIO') ? 'storage_failed' : 'home_unusable', error)
  );
}

export function isDiskFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT');
}

function asIpcError(code: 'home_unusable' | 'storage_failed', error: unknown): unknown {
  if (!(error instanceof Error && 'errno' in error)) return error;
  const hint = outOfFiles(error)?.hint;
  return new IpcError(code, error.message, { cause: error, ...(hint && { hint }) });
}
