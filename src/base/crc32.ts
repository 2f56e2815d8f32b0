// In the form that an older Node can load: it lacks crc32, and a named import of what is missing fails before the
// library can say which Node it needs.
import zlib from 'node:zlib';

export const { crc32 } = zlib;

/** The remainders of each byte: alone, and with one to seven zeros behind it. */
const [alone, before1, before2, before3, before4, before5, before6, before7] = remainderTables();

type EightTables = [...FourTables, ...FourTables];
type FourTables = [Int32Array, Int32Array, Int32Array, Int32Array];

function remainderTables(): EightTables {
  // That of two bits is the exclusive or of theirs, so a cold process makes them soon.
  const first = new Int32Array(256);
  for (let bit = 128, remainder = 1; bit > 0; bit >>= 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
    for (let byte = 0; byte < 256; byte += 2 * bit)
      first[byte + bit] = remainder ^ (first[byte] as number);
  }
  const withZero = (sum: number) => (first[sum & 0xff] as number) ^ (sum >>> 8);
  const tables = [first];
  while (tables.length < 8) tables.push((tables.at(-1) as Int32Array).map(withZero));
  return tables as EightTables;
}

/**
 * The same of up to some hundred bytes of a buffer, for which a view and a call out of JavaScript cost more than the
 * sum. Takes four bytes at a time ("slicing by 4").
 */
export function shortCrc32(bytes: Uint8Array, from: number, end: number, seed = 0): number {
  let sum = ~seed;
  let at = from;
  for (; at + 4 <= end; at += 4) {
    const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    sum ^= low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
    sum =
      (before3[sum & 0xff] as number) ^
      (before2[(sum >>> 8) & 0xff] as number) ^
      (before1[(sum >>> 16) & 0xff] as number) ^
      (alone[sum >>> 24] as number);
  }
  for (; at < end; at++) {
    sum = (alone[(sum ^ (bytes[at] as number)) & 0xff] as number) ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}

/**
 * The same of what a view shows. It reads four bytes with one check of their bounds, and takes eight at a time: two
 * thirds of the time of shortCrc32(). A view costs more than that saves unless many sums are made of it.
 */
export function viewCrc32(view: DataView, from: number, end: number, seed = 0): number {
  let sum = ~seed;
  let at = from;
  for (; at + 8 <= end; at += 8) {
    const low = sum ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    sum =
      (before7[low & 0xff] as number) ^
      (before6[(low >>> 8) & 0xff] as number) ^
      (before5[(low >>> 16) & 0xff] as number) ^
      (before4[low >>> 24] as number) ^
      (before3[high & 0xff] as number) ^
      (before2[(high >>> 8) & 0xff] as number) ^
      (before1[(high >>> 16) & 0xff] as number) ^
      (alone[high >>> 24] as number);
  }
  for (; at < end; at++) {
    sum = (alone[(sum ^ view.getUint8(at)) & 0xff] as number) ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}
