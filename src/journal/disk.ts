// The disk as the journal uses it. Nothing is durable before it is synced: the bytes of a file by the sync
// of the file, its name (or its removal) by the sync of its folder.
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  lstatSync,
  openSync,
  read,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statfs,
  statSync,
  unlink,
  unlinkSync,
  writeFileSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { fileMemory } from '../base/large-memory.ts';
import { makePrivateFolder, openPrivateFile, refuseLink } from '../files/private-files.ts';
import { holdReserve, withReserve } from './descriptor-reserve.ts';

/** A disk has no room because a place on another machine has none. */
export class RemoteFull extends Error {
  readonly code = 'ENOSPC';
  readonly errno = -28;
  /** What is full. */
  readonly place: string;
  /** What a person can do about it. */
  readonly remedy: string;

  constructor(place: string, remedy: string) {
    super(`ENOSPC: ${place} is full`);
    this.place = place;
    this.remedy = remedy;
  }
}

/** A symbolic link is neither a folder of the store nor a file of it: using one fails. */
export interface Disk {
  /** False if it is there already. Its mode is 0700, whatever the umask; its parent must be there. */
  makeFolder(path: string): boolean;
  /** Names in no particular order; none if the folder is not there. */
  list(path: string): string[];
  /** undefined if it is not there. */
  identity(path: string): FolderIdentity | undefined;
  syncFolder(path: string): Promise<void>;
  /** The type that statfs(2) reports; undefined if that fails. */
  fileSystemType(path: string): Promise<number | undefined>;
  /** The folder must be empty. */
  removeFolder(path: string): void;

  /** Creates a file of mode 0600, whatever the umask; fails with EEXIST if it is there already. */
  create(path: string): DiskFile;
  /** Writes a whole file, which is never synced: nothing may depend on it. */
  writeNote(path: string, text: string): void;
  /**
   * undefined if it is not there. A caller may hold and release the bytes in `fileMemory`. Blocks that the disk cannot
   * read (EIO) are zeros, here and below.
   */
  read(path: string): Promise<Buffer | undefined>;
  /** Returns fewer bytes at the end of the file, and none if it is not there. Blocks. */
  readPart(path: string, offset: number, bytes: number): Buffer;
  /** Length of a file; undefined if it is not there. */
  size(path: string): number | undefined;
  /** Does nothing if it is not there. After a power loss, either both names are as before, or none is. */
  rename(path: string, to: string): void;
  removeFile(path: string): void;
  /** Like removeFile(), but does not block: to remove a long file may have to wait for the journal of the file system. */
  unlink(path: string): Promise<void>;
}

/** Distinguishes a folder from a later one of the same name: see isSameFolder(). */
export interface FolderIdentity {
  /** Not enough alone: ext4 gives the inode of a removed folder to the next one. */
  readonly inode: bigint;
  readonly bornNs: bigint;
  /** Time of the last change of its names or its mode. */
  readonly changedNs: bigint;
}

/** A file that is being written. */
export interface DiskFile {
  /** Blocks. Returns how many bytes were written. */
  write(buffers: readonly Buffer[], offset: number): number;
  /** Does not block: a disk that hangs must not stop the process. */
  sync(): Promise<void>;
  /** Whether the path that it was created at still leads to it. */
  isInPlace(): boolean;
  close(): void;
}

/** The unit in which a disk loses bytes. */
const blockBytes = 4_096;
/** No file of a store comes near it, and a longer one could take all memory. */
const wholeBytesMax = 1_073_741_824;
/** Up to this length a copy and a plain write cost less than a vectored write. */
const joinBytesMax = 64 * 1024;

const fsyncOnPool = promisify(fsync);
const readOnPool = promisify(read);
const statfsOnPool = promisify(statfs);
const unlinkOnPool = promisify(unlink);

export const realDisk: Disk = {
  makeFolder(path) {
    try {
      if (makePrivateFolder(path)) return true;
    } catch (error) {
      throw systemErrorCode(error) === 'EEXIST' ? inTheWay(path, error) : error;
    }
    refuseLink(path);
    return false;
  },
  list(path) {
    refuseLink(path);
    return absentIs([], () => withReserve(() => readdirSync(path)));
  },
  identity(path) {
    const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return found && { inode: found.ino, bornNs: found.birthtimeNs, changedNs: found.ctimeNs };
  },
  async syncFolder(path) {
    // Not openToRead(): the folder of the store may be a link, which trusted-path.ts has followed.
    const folder = withReserve(() => openSync(path, 'r'));
    try {
      await fsyncOnPool(folder);
    } finally {
      close(folder);
    }
  },
  async fileSystemType(path) {
    const found = await statfsOnPool(path).catch(() => undefined);
    // It is signed on some platforms.
    return found && found.type >>> 0;
  },
  removeFolder(path) {
    rmdirSync(path);
  },
  create(path) {
    return new RealFile(
      path,
      withReserve(() => openPrivateFile(path, 'wx')),
    );
  },
  writeNote(path, text) {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
    const file = withReserve(() => openPrivateFile(path, flags));
    try {
      // Not truncated first: a full disk might refuse the bytes then.
      writeFileSync(file, text);
      ftruncateSync(file, Buffer.byteLength(text));
    } finally {
      close(file);
    }
  },
  async read(path) {
    const file = absentIs(undefined, () => openToRead(path));
    if (file === undefined) return undefined;
    try {
      return await readWhole(file);
    } catch (error) {
      if (systemErrorCode(error) === 'EIO') return this.readPart(path, 0, statSync(path).size);
      throw error;
    } finally {
      close(file);
    }
  },
  readPart(path, offset, bytes) {
    const file = absentIs(undefined, () => openToRead(path));
    if (file === undefined) return Buffer.alloc(0);
    try {
      const buffer = Buffer.allocUnsafe(bytes);
      return buffer.subarray(0, readFully(file, buffer, offset));
    } finally {
      close(file);
    }
  },
  size(path) {
    return lstatSync(path, { throwIfNoEntry: false })?.size;
  },
  rename(path, to) {
    absentIs(undefined, () => renameSync(path, to));
  },
  removeFile(path) {
    absentIs(undefined, () => unlinkSync(path));
  },
  async unlink(path) {
    await unlinkOnPool(path).catch((error) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    });
  },
};

/**
 * Whether `now` is the folder that `before` was. Where the kernel has no statx(2), libuv reports the time
 * of the last change as the time of birth, so if `now` has equal times, its time of birth is unknown.
 */
export function isSameFolder(before: FolderIdentity, now: FolderIdentity): boolean {
  if (now.inode !== before.inode) return false;
  return now.bornNs === before.bornNs || now.bornNs === now.changedNs;
}

class RealFile implements DiskFile {
  readonly #path: string;
  readonly #file: number;
  readonly #inode: number;

  constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
    this.#inode = fstatSync(file).ino;
  }

  write(buffers: readonly Buffer[], offset: number): number {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const [only] = buffers;
    if (only && buffers.length === 1) return writeSync(this.#file, only, 0, bytes, offset);
    if (bytes > joinBytesMax) return writevSync(this.#file, buffers, offset);
    return writeSync(this.#file, Buffer.concat(buffers, bytes), 0, bytes, offset);
  }

  sync(): Promise<void> {
    // Each post waits for it, and promisify() makes three more functions of one call.
    return new Promise((resolve, reject) => {
      fdatasync(this.#file, (error) => (error ? reject(error) : resolve()));
    });
  }

  isInPlace(): boolean {
    return lstatSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  close(): void {
    close(this.#file);
  }
}

function openToRead(path: string): number {
  // Else a named pipe would hold the process until somebody writes into it.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = withReserve(() => openSync(path, flags));
  const stats = fstatSync(file);
  if (stats.isFile() && stats.size <= wholeBytesMax) return file;
  close(file);
  if (stats.isFile()) throw fault('EFBIG', `${path} is too large for a file of a store`);
  throw fault(stats.isDirectory() ? 'EISDIR' : 'EINVAL', `${path} is not a file`);
}

/** As the system would report it. */
function fault(code: 'EFBIG' | 'EINVAL' | 'EISDIR', message: string): Error {
  const errno = -osConstants.errno[code];
  return Object.assign(new Error(`${code}: ${message}`), { code, errno });
}

function close(file: number): void {
  closeSync(file);
  holdReserve();
}

/** Not fs.readFile(): of an open file that cannot be read it returns no bytes, and no error. */
async function readWhole(file: number): Promise<Buffer> {
  const buffer = fileMemory.take(fstatSync(file).size);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await readOnPool(file, buffer, filled, buffer.length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function readFully(file: number, buffer: Buffer, offset: number): number {
  try {
    let filled = 0;
    while (filled < buffer.length) {
      const bytes = readSync(file, buffer, filled, buffer.length - filled, offset + filled);
      if (bytes === 0) break;
      filled += bytes;
    }
    return filled;
  } catch (error) {
    if (systemErrorCode(error) === 'EIO') return readAround(file, buffer, offset);
    throw error;
  }
}

/** Fills with zeros only the blocks that cannot be read. */
function readAround(file: number, buffer: Buffer, offset: number): number {
  let filled = 0;
  while (filled < buffer.length) {
    const blockLeft = blockBytes - ((offset + filled) % blockBytes);
    const block = buffer.subarray(filled, filled + blockLeft);
    const bytes = readOrZeros(file, block, offset + filled);
    if (bytes === 0) break;
    filled += bytes;
  }
  return filled;
}

function readOrZeros(file: number, block: Buffer, offset: number): number {
  try {
    return readSync(file, block, 0, block.length, offset);
  } catch (error) {
    if (systemErrorCode(error) !== 'EIO') throw error;
    return block.fill(0).length;
  }
}

function absentIs<T>(absent: T, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return absent;
    throw error;
  }
}

function inTheWay(path: string, cause: unknown): IpcError {
  const hint = `move that file out of the folder ${dirname(path)}; the mail in it is safe`;
  return new IpcError('home_unusable', `${path} is a file, not a folder`, { cause, hint });
}
