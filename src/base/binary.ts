// Binary fields, big-endian, for the headers of frames and records. A text begins with its length in one
// byte, a list with its count in four.
import { isUtf8 } from 'node:buffer';
import { appended, emptyList } from './empty-list.ts';
import { IpcError } from './errors.ts';
import type { TextTable } from './text-table.ts';

/** Most texts are no longer than this, and of ASCII: a call of the native writer takes longer than a loop over them. */
const shortTextMax = 64;
/** A writer that is cleared keeps at most this much memory. */
const clearedBytesMax = 16 * 1024;

/** Grows as needed; `bytes()` returns a view of what was written. A number out of the range of its field is a RangeError. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  /** `bytes`: how many it takes without growing. */
  constructor(bytes = 256) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  get length(): number {
    return this.#length;
  }

  /** Makes the writer empty: what `bytes()` returned before is overwritten. A large buffer is not kept. */
  clear(): this {
    this.#length = 0;
    if (this.#buffer.length > clearedBytesMax) this.#buffer = Buffer.allocUnsafe(clearedBytesMax);
    return this;
  }

  u8(value: number): this {
    if (value !== (value & 0xff)) throw outOfRange(value);
    const offset = this.#reserve(1);
    this.#buffer[offset] = value;
    return this;
  }

  u16(value: number): this {
    if (value !== (value & 0xffff)) throw outOfRange(value);
    const offset = this.#reserve(2);
    const bytes = this.#buffer;
    bytes[offset] = value >>> 8;
    bytes[offset + 1] = value;
    return this;
  }

  u32(value: number): this {
    const offset = this.#reserve(4);
    putU32(this.#buffer, offset, value);
    return this;
  }

  /** An integer up to 2^53 - 1, in eight bytes. */
  u64(value: number): this {
    const offset = this.#reserve(8);
    putU32(this.#buffer, offset, Math.floor(value / 2 ** 32));
    putU32(this.#buffer, offset + 4, value % 2 ** 32);
    return this;
  }

  /** At most 255 bytes of UTF-8. */
  text(value: string): this {
    if (value.length <= shortTextMax && this.#asciiText(value)) return this;
    const bytes = Buffer.byteLength(value);
    this.u8(bytes);
    const offset = this.#reserve(bytes);
    this.#buffer.write(value, offset);
    return this;
  }

  /** `write` gets the writer as well, so that one function can serve all lists. */
  list<T>(values: readonly T[], write: (writer: ByteWriter, value: T) => void): this {
    this.u32(values.length);
    for (const value of values) write(this, value);
    return this;
  }

  /** A list of one value, or of none. */
  optional<T>(value: T | undefined, write: (writer: ByteWriter, value: T) => void): this {
    this.u32(value === undefined ? 0 : 1);
    if (value !== undefined) write(this, value);
    return this;
  }

  texts(values: readonly string[]): this {
    return this.list(values, writeText);
  }

  numbers(values: readonly number[]): this {
    return this.list(values, writeNumber);
  }

  raw(value: Uint8Array): this {
    const offset = this.#reserve(value.length);
    this.#buffer.set(value, offset);
    return this;
  }

  /** Takes back what was written behind this length. */
  cutTo(length: number): void {
    this.#length = length;
  }

  /** Leaves place for bytes that putU32() and the like write into `memory` later. Returns where it begins. */
  skip(bytes: number): number {
    return this.#reserve(bytes);
  }

  /** The buffer with what was written; it is longer. The next write may replace it. bytes() would make a view of it. */
  get memory(): Buffer {
    return this.#buffer;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** False if it is not ASCII: then nothing was written. */
  #asciiText(value: string): boolean {
    const { length } = value;
    const begin = this.#reserve(1 + length);
    const bytes = this.#buffer;
    bytes[begin] = length;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) {
        this.#length = begin;
        return false;
      }
      bytes[begin + 1 + index] = code;
    }
    return true;
  }

  /** May replace the buffer, so call it before you use the buffer. */
  #reserve(bytes: number): number {
    const offset = this.#length;
    this.#length = offset + bytes;
    if (this.#length > this.#buffer.length) this.#grow(offset);
    return offset;
  }

  #grow(filled: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, filled);
    this.#buffer = larger;
  }
}

function writeText(writer: ByteWriter, text: string): void {
  writer.text(text);
}

function writeNumber(writer: ByteWriter, number: number): void {
  writer.u64(number);
}

/** The caller has made sure that the bytes are there: writeUInt32BE would check that once more, which takes longer. */
export function putU32(bytes: Uint8Array, offset: number, value: number): void {
  if (value !== value >>> 0) throw outOfRange(value);
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

function outOfRange(value: number): RangeError {
  return new RangeError(`${value} is out of the range of its field`);
}

/** Reads what ByteWriter wrote, from `from` to `end`. Bytes that are missing, left over or malformed are a `bad_frame`. */
export class ByteReader {
  readonly #buffer: Buffer;
  #offset: number;
  #end: number;

  constructor(buffer: Buffer, from = 0, end = buffer.length) {
    this.#buffer = buffer;
    this.#offset = from;
    this.#end = end;
  }

  /** Reads another part of the same buffer. */
  restart(from: number, end: number): void {
    this.#offset = from;
    this.#end = end;
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number;
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return u32At(this.#buffer, this.#take(4));
  }

  u64(): number {
    const offset = this.#take(8);
    const high = u32At(this.#buffer, offset);
    const low = u32At(this.#buffer, offset + 4);
    // The sum with a product of floating point would take a box of its own in memory.
    if (high === 0) return low;
    const value = high * 2 ** 32 + low;
    if (!Number.isSafeInteger(value))
      throw new IpcError('bad_frame', 'a number in a header exceeds 2^53');
    return value;
  }

  text(): string {
    const bytes = this.u8();
    if (bytes === 0) return '';
    const offset = this.#take(bytes);
    return decodeText(this.#buffer, offset, offset + bytes);
  }

  /** A text that others have in common with it, as the table has it. */
  textIn<Text extends string>(table: TextTable<Text>): Text {
    return this.partIn(this.u8(), table);
  }

  /** textIn() for a text, or a part of one, whose length was read. */
  partIn<Text extends string>(bytes: number, table: TextTable<Text>): Text {
    const offset = this.#take(bytes);
    return table.read(this.#buffer, offset, offset + bytes, decodeText);
  }

  /** A count that the remaining bytes cannot hold, at `itemBytesMin` each, is refused before it is read. */
  list<T>(itemBytesMin: number, read: (reader: ByteReader) => T): readonly T[] {
    const count = this.#count(itemBytesMin);
    let items: readonly T[] = emptyList;
    for (let index = 0; index < count; index++) items = appended(items, read(this));
    return items;
  }

  /** A list of at most one. */
  optional<T>(itemBytesMin: number, read: (reader: ByteReader) => T): T | undefined {
    const count = this.#count(itemBytesMin);
    if (count > 1) throw new IpcError('bad_frame', `a list of ${count}; the limit is 1`);
    return count === 0 ? undefined : read(this);
  }

  raw(bytes: number): Buffer {
    const offset = this.#take(bytes);
    return this.#buffer.subarray(offset, offset + bytes);
  }

  /** Everything has been read. */
  get isAtEnd(): boolean {
    return this.#offset === this.#end;
  }

  /** Throws if bytes are left over. */
  end(): void {
    const left = this.#end - this.#offset;
    if (left !== 0) throw new IpcError('bad_frame', `a header has ${left} bytes too many`);
  }

  #count(itemBytesMin: number): number {
    const count = this.u32();
    if (count * itemBytesMin <= this.#end - this.#offset) return count;
    throw new IpcError('bad_frame', `a list of ${count} items does not fit into its header`);
  }

  #take(bytes: number): number {
    const offset = this.#offset;
    if (offset + bytes > this.#end) throw new IpcError('bad_frame', 'a header is too short');
    this.#offset = offset + bytes;
    return offset;
  }
}

/** Bytes that are there: checking them once more, as readUInt32BE does, would take longer than reading them. */
export function u32At(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
  const low = ((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number);
  return high * 2 ** 16 + low;
}

function decodeText(buffer: Buffer, from: number, end: number): string {
  const value = buffer.toString('utf8', from, end);
  // Invalid UTF-8 decodes to this character. Valid text rarely has it, so the second check is rare.
  const isInvalid = value.includes('\ufffd') && !isUtf8(buffer.subarray(from, end));
  if (isInvalid) throw new IpcError('bad_frame', 'a text in a header is not UTF-8');
  return value;
}
