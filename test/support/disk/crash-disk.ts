// A disk in memory that can lose power. It tells synced bytes from bytes that were only written; of the
// latter any part survives a power loss, in any order, torn at any byte.
import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';
import type { Disk, DiskFile, FolderIdentity } from '../../../src/journal/disk.ts';
import { pick, type Random, shuffled } from '../random.ts';

interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** A cache: a simulation uses the same few paths all the time. */
const namesInPath = new Map<string, readonly string[]>();

interface FileNode {
  /** Its content as programs see it. */
  bytes: Buffer;
  /** The content that is certainly durable. */
  synced: Buffer;
  /** Writes since the last sync, in order. */
  readonly unsynced: Write[];
}

interface FolderNode {
  readonly identity: FolderIdentity;
  readonly names: Map<string, Node>;
  readonly synced: Map<string, Node>;
  /** Names created and removed since the last sync, in order. */
  readonly unsynced: { readonly name: string; readonly node: Node | undefined }[];
}

type Node = FileNode | FolderNode;

export class CrashDisk {
  /**
   * Limit of the sum of all files: a write beyond it is partial, and the next one fails with ENOSPC.
   */
  bytesMax = Number.POSITIVE_INFINITY;
  /** Longest file: a write beyond it is partial, and the next one fails with EFBIG. */
  fileBytesMax = Number.POSITIVE_INFINITY;
  #inodes = 0n;
  /** Inodes of removed folders: the next folder gets the last one, as on ext4. */
  #freeInodes: bigint[] = [];
  #foldersMade = 0n;
  #root = this.#newFolder();
  #processes: ProcessDisk[] = [];

  /** The given folders are there, and synced. */
  constructor(...folders: string[]) {
    const disk = this.process();
    for (const path of folders) disk.makeFolder(path);
    settle(this.#root);
  }

  /** The disk as a new process sees it. */
  process(slowly?: Slowly): ProcessDisk {
    const tree = {
      find: (path: string) => this.#find(path),
      newFile: () => this.#newFile(),
      newFolder: () => this.#newFolder(),
      freeInode: (inode: bigint) => void this.#freeInodes.push(inode),
      freeBytes: () => this.#freeBytes(),
      fileBytesMax: () => this.fileBytesMax,
    };
    const process = new ProcessDisk(tree, slowly);
    this.#processes.push(process);
    return process;
  }

  /** Every process ends, and any part of the unsynced bytes and names survives. */
  losePower(random: Random): void {
    for (const process of this.#processes) process.kill();
    this.#processes = [];
    this.#root = surviveFolder(this.#root, random);
  }

  /** A copy of the disk, without processes. */
  clone(): CrashDisk {
    const clone = new CrashDisk();
    clone.#root = copyNode(this.#root, new Map()) as FolderNode;
    clone.#inodes = this.#inodes;
    clone.#freeInodes = [...this.#freeInodes];
    clone.#foldersMade = this.#foldersMade;
    clone.bytesMax = this.bytesMax;
    return clone;
  }

  /** Every file by path, as programs see it. */
  files(): Map<string, Buffer> {
    const files = new Map<string, Buffer>();
    collect(this.#root, '', files);
    return files;
  }

  /** Replaces a file durably, past all processes; undefined removes it. */
  tamper(path: string, bytes: Buffer | undefined): void {
    const folder = this.#find(dirname(path));
    assert(folder && isFolder(folder), path);
    for (const names of [folder.names, folder.synced]) {
      if (bytes) names.set(basename(path), { ...this.#newFile(), bytes, synced: bytes });
      else names.delete(basename(path));
    }
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of namesIn(path)) {
      node = node && isFolder(node) ? node.names.get(name) : undefined;
    }
    return node;
  }

  /** Files are only counted if there is a limit. */
  #freeBytes(): number {
    return this.bytesMax === Number.POSITIVE_INFINITY
      ? this.bytesMax
      : this.bytesMax - bytesIn(this.#root);
  }

  #newFile(): FileNode {
    const none = Buffer.alloc(0);
    return { bytes: none, synced: none, unsynced: [] };
  }

  #newFolder(): FolderNode {
    const inode = this.#freeInodes.pop() ?? ++this.#inodes;
    const bornNs = ++this.#foldersMade;
    const identity = { inode, bornNs, changedNs: bornNs + 1n };
    return { identity, names: new Map(), synced: new Map(), unsynced: [] };
  }
}

/** Does the work of an asynchronous call later; its promise goes to the process that made the call. */
export type Slowly = (work: () => void) => Promise<void>;

interface Tree {
  find(path: string): Node | undefined;
  newFile(): FileNode;
  newFolder(): FolderNode;
  freeInode(inode: bigint): void;
  freeBytes(): number;
  fileBytesMax(): number;
}

/** One process's view; it dies at a chosen call, or when it is killed, and does nothing after that. */
export class ProcessDisk implements Disk {
  readonly #tree: Tree;
  readonly #slowly: Slowly;
  /** Its calls, in order. */
  readonly calls: string[] = [];
  /** The process dies instead of making this call, counted from 1; of a write, half is made. */
  dieAt = Number.POSITIVE_INFINITY;
  /** This call fails once with EIO, and the process lives on. */
  failAt = Number.POSITIVE_INFINITY;
  /**
   * Makes the next sync of a file fail: any part of what it covers is durable, and the rest is dropped.
   */
  syncFails: Random | undefined;
  /** Called when the next sync of a file has begun. */
  onSync: (() => void) | undefined;
  /** Called when the process dies at `dieAt`. */
  onDied: () => void = () => {};
  /** How many files it has open for writing. */
  openFiles = 0;
  #dead = false;

  constructor(tree: Tree, slowly?: Slowly) {
    this.#tree = tree;
    this.#slowly = slowly ?? ((work) => this.#soon(work));
  }

  get dead(): boolean {
    return this.#dead;
  }

  kill(): void {
    this.#dead = true;
  }

  makeFolder(path: string): boolean {
    this.#call('makeFolder', path);
    const parent = this.#folder(dirname(path));
    if (parent.names.has(basename(path))) return false;
    link(parent, basename(path), this.#tree.newFolder());
    return true;
  }

  list(path: string): string[] {
    this.#call('list', path);
    const node = this.#tree.find(path);
    return node && isFolder(node) ? [...node.names.keys()] : [];
  }

  identity(path: string): FolderIdentity | undefined {
    this.#call('identity', path);
    const node = this.#tree.find(path);
    return node && isFolder(node) ? node.identity : undefined;
  }

  async syncFolder(path: string): Promise<void> {
    this.#call('syncFolder', path);
    const folder = this.#folder(path);
    const covered = [...folder.unsynced];
    await this.#slowly(() => {
      for (const { name, node } of takeAway(folder.unsynced, covered))
        setName(folder.synced, name, node);
    });
  }

  async fileSystemType(): Promise<undefined> {
    return undefined;
  }

  removeFolder(path: string): void {
    this.#call('removeFolder', path);
    const { names, identity } = this.#folder(path);
    if (names.size > 0) throw systemError('ENOTEMPTY');
    this.#tree.freeInode(identity.inode);
    link(this.#folder(dirname(path)), basename(path), undefined);
  }

  create(path: string): DiskFile {
    this.#call('create', path);
    const parent = this.#folder(dirname(path));
    if (parent.names.has(basename(path))) throw systemError('EEXIST');
    const file = this.#tree.newFile();
    link(parent, basename(path), file);
    this.openFiles++;
    return this.#open(file, path);
  }

  writeNote(path: string, text: string): void {
    this.#call('writeNote', path);
    const parent = this.#folder(dirname(path));
    const file = this.#tree.newFile();
    const bytes = Buffer.from(text);
    if (bytes.length > this.#tree.freeBytes()) throw systemError('ENOSPC');
    link(parent, basename(path), file);
    write(file, 0, bytes);
  }

  async read(path: string): Promise<Buffer | undefined> {
    this.#call('read', path);
    const node = this.#tree.find(path);
    let bytes: Buffer | undefined;
    await this.#slowly(() => {
      if (node && !isFolder(node)) bytes = Buffer.from(node.bytes);
    });
    return bytes;
  }

  readPart(path: string, offset: number, bytes: number): Buffer {
    this.#call('readPart', path);
    const node = this.#tree.find(path);
    if (!node || isFolder(node)) return Buffer.alloc(0);
    return Buffer.from(node.bytes.subarray(offset, offset + bytes));
  }

  rename(path: string, to: string): void {
    this.#call('rename', path);
    const [from, into] = [this.#folder(dirname(path)), this.#folder(dirname(to))];
    const node = from.names.get(basename(path));
    if (!node) return;
    link(into, basename(to), node);
    link(from, basename(path), undefined);
  }

  removeFile(path: string): void {
    this.#call('removeFile', path);
    const parent = this.#folder(dirname(path));
    if (parent.names.has(basename(path))) link(parent, basename(path), undefined);
  }

  #open(file: FileNode, path: string): DiskFile {
    return {
      write: (buffers, offset) => {
        const bytes = Buffer.concat(buffers);
        const half = () => write(file, offset, bytes.subarray(0, Math.floor(bytes.length / 2)));
        this.#call('write', path, half);
        const mayGrowBy = this.#tree.fileBytesMax() - offset;
        if (mayGrowBy <= 0 && bytes.length > 0) throw systemError('EFBIG');
        const fits = Math.min(mayGrowBy, file.bytes.length + this.#tree.freeBytes() - offset);
        if (fits <= 0 && bytes.length > 0) throw systemError('ENOSPC');
        write(file, offset, bytes.subarray(0, fits));
        return Math.min(bytes.length, fits);
      },
      sync: async () => {
        this.#call('sync', path);
        const covered = [...file.unsynced];
        const failing = this.syncFails;
        this.syncFails = undefined;
        this.onSync?.();
        this.onSync = undefined;
        await this.#slowly(() => {
          const done = takeAway(file.unsynced, covered);
          file.synced = failing ? keepAny(file.synced, done, failing) : keepAll(file.synced, done);
          if (failing) throw systemError('EIO');
        });
      },
      isInPlace: () => this.#tree.find(path) === file,
      close: () => {
        this.#call('close', path);
        this.openFiles--;
      },
    };
  }

  async #soon(work: () => void): Promise<void> {
    await Promise.resolve();
    this.#checkAlive();
    work();
  }

  #call(name: string, path: string, dying?: () => void): void {
    this.#checkAlive();
    this.calls.push(`${name} ${path}`);
    if (this.calls.length === this.failAt) throw systemError('EIO');
    if (this.calls.length < this.dieAt) return;
    dying?.();
    this.kill();
    this.onDied();
    this.#checkAlive();
  }

  #checkAlive(): void {
    if (this.#dead) throw systemError('EIO');
  }

  #folder(path: string): FolderNode {
    const node = this.#tree.find(path);
    if (node && isFolder(node)) return node;
    throw systemError('ENOENT');
  }
}

function namesIn(path: string): readonly string[] {
  const known = namesInPath.get(path);
  if (known) return known;
  const names = path.split('/').filter((part) => part !== '');
  namesInPath.set(path, names);
  return names;
}

function isFolder(node: Node): node is FolderNode {
  return 'names' in node;
}

function link(parent: FolderNode, name: string, node: Node | undefined): void {
  setName(parent.names, name, node);
  parent.unsynced.push({ name, node });
}

function setName(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node) names.set(name, node);
  else names.delete(name);
}

function write(file: FileNode, offset: number, bytes: Buffer): void {
  const kept = { offset, bytes: Buffer.from(bytes) };
  file.bytes = overlay(file.bytes, kept);
  file.unsynced.push(kept);
}

/** A gap before the write is filled with zeros. */
function overlay(bytes: Buffer, write: Write): Buffer {
  const end = write.offset + write.bytes.length;
  const result = end > bytes.length ? Buffer.concat([bytes], end) : bytes;
  write.bytes.copy(result, write.offset);
  return result;
}

/** Makes everything durable as it is now. */
function settle(folder: FolderNode): void {
  folder.unsynced.length = 0;
  for (const [name, node] of folder.names) {
    folder.synced.set(name, node);
    if (isFolder(node)) settle(node);
  }
}

function surviveFolder(folder: FolderNode, random: Random): FolderNode {
  const names = new Map(folder.synced);
  // The changes of one name are made in order: any point of its history may survive.
  for (const name of new Set(folder.unsynced.map((change) => change.name))) {
    const changes = folder.unsynced.filter((change) => change.name === name);
    const last = changes[random.below(changes.length + 1) - 1];
    if (last) setName(names, name, last.node);
  }
  for (const [name, node] of names) {
    names.set(name, isFolder(node) ? surviveFolder(node, random) : surviveFile(node, random));
  }
  return { identity: folder.identity, names, synced: new Map(names), unsynced: [] };
}

function surviveFile(file: FileNode, random: Random): FileNode {
  const mode = pick(random, ['all', 'none', 'any'] as const);
  let bytes: Buffer = Buffer.from(file.synced);
  if (mode === 'all') bytes = keepAll(bytes, file.unsynced);
  if (mode === 'any') bytes = keepAny(bytes, file.unsynced, random);
  return { bytes, synced: Buffer.from(bytes), unsynced: [] };
}

function keepAll(bytes: Buffer, writes: readonly Write[]): Buffer {
  return writes.reduce(overlay, bytes);
}

/** Applies any part of the writes, in any order. */
function keepAny(bytes: Buffer, writes: readonly Write[], random: Random): Buffer {
  return shuffled(random, writes).reduce(
    (kept, write) => overlay(kept, torn(write, random)),
    bytes,
  );
}

/** Removes the items from the list, and returns those that were still in it. */
function takeAway<T>(list: T[], items: readonly T[]): T[] {
  const taken = items.filter((item) => list.includes(item));
  list.splice(0, list.length, ...list.filter((item) => !items.includes(item)));
  return taken;
}

function torn(write: Write, random: Random): Write {
  const length = write.bytes.length;
  const [first, second] = [random.below(length + 1), random.below(length + 1)];
  const from = pick(random, [0, 0, 0, Math.min(first, second)]);
  const to = pick(random, [0, length, length, Math.max(first, second)]);
  return { offset: write.offset + from, bytes: write.bytes.subarray(from, Math.max(from, to)) };
}

/** A node that two names lead to stays one node. */
function copyNode(node: Node, copies: Map<Node, Node>): Node {
  const known = copies.get(node);
  if (known) return known;
  if (!isFolder(node)) {
    const { bytes, synced, unsynced } = node;
    const copy = { bytes: Buffer.from(bytes), synced: Buffer.from(synced) };
    const file = { ...copy, unsynced: [...unsynced] };
    copies.set(node, file);
    return file;
  }
  const folder: FolderNode = { ...node, names: new Map(), synced: new Map(), unsynced: [] };
  copies.set(node, folder);
  for (const [name, child] of node.names) folder.names.set(name, copyNode(child, copies));
  for (const [name, child] of node.synced) folder.synced.set(name, copyNode(child, copies));
  for (const { name, node: child } of node.unsynced) {
    folder.unsynced.push({ name, node: child && copyNode(child, copies) });
  }
  return folder;
}

function bytesIn(node: Node): number {
  if (!isFolder(node)) return node.bytes.length;
  return [...node.names.values()].reduce((sum, child) => sum + bytesIn(child), 0);
}

function collect(folder: FolderNode, path: string, files: Map<string, Buffer>): void {
  for (const [name, node] of folder.names) {
    if (isFolder(node)) collect(node, `${path}/${name}`, files);
    else files.set(`${path}/${name}`, Buffer.from(node.bytes));
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: the test's disk`), { code, errno: -5 });
}
