// Files of a store on a disk, in a form that can be compared: without the zeros at their ends, which may be written ahead.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeLogMessage, type FileChange } from '../../../src/nats/log-message.ts';
import { claimFile } from '../../../src/nats/log-stream.ts';
import type { FakeServer } from './fake-stream.ts';

/** Text by path; folders end with "/". The folder of ballast is left out. */
export function filesIn(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const full = join(entry.parentPath, entry.name);
    const path = full.slice(folder.length + 1);
    if (path.split('/')[0] === 'spare') continue;
    if (entry.isDirectory()) found[`${path}/`] = '';
    else found[path] = withoutZeros(readFileSync(full));
  }
  return Object.fromEntries(Object.entries(found).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** What a file holds up to its last byte that is not zero. */
function withoutZeros(bytes: Buffer): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.toString('latin1', 0, end);
}

/** Appends messages of an owner, as it would have written them. */
export class FakeOwner {
  readonly #server: FakeServer;
  readonly claim: string;
  #count = 0;

  constructor(server: FakeServer, claim: string) {
    this.#server = server;
    this.claim = claim;
    const data = Buffer.from(JSON.stringify({ claim, pid: 1, program: 'test', machine: 'here' }));
    this.#append(claimFile, data);
  }

  /** Returns the sequence. */
  add(file: string, path: string, change: FileChange, text = ''): number {
    const bytes = Buffer.from(text, 'latin1');
    const count = ++this.#count;
    return this.#append(file, encodeLogMessage({ claim: this.claim, count, path, change, bytes }));
  }

  /** Anybody's bytes. */
  junk(file: string, data: Buffer): number {
    return this.#append(file, data);
  }

  #append(file: string, data: Buffer): number {
    const after = this.#server.lastSequence;
    const id = `${this.claim}.${file}.${after}`;
    const result = this.#server.append({ file, data, id, after });
    if (result.kind !== 'stored') throw new Error(result.kind);
    return result.sequence;
  }
}
