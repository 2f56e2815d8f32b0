// All that the journal asks of a disk. Nothing is durable before it is synced: a file's bytes by the
// file's sync, its name (and that it is gone) by the sync of its folder.
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { holdReserve, withReserve } from './fd-reserve.ts';

export interface Disk {
  /** False when it is there already. For the user alone (0700); its parent must be there. */
  makeFolder(path: string): boolean;
  /** Names in no order; none when the folder is not there. */
  list(path: string): string[];
  /** undefined when it is not there. */
  identity(path: string): FolderIdentity | undefined;
  syncFolder(path: string): Promise<void>;
  /** As statfs(2) has it; undefined when that cannot be told. */
  fileSystemType(path: string): Promise<number | undefined>;
  /** The folder must be empty. */
  removeFolder(path: string): void;

  /** A new file for the user alone (0600); fails when it is there already. */
  create(path: string): DiskFile;
  /** For a file that may be lost: never synced. */
  writeNote(path: string, text: string): void;
  /** undefined when it is not there. Zeros stand for what the disk cannot read, here and below. */
  read(path: string): Promise<Buffer | undefined>;
  /** Fewer bytes at the end of the file; none when it is not there. Blocks. */
  readPart(path: string, offset: number, bytes: number): Buffer;
  /** Nothing happens when it is not there. */
  rename(path: string, to: string): void;
  removeFile(path: string): void;
}

/** Tells a folder from a later one of the same name: see isSameFolder. */
export interface FolderIdentity {
  /** ext4 gives the number of a removed folder to the next one that is made. */
  readonly inode: bigint;
  readonly bornNs: bigint;
  /** Time of the last change of its names or its mode. */
  readonly changedNs: bigint;
}

/** A file that is being written. */
export interface DiskFile {
  /** Blocks. Returns how many bytes it took. */
  write(buffers: readonly Buffer[], offset: number): number;
  /** Runs beside the loop: a disk that hangs must not stop the process. */
  sync(): Promise<void>;
  close(): void;
}

/** What a disk loses at a time. */
const blockBytes = 4_096;
/** Up to here one copy and a plain write cost less than a vectored write. */
const joinBytesMax = 64 * 1024;

const fdatasyncOnPool = promisify(fdatasync);
const fsyncOnPool = promisify(fsync);
const readOnPool = promisify(read);

export const realDisk: Disk = {
  makeFolder(path) {
    try {
      mkdirSync(path, { mode: 0o700 });
      return true;
    } catch (error) {
      if (hasCode(error, 'EEXIST') && statSync(path).isDirectory()) return false;
      throw error;
    }
  },
  list(path) {
    return absentIs([], () => withReserve(() => readdirSync(path)));
  },
  identity(path) {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found && { inode: found.ino, bornNs: found.birthtimeNs, changedNs: found.ctimeNs };
  },
  async syncFolder(path) {
    const folder = openToRead(path);
    try {
      await fsyncOnPool(folder);
    } finally {
      close(folder);
    }
  },
  async fileSystemType(path) {
    const found = await statfs(path).catch(() => undefined);
    // Some platforms have it signed.
    return found && found.type >>> 0;
  },
  removeFolder(path) {
    rmdirSync(path);
  },
  create(path) {
    return new RealFile(withReserve(() => openSync(path, 'wx', 0o600)));
  },
  writeNote(path, text) {
    const file = withReserve(() => openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600));
    try {
      // Not emptied first: a full disk might not take it back.
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
      if (hasCode(error, 'EIO')) return this.readPart(path, 0, statSync(path).size);
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
  rename(path, to) {
    absentIs(undefined, () => renameSync(path, to));
  },
  removeFile(path) {
    absentIs(undefined, () => unlinkSync(path));
  },
};

/**
 * `now` is the folder that `before` was. Where the kernel has no statx(2), libuv reports the time of the
 * last change as the time of birth, and that moves: two equal times say nothing of the birth.
 */
export function isSameFolder(before: FolderIdentity, now: FolderIdentity): boolean {
  if (now.inode !== before.inode) return false;
  return now.bornNs === before.bornNs || now.bornNs === now.changedNs;
}

class RealFile implements DiskFile {
  readonly #file: number;

  constructor(file: number) {
    this.#file = file;
  }

  write(buffers: readonly Buffer[], offset: number): number {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    if (bytes > joinBytesMax) return writevSync(this.#file, buffers, offset);
    return writeSync(this.#file, Buffer.concat(buffers, bytes), 0, bytes, offset);
  }

  sync(): Promise<void> {
    return fdatasyncOnPool(this.#file);
  }

  close(): void {
    close(this.#file);
  }
}

function openToRead(path: string): number {
  return withReserve(() => openSync(path, 'r'));
}

function close(file: number): void {
  closeSync(file);
  holdReserve();
}

/** Not fs.readFile: given an open file, it takes one that cannot be read for an empty one. */
async function readWhole(file: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(fstatSync(file).size);
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
    if (hasCode(error, 'EIO')) return readAround(file, buffer, offset);
    throw error;
  }
}

/** Zeros for the blocks that cannot be read: a bad place must not take its neighbours with it. */
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
    if (!hasCode(error, 'EIO')) throw error;
    return block.fill(0).length;
  }
}

function absentIs<T>(absent: T, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return absent;
    throw error;
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
