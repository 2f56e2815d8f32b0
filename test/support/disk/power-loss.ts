// What survives a power loss on the disk in memory: of the bytes and names that were not synced, any part.
import type { FolderIdentity } from '../../../src/journal/disk.ts';
import { pick, type Random, shuffled } from '../random.ts';

export interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface FileNode {
  /** Its content as programs see it. */
  bytes: Buffer;
  /** The content that is certainly durable. */
  synced: Buffer;
  /** Writes since the last sync, in order. */
  readonly unsynced: Write[];
}

export interface FolderNode {
  identity: FolderIdentity;
  readonly names: Map<string, Node>;
  readonly synced: Map<string, Node>;
  /** Names created and removed since the last sync, in order. */
  readonly unsynced: Change[];
}

export interface Change {
  readonly name: string;
  readonly node: Node | undefined;
  /** The other half of a rename: of both, either all or nothing survives. */
  other?: { readonly folder: FolderNode; readonly change: Change };
  /** Whether the rename survives the power loss that is under way. */
  survives?: boolean;
}

export type Node = FileNode | FolderNode;

export function surviveFolder(folder: FolderNode, random: Random): FolderNode {
  const names = new Map(folder.synced);
  // The changes of one name are made in order: any point of its history may survive.
  for (const name of new Set(folder.unsynced.map((change) => change.name))) {
    const changes = folder.unsynced.filter((change) => change.name === name);
    const count = survivors(changes, random);
    const last = changes[count - 1];
    if (last) setName(names, name, last.node);
  }
  for (const [name, node] of names) {
    names.set(name, isFolder(node) ? surviveFolder(node, random) : surviveFile(node, random));
  }
  return { identity: folder.identity, names, synced: new Map(names), unsynced: [] };
}

/** How many of the changes of a name survive, of which a rename may have been decided with its other name. */
function survivors(changes: readonly Change[], random: Random): number {
  const isOut = (change: Change) => change.other?.change.survives === false;
  const isIn = (change: Change) => change.other?.change.survives === true;
  const first = changes.findIndex(isOut);
  const most = first === -1 ? changes.length : first;
  const least = Math.min(most, changes.findLastIndex(isIn) + 1);
  const count = least + random.below(most - least + 1);
  for (const [index, change] of changes.entries()) change.survives = index < count;
  return count;
}

/** A journal of the file system makes both names of a rename durable together, with what was done to them before. */
export function syncUpTo(folder: FolderNode, change: Change): void {
  const at = folder.unsynced.indexOf(change);
  if (at === -1) return;
  const covered = folder.unsynced.slice(0, at + 1).filter(({ name }) => name === change.name);
  for (const { name, node } of takeAway(folder.unsynced, covered)) {
    setName(folder.synced, name, node);
  }
}

function surviveFile(file: FileNode, random: Random): FileNode {
  const mode = pick(random, ['all', 'none', 'any'] as const);
  let bytes: Buffer = Buffer.from(file.synced);
  if (mode === 'all') bytes = keepAll(bytes, file.unsynced);
  if (mode === 'any') bytes = keepAny(bytes, file.unsynced, random);
  return { bytes, synced: Buffer.from(bytes), unsynced: [] };
}

export function keepAll(bytes: Buffer, writes: readonly Write[]): Buffer {
  return writes.reduce(overlay, bytes);
}

/** Applies any part of the writes, in any order. */
export function keepAny(bytes: Buffer, writes: readonly Write[], random: Random): Buffer {
  return shuffled(random, writes).reduce(
    (kept, write) => overlay(kept, torn(write, random)),
    bytes,
  );
}

export function isFolder(node: Node): node is FolderNode {
  return 'names' in node;
}

export function setName(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node) names.set(name, node);
  else names.delete(name);
}

/** A gap before the write is filled with zeros. */
export function overlay(bytes: Buffer, write: Write): Buffer {
  const end = write.offset + write.bytes.length;
  const result = end > bytes.length ? Buffer.concat([bytes], end) : bytes;
  write.bytes.copy(result, write.offset);
  return result;
}

/** Removes the items from the list, and returns those that were still in it. */
export function takeAway<T>(list: T[], items: readonly T[]): T[] {
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
