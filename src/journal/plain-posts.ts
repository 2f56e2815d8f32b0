// Reads plain posts where they lie in a segment, for a replay: in a third of the time that decodeRecord() takes, which
// makes ten objects a record. It accepts no record that decodeRecord() refuses, and what it does not accept is for that.
import { ByteReader } from '../base/binary.ts';
import { crc32, viewCrc32 } from '../base/crc32.ts';
import { IpcError } from '../base/errors.ts';
import {
  readMessageIdOrNone,
  readNumber,
  readOrigin,
  readOriginFolder,
  readStoredNameOrNone,
  readTime,
  withFolder,
} from '../model/envelope.ts';
import { PlainPost, readGeneratedId, readRecipient } from '../model/plain-post.ts';
import { bodyChecksumAt, type RecordHeader, recordHeaderBytes, typeAt } from './record-framing.ts';
import { typeOf, typePostedAnswer, typePostedFolder } from './record-types.ts';

/** Longest body whose checksum is computed in JavaScript. */
const shortBodyBytes = 512;

export class PlainPosts {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #reader: ByteReader;
  /** The one that was read last. */
  readonly post = new PlainPost();

  /** `bytes`: of a segment. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#reader = new ByteReader(bytes);
  }

  /** Whether the record with this header is a plain post: then `post` is what it says. */
  read({ offset, bodyOffset, end }: RecordHeader): boolean {
    const type = typeAt(this.#bytes, offset);
    if (type !== typeOf.posted && type !== typePostedAnswer && type !== typePostedFolder)
      return false;
    this.#reader.restart(offset + recordHeaderBytes, bodyOffset);
    try {
      return this.#readMeta(type) && this.#hasBody(offset, bodyOffset, end);
    } catch (error) {
      if (error instanceof IpcError) return false;
      throw error;
    }
  }

  /** In the order of writeEnvelope(), and of a record of its type. */
  #readMeta(type: number): boolean {
    const [reader, post] = [this.#reader, this.post];
    post.number = readNumber(reader);
    post.time = readTime(reader);
    if (!readGeneratedId(reader, post)) return false;
    readRecipient(reader, post);
    post.from = readStoredNameOrNone(reader);
    post.answers = readMessageIdOrNone(reader);
    post.origin = readOrigin(reader);
    post.bodyBytes = reader.u32();
    post.checksum = reader.u32();
    post.ackedUpTo = reader.u64();
    const settles = reader.u32();
    const also = type === typeOf.posted ? 0 : reader.u32();
    post.depth = type === typeOf.posted ? 0 : reader.u32();
    if (settles > 0 || also > 0) return false;
    if (type === typePostedFolder) post.origin = withFolder(post.origin, readOriginFolder(reader));
    return reader.isAtEnd;
  }

  /** Whether the body that the message says is there. */
  #hasBody(offset: number, begin: number, end: number): boolean {
    const { bodyBytes, checksum } = this.post;
    if (end > this.#bytes.length || end - begin !== bodyBytes) return false;
    if (bodyChecksumAt(this.#bytes, offset) !== checksum) return false;
    return checksum === this.#sumOf(begin, end);
  }

  #sumOf(begin: number, end: number): number {
    if (end - begin <= shortBodyBytes) return viewCrc32(this.#view, begin, end);
    return crc32(this.#bytes.subarray(begin, end));
  }
}
