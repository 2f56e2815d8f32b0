/**
 * Bytes that may be kept. A small body is a view of the chunk that it was received in, and would keep the whole chunk in
 * memory. Its copy gets memory of its own, too: Buffer.from() would take it from a pool of 8 KiB, all of which stays in
 * memory with it.
 */
export function ownBytes(body: Buffer): Buffer {
  if (!isSmallPart(body)) return body;
  const copy = Buffer.allocUnsafeSlow(body.length);
  body.copy(copy);
  return copy;
}

/** Most of the memory that the bytes keep is not theirs. */
export function isSmallPart(bytes: Buffer): boolean {
  return bytes.length * 2 < bytes.buffer.byteLength;
}
