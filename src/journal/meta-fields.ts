// Fields in the meta of a record, read where they lie: decoding a record takes longer than all else that a reader does.
import { typeOf } from './record-types.ts';

/** Where the list is that says what a post settles. `meta`: where its envelope begins. */
export function settlesAt(bytes: Buffer, meta: number): number {
  const next = (at: number) => textEnd(bytes, at);
  // Number and time; id, to, from and answers; program, pid and machine.
  const answersEnd = next(next(next(next(meta + 16))));
  const machineEnd = next(next(answersEnd) + 4);
  // Length and checksum of the body; the acknowledged-up-to count.
  return machineEnd + 4 + 4 + 8;
}

/** Where a text ends. */
export function textEnd(bytes: Buffer, at: number): number {
  return at + 1 + (bytes[at] ?? 0);
}

/** Whether a `posted` of this type has one message and settles nothing. */
export function isPlainPostAt(bytes: Buffer, type: number, meta: number): boolean {
  const at = settlesAt(bytes, meta);
  if (at + 8 > bytes.length || bytes.readUInt32BE(at) > 0) return false;
  return type === typeOf.posted || bytes.readUInt32BE(at + 4) === 0;
}

/** Whether a `posted` of this type has more than one message. `settles`: as of settlesAt(). */
export function hasMoreAt(bytes: Buffer, type: number, settles: number): boolean {
  if (type === typeOf.posted || settles + 4 > bytes.length) return false;
  const also = settles + 4 + 8 * bytes.readUInt32BE(settles);
  return also + 4 <= bytes.length && bytes.readUInt32BE(also) > 0;
}

export function numberAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
