// A disk in memory that can lose power. It tells synced bytes from bytes that were only written; of the
// latter any part survives a power loss, in any order, torn at any byte.
import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';
import type { Disk, DiskFile, FolderIdentity } from '../../../src/journal/disk.ts';
import type { Random } from '../random.ts';
import {
  type Change,
  type FileNode,
  type FolderNode,
  isFolder,
  keepAll,
  keepAny,
  type Node,
  overlay,
  setName,
  surviveFolder,
  syncUpTo,
  takeAway,
} from './power-loss.ts';

/** Above all times of birth. */
const changesBegin = 1_000_000_000n;
/** A cache: a simulation uses the same few paths all the time. */
const namesInPath = new Map<string, readonly string[]>();

export class CrashDisk {
  /**
   * Limit of the sum of all files: a write beyond it is partial, and the next one fails with ENOSPC.
   */
  bytesMax = Number.POSITIVE_INFINITY;
  /** Longest file: a write beyond it is partial, and the next one fails with EFBIG. */
  fileBytesMax = Number.POSITIVE_INFINITY;
  /** Files that a process removed, as they were, because the disk was full when it wrote last. */
  readonly givenUp: { readonly path: string; readonly bytes: Buffer }[] = [];
  /** The clock of the file system, for the times of the last change: each is another one at first. */
  changeTime: () => bigint = () => changesBegin + ++this.#changes;
  #changes = 0n;
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
      changeTime: () => this.changeTime(),
      giveUp: (path: string, bytes: Buffer) => void this.givenUp.push({ path, bytes }),
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
    clone.#root = copyTree(this.#root);
    clone.#inodes = this.#inodes;
    clone.#freeInodes = [...this.#freeInodes];
    clone.#foldersMade = this.#foldersMade;
    clone.#changes = this.#changes;
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
  changeTime(): bigint;
  giveUp(path: string, bytes: Buffer): void;
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
  /** As of statfs(2): at first ext4. */
  fileSystem = 0xef53;
  /** How many files it has open for writing. */
  openFiles = 0;
  #dead = false;
  #isFull = false;

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
    this.#link(parent, basename(path), this.#tree.newFolder());
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
      for (const { name, node, other } of takeAway(folder.unsynced, covered)) {
        setName(folder.synced, name, node);
        if (other) syncUpTo(other.folder, other.change);
      }
    });
  }

  async fileSystemType(): Promise<number> {
    return this.fileSystem;
  }

  removeFolder(path: string): void {
    this.#call('removeFolder', path);
    const { names, identity } = this.#folder(path);
    if (names.size > 0) throw systemError('ENOTEMPTY');
    this.#tree.freeInode(identity.inode);
    this.#link(this.#folder(dirname(path)), basename(path), undefined);
  }

  create(path: string): DiskFile {
    this.#call('create', path);
    const parent = this.#folder(dirname(path));
    if (parent.names.has(basename(path))) throw systemError('EEXIST');
    const file = this.#tree.newFile();
    this.#link(parent, basename(path), file);
    this.openFiles++;
    return this.#open(file, path);
  }

  writeNote(path: string, text: string): void {
    this.#call('writeNote', path);
    const parent = this.#folder(dirname(path));
    const file = this.#tree.newFile();
    const bytes = Buffer.from(text);
    if (bytes.length > this.#tree.freeBytes()) throw systemError('ENOSPC');
    this.#link(parent, basename(path), file);
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
    this.#link(into, basename(to), node);
    this.#link(from, basename(path), undefined);
    const [come, gone] = [into.unsynced.at(-1), from.unsynced.at(-1)];
    if (into === from || !come || !gone) return;
    come.other = { folder: from, change: gone };
    gone.other = { folder: into, change: come };
  }

  size(path: string): number | undefined {
    this.#call('size', path);
    const node = this.#tree.find(path);
    return node && !isFolder(node) ? node.bytes.length : undefined;
  }

  removeFile(path: string): void {
    this.#call('removeFile', path);
    const parent = this.#folder(dirname(path));
    const node = parent.names.get(basename(path));
    if (node && this.#isFull && !isFolder(node)) this.#tree.giveUp(path, Buffer.from(node.bytes));
    if (node) this.#link(parent, basename(path), undefined);
  }

  async unlink(path: string): Promise<void> {
    this.removeFile(path);
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
        this.#isFull = fits < bytes.length;
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

  #link(parent: FolderNode, name: string, node: Node | undefined): void {
    setName(parent.names, name, node);
    parent.unsynced.push({ name, node });
    parent.identity = { ...parent.identity, changedNs: this.#tree.changeTime() };
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

function write(file: FileNode, offset: number, bytes: Buffer): void {
  const kept = { offset, bytes: Buffer.from(bytes) };
  file.bytes = overlay(file.bytes, kept);
  file.unsynced.push(kept);
}

/** Makes everything durable as it is now. */
function settle(folder: FolderNode): void {
  folder.unsynced.length = 0;
  for (const [name, node] of folder.names) {
    folder.synced.set(name, node);
    if (isFolder(node)) settle(node);
  }
}

function copyTree(root: FolderNode): FolderNode {
  const copies: Copies = { nodes: new Map(), changes: new Map() };
  const copy = copyNode(root, copies) as FolderNode;
  for (const [{ other }, change] of copies.changes) {
    const folder = other && copies.nodes.get(other.folder);
    const half = other && copies.changes.get(other.change);
    if (folder && isFolder(folder) && half) change.other = { folder, change: half };
  }
  return copy;
}

interface Copies {
  readonly nodes: Map<Node, Node>;
  readonly changes: Map<Change, Change>;
}

/** A node that two names lead to stays one node. */
function copyNode(node: Node, copies: Copies): Node {
  const known = copies.nodes.get(node);
  if (known) return known;
  if (!isFolder(node)) {
    const { bytes, synced, unsynced } = node;
    const copy = { bytes: Buffer.from(bytes), synced: Buffer.from(synced) };
    const file = { ...copy, unsynced: [...unsynced] };
    copies.nodes.set(node, file);
    return file;
  }
  const folder: FolderNode = { ...node, names: new Map(), synced: new Map(), unsynced: [] };
  copies.nodes.set(node, folder);
  for (const [name, child] of node.names) folder.names.set(name, copyNode(child, copies));
  for (const [name, child] of node.synced) folder.synced.set(name, copyNode(child, copies));
  for (const change of node.unsynced) {
    const copy = { name: change.name, node: change.node && copyNode(change.node, copies) };
    folder.unsynced.push(copy);
    copies.changes.set(change, copy);
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
