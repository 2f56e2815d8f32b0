// Reads stdin, up to a limit.
import { fstatSync } from 'node:fs';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { say } from './output.ts';

/** After this time a note says what the command waits for: the writer of the pipe may never close it. */
const noteMsMin = 2_000;

export async function readInput(bytesMax: number, what: string): Promise<Buffer> {
  // Node would read it as empty.
  if (fstatSync(0).isDirectory()) throw new IpcError('bad_body', 'stdin is a folder, not a file');
  const note = setTimeout(() => void say(`Reading the ${what} from stdin.`), noteMsMin);
  try {
    return await readAll(bytesMax);
  } catch (error) {
    if (error instanceof IpcError) throw error;
    throw new IpcError('bad_body', `stdin cannot be read (${systemErrorCode(error)})`, {
      cause: error,
    });
  } finally {
    clearTimeout(note);
  }
}

async function readAll(bytesMax: number): Promise<Buffer> {
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
