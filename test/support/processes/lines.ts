// The lines that a running process writes to a stream, one after the other.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export class Lines {
  readonly #lines: AsyncIterator<string>;

  /** `stream` must not be read elsewhere. */
  constructor(stream: Readable | null) {
    if (!stream) throw new Error('the process has no such pipe');
    this.#lines = createInterface({ input: stream })[Symbol.asyncIterator]();
  }

  async next(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error('the process wrote no further line');
    return value;
  }

  /** Skips lines until one matches. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = await this.next();
      if (pattern.test(line)) return line;
    }
  }

  /** All lines until the stream ends. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done) return lines;
      lines.push(value);
    }
  }
}

/** The exit code of a process, of which a part of the output may have been read. */
export async function exitCodeOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}
