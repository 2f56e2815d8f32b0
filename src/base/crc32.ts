// In the form that an older Node can load: it lacks crc32, and a named import of what is missing fails before the
// library can say which Node it needs.
import zlib from 'node:zlib';

export const { crc32 } = zlib;

/** Up to this length the loop takes less time than a call of zlib. */
const loopBytesMax = 256;
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** crc32() of the bytes from `begin` up to `end`. */
export function crc32Between(bytes: Buffer, begin: number, end: number, value = 0): number {
  if (end - begin > loopBytesMax) return crc32(bytes.subarray(begin, end), value);
  let rest = ~value;
  for (let at = begin; at < end; at++) {
    rest = (table[(rest ^ (bytes[at] as number)) & 0xff] as number) ^ (rest >>> 8);
  }
  return ~rest >>> 0;
}
