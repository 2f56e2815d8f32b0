// Restores the files of a store from its stream, into an empty folder of this machine.
import { closeSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { IpcError } from '../base/errors.ts';
import { makePrivateFolder, openPrivateFile } from '../files/private-files.ts';
import { parseClaim } from './claim.ts';
import { decodeLogMessage, type LogMessage } from './log-message.ts';
import { claimFile, type LogStream } from './log-stream.ts';
import { OwnerRuns } from './owner-runs.ts';

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
/** A part of a subject that is also a name of a file here. */
const fileForm = /^[0-9a-z-]{1,64}$/;
/** No path of a store begins with a dot. */
const partsFolder = '.parts';

/** `folder` is there, and empty. Messages that are not of agent-ipc are ignored. */
export async function loadMirror(
  stream: LogStream,
  folder: string,
  upTo: number,
): Promise<LoadedMirror> {
  const loading = new Loading(folder);
  const runs = new OwnerRuns();
  try {
    for await (const { sequence, file, data } of stream.read(upTo)) {
      if (file === claimFile) {
        runs.claimed(sequence, parseClaim(data)?.claim);
        continue;
      }
      const message = fileForm.test(file) ? readable(data) : undefined;
      if (runs.counts(sequence, message) && message) loading.apply(file, message);
      else if (message) loading.ignored(file);
    }
  } finally {
    loading.close();
  }
  // An owner that was replaced may still have purged files while they were read: in part, they are none.
  return loading.finish(await stream.files());
}

/** The bytes of each file are written to a part of its own, which gets its path at the end: so no path is in the way. */
class Loading {
  readonly #folder: string;
  readonly #parts: string;
  readonly #byPath = new Map<string, MirroredFile>();
  readonly #byFile = new Map<string, MirroredFile>();
  readonly #removed = new Set<string>();
  readonly #ignored = new Set<string>();
  #open: { readonly file: string; readonly descriptor: number } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#parts = join(folder, partsFolder);
    makePrivateFolder(this.#parts);
  }

  apply(file: string, { path, change, bytes }: LogMessage): void {
    if (this.#removed.has(file)) return;
    if (change.kind === 'remove') {
      this.#removed.add(file);
      const known = this.#byFile.get(file);
      if (known) this.#remove(known);
      return;
    }
    // Its first message, or the one that renamed it, may be lost: each names the path.
    const found = this.#placed(file, path, change.kind === 'folder');
    found.storedBytes += bytes.length + messageOverheadBytes;
    if (change.kind === 'write' && !found.isFolder) this.#write(found, bytes, change.at);
  }

  /** A message that does not count. */
  ignored(file: string): void {
    this.#ignored.add(file);
  }

  finish(files: ReadonlySet<string>): LoadedMirror {
    for (const each of [...this.#byPath.values()]) if (!files.has(each.file)) this.#remove(each);
    for (const each of [...this.#byPath.values()]) if (!this.#isReachable(each)) this.#drop(each);
    for (const { file, path, isFolder } of this.#byPath.values()) {
      this.#makeFolder(isFolder ? path : dirname(path));
      if (!isFolder) renameSync(join(this.#parts, file), join(this.#folder, path));
    }
    rmSync(this.#parts, { recursive: true });
    const ignored = [...this.#ignored].filter((file) => !this.#byFile.has(file));
    const removed = new Set([...this.#removed, ...ignored]);
    return { files: this.#byPath, removed: [...removed].filter((file) => files.has(file)) };
  }

  close(): void {
    if (this.#open) closeSync(this.#open.descriptor);
    this.#open = undefined;
  }

  #placed(file: string, path: string, isFolder: boolean): MirroredFile {
    const known = this.#byFile.get(file);
    if (known?.path === path) return known;
    const before = this.#byPath.get(path);
    if (before) this.#drop(before);
    const found = { file, isFolder, end: 0, storedBytes: 0, ...known, path };
    if (known) this.#byPath.delete(known.path);
    else if (!isFolder) this.#openPart(file, 'wx');
    this.#byPath.set(path, found);
    this.#byFile.set(file, found);
    return found;
  }

  /** Another file takes its path. */
  #drop(found: MirroredFile): void {
    this.#remove(found);
    this.#removed.add(found.file);
  }

  #remove(found: MirroredFile): void {
    this.close();
    rmSync(join(this.#parts, found.file), { force: true });
    this.#byPath.delete(found.path);
    this.#byFile.delete(found.file);
  }

  /** Only strange messages make a file below another file. */
  #isReachable({ path }: Pick<MirroredFile, 'path'>): boolean {
    const parent = dirname(path);
    if (parent === '.') return true;
    const found = this.#byPath.get(parent);
    return found?.isFolder !== false && this.#isReachable({ path: parent });
  }

  #write(found: MirroredFile, bytes: Buffer, at: number): void {
    const descriptor = this.#openPart(found.file, 'r+');
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(descriptor, bytes, written, bytes.length - written, at + written);
    }
    found.end = Math.max(found.end, at + bytes.length);
  }

  #openPart(file: string, flags: 'wx' | 'r+'): number {
    if (this.#open?.file === file) return this.#open.descriptor;
    this.close();
    const descriptor = openPrivateFile(join(this.#parts, file), flags);
    this.#open = { file, descriptor };
    return descriptor;
  }

  #makeFolder(path: string): void {
    if (path === '.') return;
    this.#makeFolder(dirname(path));
    makePrivateFolder(join(this.#folder, path));
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
