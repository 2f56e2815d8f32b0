// Writes a long file in parts.
import type { DiskFile } from './disk.ts';

const writeBytesMax = 1_048_576;

/** Parts that do not block for long when they are written. */
export function* parts(buffers: readonly Buffer[]): Generator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const buffer of buffers) {
    waiting.push(buffer);
    bytes += buffer.length;
    if (bytes < writeBytesMax) continue;
    yield Buffer.concat(waiting);
    [waiting, bytes] = [[], 0];
  }
  yield Buffer.concat(waiting);
}

/** A disk that fills up takes part of the bytes, and then fails. */
export function writeWhole(file: DiskFile, bytes: Buffer, offset: number): void {
  for (let written = 0; written < bytes.length; ) {
    const more = file.write([bytes.subarray(written)], offset + written);
    if (more === 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
    written += more;
  }
}
