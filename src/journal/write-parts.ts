// Writes a long file in parts, or one that is to be durable.
import type { Disk, DiskFile } from './disk.ts';

const writeBytesMax = 1_048_576;

/** A buffer of this length is not copied to be written with others. */
const joinBytesMax = 64 * 1024;

/** Writes the buffers to an empty file, a part in each step. Returns how many bytes they are. */
export function* writeParts(file: DiskFile, buffers: readonly Buffer[]): Generator<void, number> {
  let bytes = 0;
  for (const part of parts(buffers)) {
    writeWhole(file, part, bytes);
    bytes += part.length;
    yield;
  }
  return bytes;
}

/**
 * Writes a file of this name anew; it is synced, its name is not. If it throws, there is no such file. `write`: calls the
 * function that it gets, which writes the file, again if it frees space for that.
 */
export async function writeSynced(
  disk: Disk,
  path: string,
  bytes: Buffer,
  write = (create: () => DiskFile) => create(),
): Promise<void> {
  const file = write(() => createWhole(disk, path, bytes));
  try {
    await file.sync();
  } catch (error) {
    disk.removeFile(path);
    throw error;
  } finally {
    file.close();
  }
}

function createWhole(disk: Disk, path: string, bytes: Buffer): DiskFile {
  disk.removeFile(path);
  const file = disk.create(path);
  try {
    for (const _ of writeParts(file, [bytes]));
    return file;
  } catch (error) {
    file.close();
    disk.removeFile(path);
    throw error;
  }
}

/** Parts that do not block for long when they are written. */
function* parts(buffers: readonly Buffer[]): Generator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const buffer of buffers) {
    const isJoined = buffer.length < joinBytesMax;
    if (waiting.length > 0 && (!isJoined || bytes >= writeBytesMax)) {
      yield Buffer.concat(waiting, bytes);
      [waiting, bytes] = [[], 0];
    }
    if (!isJoined) {
      yield buffer;
      continue;
    }
    waiting.push(buffer);
    bytes += buffer.length;
  }
  if (waiting.length > 0) yield Buffer.concat(waiting, bytes);
}

/** A disk that fills up takes part of the bytes, and then fails. */
function writeWhole(file: DiskFile, bytes: Buffer, offset: number): void {
  for (let written = 0; written < bytes.length; ) {
    const more = file.write([bytes.subarray(written)], offset + written);
    if (more === 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
    written += more;
  }
}
