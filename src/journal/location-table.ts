import type { WrittenBytes } from './body-cache.ts';
import type { Location, LogFile } from './live-index.ts';

const rowsMin = 1_024;

/**
 * Where records lie, in rows of large arrays. A replay finds up to a million of them: as objects they would take more
 * than twice the memory, and the garbage collector would copy each twice.
 */
export class LocationTable {
  /** Of each row: where its record begins in the file, and how long it is. */
  #offsets = new Uint32Array(rowsMin);
  #bytes = new Uint32Array(rowsMin);
  #files: (LogFile | undefined)[] = [];
  #written: (WrittenBytes | undefined)[] = [];
  /** Rows that are used again. */
  #free: number[] = [];

  /** Returns its row. */
  add({ file, offset, bytes, written }: Location): number {
    const row = this.#free.pop() ?? this.#files.length;
    if (row === this.#offsets.length) {
      this.#offsets = enlarged(this.#offsets);
      this.#bytes = enlarged(this.#bytes);
    }
    this.#files[row] = file;
    this.#written[row] = written;
    this.#offsets[row] = offset;
    this.#bytes[row] = bytes;
    return row;
  }

  /** A new object each time. */
  read(row: number): Location {
    return {
      file: this.fileAt(row),
      offset: this.offsetAt(row),
      bytes: this.bytesAt(row),
      written: this.writtenAt(row),
    };
  }

  fileAt(row: number): LogFile {
    return this.#files[row] as LogFile;
  }

  offsetAt(row: number): number {
    return this.#offsets[row] as number;
  }

  bytesAt(row: number): number {
    return this.#bytes[row] as number;
  }

  writtenAt(row: number): WrittenBytes | undefined {
    return this.#written[row];
  }

  delete(row: number): void {
    this.#files[row] = undefined;
    this.#written[row] = undefined;
    this.#free.push(row);
    const rows = this.#files.length;
    if (this.#free.length === rows && rows > rowsMin) this.#clear();
  }

  /** Gives the memory of a large table back. */
  #clear(): void {
    this.#offsets = new Uint32Array(rowsMin);
    this.#bytes = new Uint32Array(rowsMin);
    this.#files = [];
    this.#written = [];
    this.#free = [];
  }
}

function enlarged(numbers: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * numbers.length);
  larger.set(numbers);
  return larger;
}
