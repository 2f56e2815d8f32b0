// A process that a benchmark starts. It ends when its IPC channel is closed, so that none is left behind.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export class BenchProcess {
  readonly #child: ChildProcess;
  readonly #messages: unknown[] = [];
  #waiting: ((message: never) => void) | undefined;
  /** Set before another process kills it. */
  isKilled = false;

  /** `file`: the compiled file in this folder. */
  constructor(file: string, ...args: readonly string[]) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), args);
    this.#child.on('message', (message) => this.#received(message));
    this.#child.on('exit', (code) => {
      if (code !== 0 && !this.isKilled) throw new Error(`${file} ended with ${code}`);
    });
  }

  get pid(): number {
    assert(this.#child.pid !== undefined, 'it was started');
    return this.#child.pid;
  }

  /** The next message of the process, received or still to come. One call at a time. */
  next<Message>(): Promise<Message> {
    return new Promise((resolve) => {
      if (this.#messages.length > 0) resolve(this.#messages.shift() as Message);
      else this.#waiting = resolve;
    });
  }

  /** The message that the process sends for this one. */
  ask<Message>(message: string | number): Promise<Message> {
    this.#child.send(message);
    return this.next<Message>();
  }

  async end(): Promise<void> {
    this.#child.disconnect();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }

  #received(message: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(message as never);
    else this.#messages.push(message);
  }
}
