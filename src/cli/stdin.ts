// Reads stdin, up to a limit.
import { fstatSync } from 'node:fs';
import { IpcError } from '../base/errors.ts';

export async function readInput(bytesMax: number): Promise<Buffer> {
  // Node would read it as empty.
  if (fstatSync(0).isDirectory()) throw new IpcError('bad_body', 'stdin is a folder, not a file');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes <= bytesMax) continue;
    const limit = `the limit is ${bytesMax}`;
    throw new IpcError('body_too_large', `stdin has ${bytes} bytes or more; ${limit}`);
  }
  return Buffer.concat(chunks);
}
