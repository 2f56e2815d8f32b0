// Restores the files of a store from its stream, into an empty folder of this machine.
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { IpcError } from '../base/errors.ts';
import { makePrivateFolder, openPrivateFile } from '../files/private-files.ts';
import { decodeLogMessage, type LogMessage } from './log-message.ts';
import { claimFile, type LogStream } from './log-stream.ts';

/** A file or folder of a store, as the stream has it. */
export interface MirroredFile {
  /** Its part of the subject: no other file ever has it. */
  readonly file: string;
  readonly path: string;
  readonly isFolder: boolean;
  /** The end of its last byte that is in the stream. */
  end: number;
  /** What its messages take on the server, nearly. */
  storedBytes: number;
}

export interface LoadedMirror {
  /** By path. */
  readonly files: Map<string, MirroredFile>;
  /** Their messages are in the stream, but they are no files any more. */
  readonly removed: readonly string[];
}

/** What a message takes beside its data: its subject, its headers, and its place in the index. */
export const messageOverheadBytes = 200;

/** `folder` is there, and empty. Messages that are not of agent-ipc are ignored. */
export async function loadMirror(
  stream: LogStream,
  folder: string,
  upTo: number,
): Promise<LoadedMirror> {
  const loading = new Loading(folder);
  try {
    for await (const { file, data } of stream.read(upTo)) {
      if (file === claimFile) continue;
      const message = readable(data);
      if (message) loading.apply(file, message);
    }
  } finally {
    loading.close();
  }
  // An owner that was replaced may still have purged files while they were read: in part, they are none.
  return loading.finish(await stream.files());
}

class Loading {
  readonly #folder: string;
  readonly #byPath = new Map<string, MirroredFile>();
  readonly #byFile = new Map<string, MirroredFile>();
  readonly #removed = new Set<string>();
  #open: { readonly path: string; readonly descriptor: number } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  apply(file: string, { path, change, bytes }: LogMessage): void {
    if (this.#removed.has(file)) return;
    const known = this.#byFile.get(file);
    if (change.kind === 'remove') {
      if (known) this.#remove(known);
      this.#removed.add(file);
      return;
    }
    if (change.kind === 'rename') this.#rename(file, known, change.from, path);
    // Its first message may be lost: each names the path.
    const found = this.#byFile.get(file) ?? this.#begin(file, path, change.kind === 'folder');
    found.storedBytes += bytes.length + messageOverheadBytes;
    if (change.kind === 'write') this.#write(found, bytes, change.at);
  }

  finish(files: ReadonlySet<string>): LoadedMirror {
    for (const each of [...this.#byPath.values()]) if (!files.has(each.file)) this.#remove(each);
    const removed = [...this.#removed].filter((file) => files.has(file));
    return { files: this.#byPath, removed };
  }

  close(): void {
    if (this.#open) closeSync(this.#open.descriptor);
    this.#open = undefined;
  }

  #begin(file: string, path: string, isFolder: boolean): MirroredFile {
    this.#replaced(path);
    const found = { file, path, isFolder, end: 0, storedBytes: 0 };
    this.#set(found);
    this.#makeFolder(isFolder ? path : dirname(path));
    if (!isFolder) this.#descriptor(path);
    return found;
  }

  #rename(file: string, known: MirroredFile | undefined, from: string, path: string): void {
    if (!known) return;
    this.close();
    this.#replaced(path);
    this.#makeFolder(dirname(path));
    renameSync(join(this.#folder, from), join(this.#folder, path));
    this.#byPath.delete(known.path);
    this.#set({ ...known, file, path });
  }

  /** Another file takes this path. */
  #replaced(path: string): void {
    const before = this.#byPath.get(path);
    if (!before) return;
    if (!before.isFolder) this.#remove(before);
    this.#byFile.delete(before.file);
    this.#removed.add(before.file);
  }

  #remove(found: MirroredFile): void {
    this.close();
    rmSync(join(this.#folder, found.path), { recursive: true, force: true });
    this.#byPath.delete(found.path);
    this.#byFile.delete(found.file);
  }

  #set(found: MirroredFile): void {
    this.#byPath.set(found.path, found);
    this.#byFile.set(found.file, found);
  }

  #write(found: MirroredFile, bytes: Buffer, at: number): void {
    const descriptor = this.#descriptor(found.path);
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(descriptor, bytes, written, bytes.length - written, at + written);
    }
    found.end = Math.max(found.end, at + bytes.length);
  }

  #descriptor(path: string): number {
    if (this.#open?.path === path) return this.#open.descriptor;
    this.close();
    const full = join(this.#folder, path);
    const descriptor = existing(full) ?? openPrivateFile(full, 'wx');
    this.#open = { path, descriptor };
    return descriptor;
  }

  #makeFolder(path: string): void {
    if (path === '.') return;
    this.#makeFolder(dirname(path));
    makePrivateFolder(join(this.#folder, path));
  }
}

function existing(path: string): number | undefined {
  try {
    return openSync(path, 'r+');
  } catch {
    return undefined;
  }
}

function readable(data: Buffer): LogMessage | undefined {
  try {
    return decodeLogMessage(data);
  } catch (error) {
    if (error instanceof IpcError) return undefined;
    throw error;
  }
}
