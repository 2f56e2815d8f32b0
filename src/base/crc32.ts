// In the form that an older Node can load: it lacks crc32, and a named import of what is missing fails before the
// library can say which Node it needs.
import zlib from 'node:zlib';

export const { crc32 } = zlib;

/**
 * The remainders of each byte: alone, and with one to fifteen zeros behind it. They are filled when the first sum is made:
 * that takes a cold process a large part of a millisecond, and a post to a live broker needs none of them.
 */
const tables = Array.from({ length: 16 }, () => new Int32Array(256)) as SixteenTables;
const [alone, before1, before2, before3, before4, before5, before6, before7, ...further] = tables;
const [before8, before9, before10, before11, before12, before13, before14, before15] = further;

type SixteenTables = [...FourTables, ...FourTables, ...FourTables, ...FourTables];
type FourTables = [Int32Array, Int32Array, Int32Array, Int32Array];

/** Fills the first `count` tables: the remainder of two bits is the exclusive or of theirs. */
function fill(count: number): void {
  let single = 1;
  for (let bit = 128; bit > 0; bit >>= 1) {
    single = single & 1 ? (single >>> 1) ^ 0xedb88320 : single >>> 1;
    alone[bit] = single;
  }
  for (let zeros = 0; zeros < count; zeros++) {
    const table = tables[zeros] as Int32Array;
    const before = tables[zeros - 1];
    for (let bit = 1; bit < 256; bit *= 2) {
      const sum = before ? (before[bit] as number) : 0;
      const remainder = before
        ? (alone[sum & 0xff] as number) ^ (sum >>> 8)
        : (alone[bit] as number);
      for (let below = 0; below < bit; below++)
        table[bit + below] = remainder ^ (table[below] as number);
    }
  }
}

/**
 * The same of up to some hundred bytes of a buffer, for which a view and a call out of JavaScript cost more than the
 * sum. Takes four bytes at a time ("slicing by 4").
 */
export function shortCrc32(bytes: Uint8Array, from: number, end: number, seed = 0): number {
  if (before3[1] === 0) fill(4);
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
 * The same of what a view shows. It reads four bytes with one check of their bounds, and takes sixteen at a time: half of
 * the time of shortCrc32(). A view costs more than that saves unless many sums are made of it.
 */
export function viewCrc32(view: DataView, from: number, end: number, seed = 0): number {
  if (before15[1] === 0) fill(16);
  let sum = ~seed;
  let at = from;
  for (; at + 16 <= end; at += 16) {
    const first = sum ^ view.getInt32(at, true);
    const second = view.getInt32(at + 4, true);
    const third = view.getInt32(at + 8, true);
    const fourth = view.getInt32(at + 12, true);
    sum =
      (before15[first & 0xff] as number) ^
      (before14[(first >>> 8) & 0xff] as number) ^
      (before13[(first >>> 16) & 0xff] as number) ^
      (before12[first >>> 24] as number) ^
      (before11[second & 0xff] as number) ^
      (before10[(second >>> 8) & 0xff] as number) ^
      (before9[(second >>> 16) & 0xff] as number) ^
      (before8[second >>> 24] as number) ^
      (before7[third & 0xff] as number) ^
      (before6[(third >>> 8) & 0xff] as number) ^
      (before5[(third >>> 16) & 0xff] as number) ^
      (before4[third >>> 24] as number) ^
      (before3[fourth & 0xff] as number) ^
      (before2[(fourth >>> 8) & 0xff] as number) ^
      (before1[(fourth >>> 16) & 0xff] as number) ^
      (alone[fourth >>> 24] as number);
  }
  for (; at < end; at++) {
    sum = (alone[(sum ^ view.getUint8(at)) & 0xff] as number) ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}
