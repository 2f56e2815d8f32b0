// What a host writes, line by line, before the SDK sees it. A line that is too long is never kept whole,
// and one that is not UTF-8 is not mended: they are refused like what is not JSON, with the id of the
// request.
import { isUtf8 } from 'node:buffer';
import { Transform, type TransformCallback } from 'node:stream';
import { IpcError } from '../base/errors.ts';
import { lineBytesMax } from '../base/limits.ts';

export type RequestId = string | number;

/** `id`: undefined for what is no request, or not seen to be one. */
export type Refuse = (error: IpcError, id: RequestId | undefined) => void;

const newline = 0x0a;

export class Lines extends Transform {
  readonly #refuse: Refuse;
  /** The line that has not ended yet; empty when it is too long. */
  #chunks: Buffer[] = [];
  #bytes = 0;
  #skeleton: Skeleton | undefined;

  constructor(refuse: Refuse) {
    super();
    this.#refuse = refuse;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start) + 1;
      if (end === 0) break;
      this.#take(chunk.subarray(start, end));
      this.#finish();
      start = end;
    }
    this.#take(chunk.subarray(start));
    done();
  }

  #take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#chunks.push(bytes);
    if (this.#bytes <= lineBytesMax) return;
    this.#skeleton ??= new Skeleton();
    for (const chunk of this.#chunks) this.#skeleton.add(chunk);
    this.#chunks = [];
  }

  #finish(): void {
    const [chunks, skeleton] = [this.#chunks, this.#skeleton];
    this.#chunks = [];
    this.#bytes = 0;
    this.#skeleton = undefined;
    if (skeleton) {
      const what = `a line of more than ${lineBytesMax} bytes was not read`;
      return this.#refuse(new IpcError('body_too_large', what), skeleton.id());
    }
    const line = Buffer.concat(chunks);
    const fault = faultOf(line);
    if (fault) this.#refuse(fault, idOf(line));
    else this.push(line);
  }
}

/** The SDK would pass over it in silence. An empty line is none. */
function faultOf(line: Buffer): IpcError | undefined {
  if (!isUtf8(line)) return new IpcError('bad_body', 'a line is not UTF-8');
  const text = line.toString('utf8').trim();
  try {
    if (text !== '') JSON.parse(text);
    return undefined;
  } catch {
    const hint = 'write one JSON-RPC message in each line';
    return new IpcError('bad_body', 'a line is not JSON', { hint });
  }
}

function idOf(line: Buffer): RequestId | undefined {
  const skeleton = new Skeleton();
  skeleton.add(line);
  return skeleton.id();
}

/** Of a skeleton: an honest request has four short members. */
const skeletonBytesMax = 4_096;

/** The outermost object of a line of JSON, with nothing in its inner ones. */
class Skeleton {
  readonly #bytes: number[] = [];
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  add(bytes: Buffer): void {
    for (const byte of bytes) {
      const before = this.#depth;
      this.#follow(byte);
      const isOuter = Math.min(before, this.#depth) <= 1;
      if (isOuter && this.#bytes.length < skeletonBytesMax) this.#bytes.push(byte);
    }
  }

  id(): RequestId | undefined {
    try {
      const { id } = JSON.parse(Buffer.from(this.#bytes).toString('utf8'));
      return typeof id === 'string' || Number.isSafeInteger(id) ? id : undefined;
    } catch {
      return undefined;
    }
  }

  #follow(byte: number): void {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      return;
    }
    switch (String.fromCharCode(byte)) {
      case '"':
        this.#isInString = !this.#isInString;
        return;
      case '\\':
        this.#isEscaped = this.#isInString;
        return;
      case '{':
      case '[':
        if (!this.#isInString) this.#depth++;
        return;
      case '}':
      case ']':
        if (!this.#isInString) this.#depth--;
        return;
    }
  }
}
