// In the form that an older Node can load: it lacks crc32, and a named import of what is missing fails before the
// library can say which Node it needs.
import zlib from 'node:zlib';

export const { crc32 } = zlib;

/** The remainder of each byte: that of two bits is the exclusive or of theirs, so a cold process makes it soon. */
const remainders = new Uint32Array(256);
for (let bit = 128, remainder = 1; bit > 0; bit >>= 1) {
  remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  for (let byte = 0; byte < 256; byte += 2 * bit)
    remainders[byte + bit] = remainder ^ (remainders[byte] as number);
}

/** The same of a few bytes of a buffer, for which a view and a call out of JavaScript cost more than the sum. */
export function shortCrc32(bytes: Uint8Array, from: number, end: number, seed = 0): number {
  let sum = ~seed;
  for (let at = from; at < end; at++) {
    sum = (remainders[(sum ^ (bytes[at] as number)) & 0xff] as number) ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}
