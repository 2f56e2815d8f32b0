// A terminal of its own for a program with a full-screen interface: a tmux server that nobody else uses.
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The reason for the `skip` of a test, if there is no tmux. */
export const tmuxMissing = spawnSync('tmux', ['-V']).error ? 'no tmux here' : false;

export interface TmuxCommand {
  readonly words: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** 150 columns and 45 rows unless given. */
  readonly size?: readonly [columns: number, rows: number];
}

/** A screen that has not changed for this long shows that the program is done. */
const stillMs = 700;
const lookEveryMs = 100;
/** The limit within which the program must show what is expected. */
const showMsMax = 30_000;

export class TmuxTerminal {
  readonly #socket: string;

  private constructor(folder: string) {
    this.#socket = join(folder, 'tmux.sock');
  }

  /** `folder`: where its socket is. */
  static async start(
    folder: string,
    { words, env, cwd, size: [columns, rows] = [150, 45] }: TmuxCommand,
  ): Promise<TmuxTerminal> {
    const terminal = new TmuxTerminal(folder);
    const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const size = ['-x', `${columns}`, '-y', `${rows}`];
    const command = ['env', '-i', 'TERM=xterm-256color', ...pairs, ...words];
    const session = ['-f', '/dev/null', 'new-session', '-d', ...size, '-c', cwd, '--', ...command];
    for (const late = AbortSignal.timeout(showMsMax); ; ) {
      try {
        await terminal.#tmux(...session);
        return terminal;
      } catch (error) {
        // The server of an earlier terminal in this folder is ending.
        const isEnding = `${error}`.includes('server exited unexpectedly');
        if (!isEnding || late.aborted) throw error;
      }
    }
  }

  async screen(): Promise<string> {
    const { stdout } = await this.#tmux('capture-pane', '-p');
    return stdout.trimEnd();
  }

  /** With the sequences that set colours and the like. */
  async colouredScreen(): Promise<string> {
    const { stdout } = await this.#tmux('capture-pane', '-p', '-e');
    return stdout.trimEnd();
  }

  /** Looks until `check` accepts the screen, and returns it. */
  async until(check: (screen: string) => void): Promise<string> {
    for (const late = AbortSignal.timeout(showMsMax); ; ) {
      const screen = await this.screen();
      try {
        check(screen);
        return screen;
      } catch (error) {
        if (late.aborted) throw error;
      }
      await pause(lookEveryMs);
    }
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`);
  }

  /** Types text without Enter. */
  async write(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', text);
  }

  /** What tmux knows of its pane, as `#{pane_title}`. */
  async fact(format: string): Promise<string> {
    const { stdout } = await this.#tmux('display-message', '-p', format);
    return stdout.trimEnd();
  }

  async untilStill(signal: AbortSignal): Promise<void> {
    let last = '';
    for (let since = 0; since < stillMs; since += lookEveryMs) {
      const now = await this.screen();
      if (now !== last) since = 0;
      last = now;
      await pause(lookEveryMs, undefined, { signal });
    }
  }

  /** Types a line, as a person does: Enter follows when the program shows the text. */
  async type(text: string, signal: AbortSignal): Promise<void> {
    await this.write(text);
    await this.untilStill(signal);
    await this.press('Enter');
  }

  /** `key`: as tmux names it. */
  async press(key: string): Promise<void> {
    await this.#tmux('send-keys', key);
  }

  /** The process id of the program. */
  async pid(): Promise<number> {
    return Number(await this.fact('#{pane_pid}'));
  }

  /** The program gets SIGHUP. */
  async end(): Promise<void> {
    await this.#tmux('kill-server').catch((error) => {
      // It has ended already if the program has. Without its socket it would stay for ever.
      if (!/no server running|server exited/.test(`${error.stderr}`)) throw error;
    });
  }

  #tmux(...words: readonly string[]): Promise<{ stdout: string }> {
    return run('tmux', ['-S', this.#socket, ...words]);
  }
}
