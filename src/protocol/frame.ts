// A frame: u32 length of all that follows, u8 type, u8 flags (0), u16 reserved (0), u32 request number,
// u32 header length, header, body. Each length is checked before memory is allocated for it.
import assert from 'node:assert/strict';
import { ByteWriter, putU32, u32At } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { largeMemory } from '../base/large-memory.ts';
import { bodyBytesMax, frameBytesMax, headerBytesMax } from '../base/limits.ts';
import { isSmallPart } from '../base/own-bytes.ts';

export interface Frame {
  readonly type: number;
  readonly request: number;
  /** The header is a part of it, from `headerAt` to `headerEnd`: to make a view of it takes as long as to read it. */
  readonly bytes: Buffer;
  readonly headerAt: number;
  readonly headerEnd: number;
  readonly body: Buffer;
}

const lengthBytes = 4;
const fixedBytes = 12;
const typeOffset = lengthBytes;
const requestOffset = lengthBytes + 4;
const headerLengthOffset = lengthBytes + 8;
const prefixBytes = lengthBytes + fixedBytes;
assert(fixedBytes + headerBytesMax + bodyBytesMax <= frameBytesMax, 'the largest frame is legal');

/** Copying a body of up to this size costs less than a second write. */
const joinBytesMax = 2 * 1024;
/** Memory that a batch keeps while it is empty. */
const batchBytesUsual = 16 * 1024;

export const noBytes = Buffer.alloc(0);

/**
 * Frames that are sent together: their bytes are in one buffer, except for large bodies, which stay where they are, so the
 * caller must not change them before they are written. A large body is copied all the same if it is a small part of a
 * larger buffer, such as what was written in one turn: a frame in a send queue would keep all of that in memory.
 */
export class FrameBatch {
  readonly #writer = new ByteWriter(batchBytesUsual);
  #buffers: Buffer[] = [];
  /** The bytes in `#buffers`. */
  #sealedBytes = 0;
  /** Where the frame that is being written begins, and where the complete ones end. */
  #begin = 0;
  #end = 0;

  /** Length of the frames so far. */
  get length(): number {
    return this.#sealedBytes + this.#end;
  }

  /** The header of the next frame is to be written here, then endFrame() called. Without that call there is no frame. */
  beginFrame(): ByteWriter {
    this.#writer.cutTo(this.#end);
    this.#begin = this.#writer.skip(prefixBytes);
    return this.#writer;
  }

  endFrame(type: number, request: number, body: Buffer): void {
    const begin = this.#begin;
    const headerBytes = this.#writer.length - begin - prefixBytes;
    assert(headerBytes <= headerBytesMax, 'a header of ours is within the limit');
    assert(body.length <= bodyBytesMax, 'the body was checked where it came in');
    const bytes = this.#writer.memory;
    putU32(bytes, begin, fixedBytes + headerBytes + body.length);
    // Behind the type: no flags, and the reserved bytes.
    putU32(bytes, begin + typeOffset, (type << 24) >>> 0);
    putU32(bytes, begin + requestOffset, request);
    putU32(bytes, begin + headerLengthOffset, headerBytes);
    const isJoined = body.length <= joinBytesMax || isSmallPart(body);
    if (isJoined && body.length > 0) this.#writer.raw(body);
    this.#end = this.#writer.length;
    if (!isJoined) this.#seal(body);
  }

  /** Returns the frames, and empties the batch. */
  take(): Buffer[] {
    if (this.#end > 0) this.#seal();
    const buffers = this.#buffers;
    this.#buffers = [];
    this.#sealedBytes = 0;
    return buffers;
  }

  #seal(body?: Buffer): void {
    // A copy, since the next frames are written over these.
    const bytes = Buffer.allocUnsafe(this.#end);
    this.#writer.memory.copy(bytes, 0, 0, this.#end);
    this.#buffers.push(bytes);
    if (body) this.#buffers.push(body);
    this.#sealedBytes += this.#end + (body?.length ?? 0);
    this.#writer.clear();
    this.#end = 0;
  }
}

/** A view of the header. */
export function headerOf({ bytes, headerAt, headerEnd }: Frame): Buffer {
  return bytes.subarray(headerAt, headerEnd);
}

/** The bytes of its header and its body. */
export function payloadBytesOf({ headerAt, headerEnd, body }: Frame): number {
  return headerEnd - headerAt + body.length;
}

/** Changes the request number of the frame that begins at `offset`. */
export function setRequest(bytes: Buffer, offset: number, request: number): void {
  bytes.writeUInt32BE(request, offset + requestOffset);
}

/**
 * Takes bytes in chunks of any size and returns frames. A frame that is whole in one chunk shares the
 * chunk's memory; any other frame is collected in memory of its own. So after a push() that returned no
 * frame, the chunk's memory is not used. A decoder that threw cannot be used again.
 */
export class FrameDecoder {
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixFilled = 0;
  /** Header and body of the incomplete frame, once its prefix is here. */
  #payload: Buffer | undefined;
  #payloadFilled = 0;

  /** Memory allocated for the incomplete frame. */
  get keptBytes(): number {
    return this.#payload?.buffer.byteLength ?? 0;
  }

  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let offset = 0;
    for (;;) {
      if (this.#prefixFilled === 0) offset = takeWhole(chunk, offset, frames);
      offset += this.#fillPrefix(chunk, offset);
      if (this.#prefixFilled < prefixBytes) return frames;
      const payloadBytes = u32At(this.#prefix, 0) - fixedBytes;
      this.#payload ??= largeMemory.take(payloadBytes);
      const copied = chunk.copy(this.#payload, this.#payloadFilled, offset);
      this.#payloadFilled += copied;
      offset += copied;
      if (this.#payloadFilled < payloadBytes) return frames;
      frames.push(frameOf(this.#prefix, 0, this.#payload, 0, payloadBytes));
      this.#prefixFilled = 0;
      this.#payload = undefined;
      this.#payloadFilled = 0;
    }
  }

  /** Returns how many bytes it took: 0 when the prefix was complete before. */
  #fillPrefix(chunk: Buffer, offset: number): number {
    if (this.#prefixFilled === prefixBytes) return 0;
    const copied = chunk.copy(this.#prefix, this.#prefixFilled, offset);
    this.#prefixFilled += copied;
    if (this.#prefixFilled >= lengthBytes) checkLength(u32At(this.#prefix, 0));
    if (this.#prefixFilled === prefixBytes) checkPrefix(this.#prefix, 0);
    return copied;
  }
}

/** Takes the frames that are whole in the chunk from this offset on. Returns the offset behind them. */
function takeWhole(chunk: Buffer, start: number, frames: Frame[]): number {
  let offset = start;
  while (chunk.length - offset >= prefixBytes) {
    const length = u32At(chunk, offset);
    checkLength(length);
    checkPrefix(chunk, offset);
    const end = offset + lengthBytes + length;
    if (end > chunk.length) return offset;
    frames.push(frameOf(chunk, offset, chunk, offset + prefixBytes, end));
    offset = end;
  }
  return offset;
}

/** The frame whose prefix is at `at` in `prefix`, with header and body from `headerAt` to `end` in `bytes`. */
function frameOf(prefix: Buffer, at: number, bytes: Buffer, headerAt: number, end: number): Frame {
  const headerEnd = headerAt + u32At(prefix, at + headerLengthOffset);
  return {
    type: prefix[at + typeOffset] as number,
    request: u32At(prefix, at + requestOffset),
    bytes,
    headerAt,
    headerEnd,
    body: headerEnd === end ? noBytes : bytes.subarray(headerEnd, end),
  };
}

function checkLength(length: number): void {
  if (length > frameBytesMax) throw new IpcError('frame_too_large', `a frame of ${length} bytes`);
  if (length < fixedBytes) throw new IpcError('bad_frame', `a frame of ${length} bytes`);
}

function checkPrefix(bytes: Buffer, at: number): void {
  // Behind the type: no flags, and the reserved bytes.
  if ((u32At(bytes, at + typeOffset) & 0xff_ffff) !== 0) {
    throw new IpcError('bad_frame', 'a reserved byte of a frame is not 0');
  }
  const payloadBytes = u32At(bytes, at) - fixedBytes;
  const headerBytes = u32At(bytes, at + headerLengthOffset);
  if (headerBytes > payloadBytes) {
    throw new IpcError('bad_frame', `a header of ${headerBytes} bytes in ${payloadBytes}`);
  }
  if (headerBytes > headerBytesMax) {
    throw new IpcError('frame_too_large', `a header of ${headerBytes} bytes`);
  }
  if (payloadBytes - headerBytes > bodyBytesMax) {
    throw new IpcError('frame_too_large', `a body of ${payloadBytes - headerBytes} bytes`);
  }
}
