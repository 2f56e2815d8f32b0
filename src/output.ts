// What the program writes: bodies, JSON and help to stdout, all else to stderr.
import { createInterface } from 'node:readline/promises';
import type { Writable } from 'node:stream';
import { IpcError } from './core/errors.ts';

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
export function outputFailed(error: unknown, then: string): OutputFailed {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new OutputFailed(code, `stdout cannot be written (${code}); ${then}`);
}

/** Resolves when the bytes are out of this process. */
export function write(data: string | Buffer): Promise<void> {
  return writeTo(process.stdout, data);
}

export async function print(text: string, then: string): Promise<void> {
  await write(text).catch((error) => {
    throw outputFailed(error, then);
  });
}

/** The result of a call that is done. */
export async function writeJson(value: object): Promise<void> {
  await print(jsonLine(value), 'the call itself was done');
}

/** Nobody may be there to hear it. */
export async function say(line: string): Promise<void> {
  await writeTo(process.stderr, `${line}\n`).catch(() => {});
}

/** Asks the user at the terminal; no is the default. */
export async function confirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

export function jsonLine(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function writeTo(stream: Writable, data: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}
