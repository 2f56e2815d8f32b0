// The lower bound for storing a message: its bytes written to a file and synced, on the thread pool or on the loop.
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  write,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';

const writeOnPool = promisify(write);
const fdatasyncOnPool = promisify(fdatasync);

export class BareFile {
  readonly #file: number;
  readonly #allocatedBytes: number;
  #offset = 0;

  /** `allocatedBytes`: preallocated zeros that are overwritten, so that no sync changes the file length. */
  constructor(path: string, allocatedBytes: number) {
    this.#file = openSync(path, 'wx', 0o600);
    this.#allocatedBytes = allocatedBytes;
    writeSync(this.#file, Buffer.alloc(allocatedBytes), 0, allocatedBytes, 0);
    fsyncSync(this.#file);
  }

  /** The next bytes go to its start again; what was appended behind the zeros is cut off. */
  rewind(): void {
    this.#offset = 0;
    ftruncateSync(this.#file, this.#allocatedBytes);
  }

  async store(bytes: Buffer): Promise<void> {
    await writeOnPool(this.#file, bytes, 0, bytes.length, this.#offset);
    this.#offset += bytes.length;
    await fdatasyncOnPool(this.#file);
  }

  /** The same, on the thread of the event loop. */
  storeOnLoop(bytes: Buffer): void {
    writeSync(this.#file, bytes, 0, bytes.length, this.#offset);
    this.#offset += bytes.length;
    fdatasyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}
