// What the program writes: results (bodies, reports, JSON, help) to stdout; notes, timeouts and errors to
// stderr. With `--json` a line on stderr is an object, too: `note`, `timeout` or `error`.
import { clearLine, cursorTo } from 'node:readline';
import type { Writable } from 'node:stream';
import type { BrokerAddress } from '../app/context.ts';
import { at, presentError } from '../app/summaries.ts';
import { cancelled, IpcError, systemErrorCode } from '../base/errors.ts';
import { shellWord } from '../base/shell.ts';
import { sanitize } from '../base/visible-text.ts';
import type { PostResult } from '../model/mail-service.ts';
import { isShutdown, type Name } from '../model/message.ts';
import { painted } from './terminal.ts';

/** Read from the command line itself, because an error in parsing it must be JSON as well. */
export const speaksJson = optionsIn(process.argv.slice(2)).includes('--json');

function optionsIn(words: readonly string[]): readonly string[] {
  const end = words.indexOf('--');
  return end === -1 ? words : words.slice(0, end);
}

/** A write to stdout failed. */
export class OutputFailed extends IpcError {
  /** The reader closed the pipe, as `head` does. */
  readonly isClosed: boolean;
  /** No error is printed: the reader is gone, or a signal ended a write that it held up. */
  readonly isSilent: boolean;

  constructor(code: string, what: string) {
    super('output_failed', what);
    this.isClosed = code === 'EPIPE';
    this.isSilent = this.isClosed || code === givenUp;
  }
}

const givenUp = 'ECANCELED';
/** Each gives up a write for which `print` waits. */
const pending = new Set<() => void>();

/** After a signal a reader that takes nothing does not hold up the end of the command. */
export function giveUpPrinting(): void {
  for (const giveUp of pending) giveUp();
}

/** `then`: what became of the data, or of the call. */
export function outputFailed(error: unknown, then: string): IpcError {
  if (error instanceof IpcError) return error;
  const code = systemErrorCode(error);
  return new OutputFailed(code, `stdout cannot be written (${code}); ${then}`);
}

/** Resolves when the bytes have left this process. The signal gives up on a reader that is stalled. */
export function write(data: string | Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => reject(cancelled());
    if (signal.aborted) return end();
    signal.addEventListener('abort', end, { once: true });
    writeTo(process.stdout, data)
      .finally(() => signal.removeEventListener('abort', end))
      .then(resolve, reject);
  });
}

/**
 * A pipe or a file gets the exact bytes. On a terminal control characters are escaped, and the prompt
 * begins on a line of its own.
 */
export function printable(body: Buffer, raw: boolean): Buffer {
  if (raw || !process.stdout.isTTY) return body;
  const { text } = sanitize(body.toString('utf8'));
  return Buffer.from(text.endsWith('\n') ? text : `${text}\n`);
}

/** Resolves when the text has left this process. `then`: as for outputFailed(). */
export function print(text: string, then: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new OutputFailed(givenUp, `nobody reads stdout; ${then}`));
    pending.add(giveUp);
    writeTo(process.stdout, text)
      .finally(() => pending.delete(giveUp))
      .then(resolve, (error) => reject(outputFailed(error, then)));
  });
}

/**
 * Writes the result of a call that has succeeded. Returns false if the reader has closed the pipe, which is no
 * failure: a script that saw one would make the call again.
 */
export async function writeResult(text: string): Promise<boolean> {
  try {
    await print(text, 'the call itself succeeded');
    return true;
  } catch (error) {
    if (error instanceof OutputFailed && error.isClosed) return false;
    throw error;
  }
}

/**
 * A result in words; returns as `writeResult` does. `mark`: stands before it, and may be coloured. Nothing else moves
 * or colours the terminal.
 */
export function writeReport(text: string, mark = ''): Promise<boolean> {
  return writeResult(`${mark}${sanitize(text).text}\n`);
}

/** A result as an object; returns as `writeResult` does. */
export function writeJson(value: object): Promise<boolean> {
  return writeResult(jsonLine(value));
}

let isQuiet = false;

/** From now on only errors and warnings are written to stderr. */
export function beQuiet(): void {
  isQuiet = true;
}

/** A note, which `--quiet` drops. */
export async function say(line: string): Promise<void> {
  if (!isQuiet) await warn(line);
}

/** A note that the user must see. */
export function warn(line: string): Promise<void> {
  return writeError(sanitize(line).text, { note: line });
}

/** Help that was not asked for. It may be coloured. */
export function warnWithHelp(text: string): Promise<void> {
  return writeError(text, { note: text });
}

/** After a post or send without a name: its sender may expect an answer, unless it says that all is over. */
export async function sayNoAddress(body: Buffer): Promise<void> {
  if (!isShutdown(body)) await say('No --from, so nobody can answer it.');
}

/** The command that reads the mailbox. */
export async function sayNextWait(mailbox: Name, broker: BrokerAddress): Promise<void> {
  await say(`Next: ${lineFor('wait', broker, mailbox)}`);
}

/** A line to type, for the broker that this command line has named. `last`: a mailbox or an id. */
export function lineFor(command: string, { host, port }: BrokerAddress, last?: string): string {
  const words = ['ipc', command];
  if (host) words.push('--host', at(host));
  if (port !== undefined) words.push('--port', `${port}`);
  if (last?.startsWith('-')) words.push('--');
  if (last !== undefined) words.push(shellWord(last));
  return words.join(' ');
}

/** Tells a person at a terminal what the command waits for; `seconds`: for how long at most, if there is an end. */
export async function sayWaiting(what: string, seconds = Number.POSITIVE_INFINITY): Promise<void> {
  if (speaksJson || !process.stderr.isTTY) return;
  const limit = Number.isFinite(seconds) ? `, at most ${seconds} s` : '';
  if (isQuiet) return;
  const line = sanitize(`Waiting for ${what}${limit}. Ctrl-C ends it.`).text;
  await writeError(painted('dim', line), { note: line });
}

/** Shows a person at a terminal how far a long search is, on a line that the next one replaces; '' removes it. */
export function showProgress(line: string): void {
  if (speaksJson || isQuiet || !process.stderr.isTTY) return;
  clearLine(process.stderr, 0);
  cursorTo(process.stderr, 0);
  // A line that wraps would leave its first row behind. Some terminals do not know their width.
  const shown = line.slice(0, (process.stderr.columns || 80) - 1);
  if (shown !== '') process.stderr.write(painted('dim', shown));
}

/** `stored`: the question that was not answered. `paused`: the mailboxes from which deliveries are paused. */
export async function sayTimeout(
  line: string,
  seconds: number,
  { stored, paused }: TimedOut = {},
): Promise<void> {
  if (isQuiet) return;
  const question = stored && { id: stored.id, number: stored.number };
  await writeError(line, { timeout: { seconds, stored: question, ...(paused && { paused }) } });
}

interface TimedOut {
  readonly stored?: Pick<PostResult, 'id' | 'number'>;
  readonly paused?: readonly Name[] | undefined;
}

export function sayError(error: IpcError): Promise<void> {
  const { code, message, hint, maybeStored, kind } = error;
  const head = `ipc: ${code}`;
  const line = `${painted('red', head)}${`ipc: ${presentError(error)}`.slice(head.length)}`;
  const retry = kind.retry ?? false;
  return writeError(line, { error: { code, message, hint, retry, maybeStored } });
}

/** What a command of `ipc work` writes to stderr: its bytes, or with `--json` a note. */
export async function passStderr(chunk: Buffer): Promise<void> {
  if (speaksJson) await say(chunk.toString('utf8').trimEnd());
  else await writeTo(process.stderr, chunk).catch(() => {});
}

/** A closed stderr is no failure. */
async function writeError(line: string, object: object): Promise<void> {
  const text = speaksJson ? jsonLine(object) : `${line}\n`;
  await writeTo(process.stderr, text).catch(() => {});
}

/** Asks the user at the terminal; the default is no. The signal ends the question with a no. */
export async function confirmed(question: string, signal?: AbortSignal): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // readline handles Ctrl-C itself, so the signal is sent again to end the program as elsewhere.
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const asked = terminal.question(`${question} [y/N] `, signal ? { signal } : {});
    return /^y(es)?$/i.test((await asked).trim());
  } catch {
    // After Ctrl-D the cursor is still on the line of the question.
    if (!signal?.aborted) await say('');
    return false;
  } finally {
    terminal.close();
  }
}

/** Every field is printed: an undefined one is null. */
export function jsonLine(value: object): string {
  return `${JSON.stringify(value, (_, part) => (part === undefined ? null : part))}\n`;
}

function writeTo(stream: Writable, data: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}
