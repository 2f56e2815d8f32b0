// `ipc top` in a real terminal, beside a real broker and real sessions.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { open } from '../../../src/index.ts';
import { program } from '../mcp-host.ts';
import { nextErrorLine, nextLine, type Shell, shell } from '../processes/shell.ts';
import { TmuxTerminal } from '../waking/tmux.ts';

const postsAtOnce = 100;

export interface TopOptions {
  readonly size?: readonly [columns: number, rows: number];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class TopPlace {
  readonly shell: Shell;
  readonly #terminals: TmuxTerminal[];

  private constructor(place: Shell, terminals: TmuxTerminal[]) {
    this.shell = place;
    this.#terminals = terminals;
  }

  static async make(context: TestContext): Promise<TopPlace> {
    const terminals: TmuxTerminal[] = [];
    // First: the folder of the shell, which is removed, has their sockets.
    context.after(() => Promise.all(terminals.map((each) => each.end())));
    return new TopPlace(await shell(context), terminals);
  }

  async broker(): Promise<ChildProcess> {
    const broker = this.shell.begin(['broker']);
    await nextLine(broker);
    return broker;
  }

  /** It takes over when the broker ends. */
  async standby(): Promise<ChildProcess> {
    const standby = this.shell.begin(['broker']);
    await nextErrorLine(standby);
    return standby;
  }

  async post(to: string, text: string, from = 'ann'): Promise<void> {
    const { code, errors } = await this.shell.run(['post', to, '--from', from], text);
    assert.equal(code, 0, errors);
  }

  /** Many messages, the first one with 1. */
  async posts(to: string, count: number, text: (count: number) => string): Promise<void> {
    const { home, port } = this.shell;
    const mail = await open({ home, port, env: {}, name: 'ann' });
    for (let first = 1; first <= count; first += postsAtOnce) {
      const numbers = Array.from({ length: Math.min(postsAtOnce, count - first + 1) });
      await Promise.all(numbers.map((_, index) => mail.post(to, text(first + index))));
    }
    await mail.close();
  }

  /** Runs in a shell, which prints the exit code behind it and stays. */
  async top({ size = [80, 24], args = [], env = {} }: TopOptions = {}): Promise<TmuxTerminal> {
    const { home, port } = this.shell;
    const line = 'echo before; "$@"; echo "after: $?"; exec cat';
    const above = join(home, '..');
    const terminal = await TmuxTerminal.start(await mkdtemp(join(above, 'tmux-')), {
      words: ['sh', '-c', line, 'sh', process.execPath, program, 'top', ...args],
      env: {
        PATH: process.env.PATH ?? '',
        HOME: home,
        IPC_HOME: home,
        IPC_PORT: `${port}`,
        ...env,
      },
      ...{ cwd: above, size },
    });
    this.#terminals.push(terminal);
    return terminal;
  }
}
