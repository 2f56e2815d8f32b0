// The server of another project, started for the benchmark. It ends with end(), or with this process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Missing } from './system.ts';

const readyMsMax = 10_000;
const retryMs = 20;
/** Debian keeps nats-server where the PATH of a user does not lead. */
export const searchPath = `${process.env.PATH}${delimiter}/usr/sbin`;

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #endAtExit = () => this.#child.kill('SIGKILL');

  private constructor(program: string, args: readonly string[]) {
    const env = { ...process.env, PATH: searchPath };
    this.#child = spawn(program, args, { env, stdio: 'ignore' });
    // Before the folders of the benchmark are removed.
    process.prependListener('exit', this.#endAtExit);
  }

  /** Resolves when the server accepts connections at the port. */
  static async start(program: string, args: readonly string[], port: number) {
    const folders = searchPath.split(delimiter);
    const isThere = folders.some((folder) => existsSync(join(folder, program)));
    if (!isThere) throw new Missing(`${program} is not installed`);
    const server = new ServerProcess(program, args);
    const deadline = performance.now() + readyMsMax;
    while (!(await accepts(port))) {
      const hasEnded = server.#child.exitCode !== null;
      if (hasEnded || performance.now() > deadline) throw new Error(`${program} does not start`);
      await sleep(retryMs);
    }
    return server;
  }

  async end(): Promise<void> {
    process.off('exit', this.#endAtExit);
    const ended = once(this.#child, 'exit');
    if (this.#child.kill('SIGKILL')) await ended;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (isConnected: boolean) => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
