// Makes a `copied` record of a plain post without decoding it: the bytes of the envelope are the same in both records, and
// to decode and encode them would take several times as long.
import type { ByteWriter } from '../base/binary.ts';
import { isPlainPostAt, settlesAt, textEnd } from './meta-fields.ts';
import {
  beginRecord,
  bodyChecksumAt,
  endMeta,
  type RecordHeader,
  recordHeaderBytes,
  type Seed,
  typeAt,
} from './record-framing.ts';
import {
  typeCopiedAnswer,
  typeCopiedFolder,
  typeOf,
  typePostedAnswer,
  typePostedFolder,
} from './record-types.ts';

/** The types of posts whose last fields are those of a copy. */
const copyTypes: ReadonlyMap<number, number> = new Map([
  [typeOf.posted, typeOf.copied],
  [typePostedAnswer, typeCopiedAnswer],
  [typePostedFolder, typeCopiedFolder],
]);

/**
 * Writes the copy without its body, which is to be written behind it: returns that. If the copy has to be made by
 * decoding the record, nothing is written, and the result is undefined.
 */
export function writeCopyOfPost(
  writer: ByteWriter,
  bytes: Buffer,
  { offset, bodyOffset, end }: RecordHeader,
  seed: Seed,
): Buffer | undefined {
  const postedType = typeAt(bytes, offset);
  const type = copyTypes.get(postedType);
  const meta = offset + recordHeaderBytes;
  if (type === undefined || !isPlainPostAt(bytes, postedType, meta)) return undefined;
  const settles = settlesAt(bytes, meta);
  // The acknowledged-up-to count is between them.
  const envelopeEnd = settles - 8;
  // Behind an empty list of settles, and one of further messages where the type has it.
  const tail = settles + (postedType === typeOf.posted ? 4 : 8);
  const bodyChecksum = bodyChecksumAt(bytes, offset);
  // At its end the envelope has the length and the checksum of its body.
  const isBodyOwn =
    bytes.readUInt32BE(envelopeEnd - 8) === end - bodyOffset &&
    bytes.readUInt32BE(envelopeEnd - 4) === bodyChecksum;
  if (!isBodyOwn || !isTail(bytes, postedType, tail, bodyOffset)) return undefined;
  // Behind number, time and id.
  const to = textEnd(bytes, meta + 16);
  const body = bytes.subarray(bodyOffset, end);
  const begin = beginRecord(writer);
  writer.raw(bytes.subarray(meta, envelopeEnd));
  // Its mailbox, the attempt of its first delivery, and no holder.
  writer
    .raw(bytes.subarray(to, textEnd(bytes, to)))
    .u32(1)
    .text('');
  writer.raw(bytes.subarray(tail, bodyOffset));
  endMeta(writer, begin, { type, flags: 0, body, bodyChecksum }, seed);
  return body;
}

/** Whether a depth and a folder, as far as the type has them, and nothing else, lie there. */
function isTail(bytes: Buffer, type: number, at: number, end: number): boolean {
  if (type === typeOf.posted) return at === end;
  if (type === typePostedAnswer) return at + 4 === end && bytes.readUInt32BE(at) > 0;
  return at + 5 < end && textEnd(bytes, at + 4) === end;
}
