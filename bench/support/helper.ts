// A process that a benchmark starts. It ends when the channel to it is closed, so none is left behind.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export class Helper {
  readonly #child: ChildProcess;
  readonly #messages: unknown[] = [];
  #waiting: ((message: never) => void) | undefined;

  /** `file`: beside this one, compiled. */
  constructor(file: string, ...args: readonly string[]) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), args);
    this.#child.on('message', (message) => this.#heard(message));
    this.#child.on('exit', (code) => {
      if (code !== 0) throw new Error(`${file} ended with ${code}`);
    });
  }

  get pid(): number {
    assert(this.#child.pid !== undefined, 'it was started');
    return this.#child.pid;
  }

  /** The next message that it sent, or will send. One at a time. */
  next<Message>(): Promise<Message> {
    return new Promise((resolve) => {
      if (this.#messages.length > 0) resolve(this.#messages.shift() as Message);
      else this.#waiting = resolve;
    });
  }

  async end(): Promise<void> {
    this.#child.disconnect();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }

  #heard(message: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(message as never);
    else this.#messages.push(message);
  }
}
