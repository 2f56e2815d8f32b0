// Fixed binary fields, big-endian, for the headers of frames and records. Texts carry their length
// in one byte, lists their count in four.
import { isUtf8 } from 'node:buffer';
import { IpcError } from './errors.ts';

/** Grows as it is written; `bytes()` hands out what was written. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  u8(value: number): this {
    const offset = this.#reserve(1);
    this.#buffer.writeUInt8(value, offset);
    return this;
  }

  u16(value: number): this {
    const offset = this.#reserve(2);
    this.#buffer.writeUInt16BE(value, offset);
    return this;
  }

  u32(value: number): this {
    const offset = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, offset);
    return this;
  }

  /** Whole numbers up to 2^53 - 1, in eight bytes. */
  u64(value: number): this {
    const offset = this.#reserve(8);
    this.#buffer.writeUInt32BE(Math.floor(value / 2 ** 32), offset);
    this.#buffer.writeUInt32BE(value % 2 ** 32, offset + 4);
    return this;
  }

  /** At most 255 bytes of UTF-8. */
  text(value: string): this {
    if (value === '') return this.u8(0);
    const bytes = Buffer.byteLength(value);
    this.u8(bytes);
    const offset = this.#reserve(bytes);
    this.#buffer.write(value, offset, 'utf8');
    return this;
  }

  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.u32(values.length);
    for (const value of values) write(value);
    return this;
  }

  raw(value: Uint8Array): this {
    const offset = this.#reserve(value.length);
    this.#buffer.set(value, offset);
    return this;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** May replace the buffer: it comes before the buffer is named. */
  #reserve(bytes: number): number {
    const offset = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, offset);
      this.#buffer = larger;
    }
    return offset;
  }
}

/** Reads what ByteWriter wrote; anything short, long or malformed is `bad_frame`. */
export class ByteReader {
  readonly #buffer: Buffer;
  #offset = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  u64(): number {
    const offset = this.#take(8);
    const value =
      this.#buffer.readUInt32BE(offset) * 2 ** 32 + this.#buffer.readUInt32BE(offset + 4);
    if (!Number.isSafeInteger(value)) throw new IpcError('bad_frame', 'a number beyond 2^53');
    return value;
  }

  text(): string {
    const bytes = this.u8();
    if (bytes === 0) return '';
    const offset = this.#take(bytes);
    const value = this.#buffer.toString('utf8', offset, offset + bytes);
    // What is not UTF-8 decodes to this character, which is rare enough to look twice.
    const wrong =
      value.includes('\ufffd') && !isUtf8(this.#buffer.subarray(offset, offset + bytes));
    if (wrong) throw new IpcError('bad_frame', 'a text is not UTF-8');
    return value;
  }

  /** `itemBytesMin` bounds the count by the bytes that are there. */
  list<T>(itemBytesMin: number, read: () => T): T[] {
    const count = this.u32();
    if (count * itemBytesMin > this.#buffer.length - this.#offset) {
      throw new IpcError('bad_frame', `a list of ${count} does not fit its header`);
    }
    return Array.from({ length: count }, read);
  }

  raw(bytes: number): Buffer {
    const offset = this.#take(bytes);
    return this.#buffer.subarray(offset, offset + bytes);
  }

  /** All of it is read. */
  get isAtEnd(): boolean {
    return this.#offset === this.#buffer.length;
  }

  /** Trailing bytes are as wrong as missing ones. */
  end(): void {
    const left = this.#buffer.length - this.#offset;
    if (left !== 0) throw new IpcError('bad_frame', `${left} bytes too many in a header`);
  }

  #take(bytes: number): number {
    const offset = this.#offset;
    if (offset + bytes > this.#buffer.length) throw new IpcError('bad_frame', 'a header is short');
    this.#offset = offset + bytes;
    return offset;
  }
}
