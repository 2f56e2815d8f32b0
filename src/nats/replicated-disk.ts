// A disk whose files are in a stream: each change is made in the mirror on this machine, and appended to the stream.
// Synced means stored there. So after a crash the stream has the changes up to some point, in order, which is more than
// a disk promises.
import { basename, dirname, relative, sep } from 'node:path';
import { type Disk, type DiskFile, type FolderIdentity, RemoteFull } from '../journal/disk.ts';
import type { FileChangeMessage, LogAppender } from './log-appender.ts';
import { type LoadedMirror, type MirroredFile, messageOverheadBytes } from './mirror.ts';

export interface ReplicatedDiskOptions {
  /** The disk that has the mirror. */
  readonly local: Disk;
  /** The folder of the store in the mirror. */
  readonly folder: string;
  readonly mirror: LoadedMirror;
  readonly appender: Pick<LogAppender, 'add' | 'stored'>;
  /** Removes the messages of a file. */
  readonly purge: (file: string) => void;
  /** Names the files of this owner, with a number behind it. */
  readonly claim: string;
  /** Bytes of a file in one message. */
  readonly partBytesMax: number;
  /** What the messages of the stream take on the server. */
  readonly storedBytes: number;
  /** What they may take, as far as it is known. */
  readonly storedBytesMax: () => number;
  /** Called when that leaves no room: its operator may have raised it. */
  readonly onFull: () => void;
}

/** Its files are zeros that are given back, so they are not worth a message. */
const localFolder = 'spare';
/** Reports of corruption, each of which warns until a person deletes it. */
const reportsFolder = 'damaged';
/** The messages of what is preallocated will take more than its bytes: most records are as short as their overhead. */
const preallocatedFactor = 2;
/** Kept free for what cannot wait: changes of names, deliveries, settles. */
const marginBytes = 4 * 1024 * 1024;

export class ReplicatedDisk implements Disk {
  readonly #options: ReplicatedDiskOptions;
  readonly #local: Disk;
  readonly #files: Map<string, MirroredFile>;
  #fileCount = 0;
  /** What the messages take on the server, nearly, without those that are to be purged. */
  #storedBytes: number;
  /** Bytes of files of which no message says that they are there: zeros that were written ahead. */
  readonly #preallocated = new Map<string, number>();

  constructor(options: ReplicatedDiskOptions) {
    this.#options = options;
    this.#local = options.local;
    this.#files = options.mirror.files;
    this.#storedBytes = options.storedBytes;
    for (const file of options.mirror.removed) this.#forget(file, '');
  }

  makeFolder(path: string): boolean {
    const isNew = this.#local.makeFolder(path);
    const name = this.#nameOf(path);
    if (isNew && name !== '' && name !== localFolder) this.#begin(name, true);
    return isNew;
  }

  list(path: string): string[] {
    const names = this.#local.list(path);
    if (this.#nameOf(path) === reportsFolder) this.#removeMissing(names);
    return names;
  }

  identity(path: string): FolderIdentity | undefined {
    return this.#local.identity(path);
  }

  syncFolder(): Promise<void> {
    return this.#options.appender.stored();
  }

  /** The mirror's says nothing about the server's. */
  async fileSystemType(): Promise<undefined> {
    return undefined;
  }

  removeFolder(path: string): void {
    this.#local.removeFolder(path);
    this.#remove(this.#nameOf(path));
  }

  create(path: string): DiskFile {
    const name = this.#nameOf(path);
    const file = this.#local.create(path);
    if (!isLocal(name)) this.#begin(name, false);
    return new ReplicatedFile(file, {
      checkRoom: (bytes) => this.#checkRoom(bytes),
      wrote: (buffers, offset, bytes) => this.#wrote(name, buffers, offset, bytes),
      stored: () => this.#options.appender.stored(),
    });
  }

  writeNote(path: string, text: string): void {
    const name = this.#nameOf(path);
    this.#local.writeNote(path, text);
    const before = this.#files.get(name);
    const found = this.#begin(name, false);
    this.#append(found, { kind: 'write', at: 0 }, Buffer.from(text));
    if (before) this.#forget(before.file, name, before.storedBytes);
  }

  read(path: string): Promise<Buffer | undefined> {
    return this.#local.read(path);
  }

  readPart(path: string, offset: number, bytes: number): Buffer {
    return this.#local.readPart(path, offset, bytes);
  }

  size(path: string): number | undefined {
    return this.#local.size(path);
  }

  rename(path: string, to: string): void {
    const [from, name] = [this.#nameOf(path), this.#nameOf(to)];
    this.#local.rename(path, to);
    const found = this.#files.get(from);
    if (!found) return;
    const replaced = this.#files.get(name);
    const renamed = { ...found, path: name };
    this.#files.delete(from);
    this.#files.set(name, renamed);
    this.#preallocated.delete(from);
    this.#append(renamed, { kind: 'rename' }, Buffer.alloc(0));
    if (replaced) this.#forget(replaced.file, name, replaced.storedBytes);
  }

  removeFile(path: string): void {
    this.#local.removeFile(path);
    this.#remove(this.#nameOf(path));
  }

  async unlink(path: string): Promise<void> {
    await this.#local.unlink(path);
    this.#remove(this.#nameOf(path));
  }

  #nameOf(path: string): string {
    return relative(this.#options.folder, path).split(sep).join('/');
  }

  #begin(name: string, isFolder: boolean): MirroredFile {
    const file = `${this.#options.claim}-${++this.#fileCount}`;
    const found = { file, path: name, isFolder, end: 0, storedBytes: 0 };
    this.#files.set(name, found);
    this.#append(found, { kind: isFolder ? 'folder' : 'file' }, Buffer.alloc(0));
    return found;
  }

  /** A person has deleted reports in the mirror. */
  #removeMissing(names: readonly string[]): void {
    for (const name of [...this.#files.keys()]) {
      if (dirname(name) === reportsFolder && !names.includes(basename(name))) this.#remove(name);
    }
  }

  #remove(name: string): void {
    this.#preallocated.delete(name);
    const found = this.#files.get(name);
    if (!found) return;
    this.#files.delete(name);
    this.#forget(found.file, name, found.storedBytes);
  }

  /**
   * The messages are purged once it is stored that the file is gone. So an owner that was replaced purges none that
   * count, however late it does.
   */
  #forget(file: string, name: string, storedBytes = 0): void {
    this.#storedBytes -= storedBytes;
    const gone = { file, path: name || 'gone', change: { kind: 'remove' }, bytes: none } as const;
    this.#options.appender.add(gone, () => this.#options.purge(file));
  }

  #wrote(name: string, buffers: readonly Buffer[], offset: number, bytes: number): void {
    const found = this.#files.get(name);
    const all = Buffer.concat(buffers).subarray(0, bytes);
    if (!found || (offset >= found.end && isZeros(all))) {
      const before = this.#preallocated.get(name) ?? 0;
      this.#preallocated.set(name, Math.max(before, offset + bytes));
      return;
    }
    const { partBytesMax } = this.#options;
    for (let at = 0; at < all.length; at += partBytesMax) {
      const part = all.subarray(at, at + partBytesMax);
      this.#append(found, { kind: 'write', at: offset + at }, part);
    }
    found.end = Math.max(found.end, offset + bytes);
  }

  #append(found: MirroredFile, change: FileChangeMessage['change'], bytes: Buffer): void {
    const { file, path } = found;
    const stored = this.#options.appender.add({ file, path, change, bytes });
    found.storedBytes += stored + messageOverheadBytes;
    this.#storedBytes += stored + messageOverheadBytes;
  }

  /** Throws `RemoteFull`. */
  #checkRoom(bytes: number): void {
    let ahead = bytes;
    for (const [name, length] of this.#preallocated) {
      ahead += Math.max(0, length - (this.#files.get(name)?.end ?? 0));
    }
    const wanted = this.#storedBytes + ahead * preallocatedFactor + marginBytes;
    if (wanted <= this.#options.storedBytesMax()) return;
    this.#options.onFull();
    throw new RemoteFull('the stream of the mail', 'raise its `max_bytes`');
  }
}

interface FileHooks {
  checkRoom(bytes: number): void;
  wrote(buffers: readonly Buffer[], offset: number, bytes: number): void;
  stored(): Promise<void>;
}

class ReplicatedFile implements DiskFile {
  readonly #local: DiskFile;
  readonly #hooks: FileHooks;
  #length = 0;

  constructor(local: DiskFile, hooks: FileHooks) {
    this.#local = local;
    this.#hooks = hooks;
  }

  write(buffers: readonly Buffer[], offset: number): number {
    const wanted = buffers.reduce((sum, { length }) => sum + length, 0);
    // What lies within the length of the file has its room.
    if (offset + wanted > this.#length) this.#hooks.checkRoom(offset + wanted - this.#length);
    const bytes = this.#local.write(buffers, offset);
    this.#length = Math.max(this.#length, offset + bytes);
    this.#hooks.wrote(buffers, offset, bytes);
    return bytes;
  }

  sync(): Promise<void> {
    return this.#hooks.stored();
  }

  isInPlace(): boolean {
    return this.#local.isInPlace();
  }

  close(): void {
    this.#local.close();
  }
}

const none = Buffer.alloc(0);

function isLocal(name: string): boolean {
  return name.startsWith(`${localFolder}/`);
}

function isZeros(bytes: Buffer): boolean {
  // Nearly all that is written is a record, which shows at its first byte.
  return bytes[0] === 0 && bytes.equals(Buffer.alloc(bytes.length));
}
