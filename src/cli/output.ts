// What the program writes: bodies, JSON and help to stdout, all else to stderr; with `--json` that is one
// object a line, too: `note`, `timeout` or `error`.
import { createInterface } from 'node:readline/promises';
import type { Writable } from 'node:stream';
import { sanitize } from '../app/sanitize.ts';
import { presentError } from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import type { PostResult } from '../model/mail-service.ts';
import { speaksJson } from './argv.ts';
import { eraseWaiting, painted } from './terminal.ts';

/** Stdout did not take what was written. */
export class OutputFailed extends IpcError {
  /** The reader has read all that it wants, as `head` does: nothing to speak of. */
  readonly isQuiet: boolean;

  constructor(code: string, what: string) {
    super('output_failed', what);
    this.isQuiet = code === 'EPIPE';
  }
}

/** `then`: what became of what was to be written, or of the call. */
export function outputFailed(error: unknown, then: string): IpcError {
  if (error instanceof IpcError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new OutputFailed(code, `stdout cannot be written (${code}); ${then}`);
}

/** Resolves when the bytes are out of this process. A reader that stands still can be given up. */
export function write(data: string | Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => reject(new IpcError('cancelled', 'the call was cancelled'));
    if (signal.aborted) return end();
    signal.addEventListener('abort', end, { once: true });
    writeTo(process.stdout, data)
      .finally(() => signal.removeEventListener('abort', end))
      .then(resolve, reject);
  });
}

/** A pipe or a file gets the exact bytes; a terminal would obey some of them. */
export function printable(body: Buffer, raw: boolean): Buffer {
  if (raw || !process.stdout.isTTY) return body;
  return Buffer.from(sanitize(body.toString('utf8')).text);
}

export async function print(text: string, then: string): Promise<void> {
  await writeTo(process.stdout, text).catch((error) => {
    throw outputFailed(error, then);
  });
}

/** The result of a call that is done. */
export async function writeJson(value: object): Promise<void> {
  await print(jsonLine(value), 'the call itself was done');
}

export function say(line: string): Promise<void> {
  return sayEither(line, { note: line });
}

/** `stored`: the question that was not answered. */
export function sayTimeout(
  line: string,
  seconds: number,
  stored?: Pick<PostResult, 'id' | 'number'>,
): Promise<void> {
  const question = stored && { id: stored.id, number: stored.number };
  return sayEither(line, { timeout: { seconds, stored: question } });
}

export function sayError(error: IpcError): Promise<void> {
  const { code, message, hint, maybeStored, kind } = error;
  const head = `ipc: ${code}`;
  const line = `${painted('red', head)}${`ipc: ${presentError(error)}`.slice(head.length)}`;
  const retry = kind.retry ?? false;
  return sayEither(line, { error: { code, message, hint, retry, maybeStored } });
}

/** Nobody may be there to hear it. */
async function sayEither(line: string, object: object): Promise<void> {
  const text = speaksJson ? jsonLine(object) : `${line}\n`;
  await writeTo(process.stderr, text).catch(() => {});
}

/** Asks the user at the terminal; no is the default. */
export async function confirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // A question takes Ctrl-C for itself: the program ends of it as it does elsewhere.
  terminal.once('SIGINT', () => {
    terminal.close();
    process.kill(process.pid, 'SIGINT');
  });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } catch {
    await say(''); // Ctrl-D leaves the line of the question unfinished
    return false;
  } finally {
    terminal.close();
  }
}

/** Every field is there, null when there is nothing in it. */
export function jsonLine(value: object): string {
  return `${JSON.stringify(value, (_, part) => (part === undefined ? null : part))}\n`;
}

function writeTo(stream: Writable, data: string | Buffer): Promise<void> {
  eraseWaiting();
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}
