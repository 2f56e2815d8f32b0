// A terminal for a recipe: a shell that runs line after line, and its output.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A marker line, followed by the exit code of the typed command. */
const mark = '\u0001';
/** The limit within which a command must show its output. */
const showMsMax = 30_000;

export class Terminal {
  readonly #shell: ChildProcess;
  #seen = '';
  /** Typed blocks that have not ended. */
  #running = 0;

  /** `prefix`: the words before the shell, for example for another network. */
  constructor(env: NodeJS.ProcessEnv, prefix: readonly string[] = []) {
    const [command = '', ...words] = [...prefix, 'sh'];
    // A process group, as in a real terminal: Ctrl-C goes to the whole group.
    this.#shell = spawn(command, words, {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    this.#shell.stdout?.setEncoding('utf8').on('data', (text: string) => this.#show(text));
    this.#write('exec 2>&1; trap : INT');
  }

  type(text: string): void {
    this.#running++;
    this.#write(`${text}\nprintf '${mark}%s\\n' $?`);
  }

  /** Waits until `check` accepts the output since the last call. */
  async until(check: (seen: string) => void): Promise<void> {
    const late = AbortSignal.timeout(showMsMax);
    while (!passes(() => check(this.#seen.trimEnd())) && this.#running > 0 && !late.aborted) {
      await once(this.#shell.stdout ?? this.#shell, 'data', { signal: late }).catch(() => {});
    }
    check(this.#seen.trimEnd());
    this.#seen = '';
  }

  interrupt(): void {
    assert(this.#shell.pid);
    process.kill(-this.#shell.pid, 'SIGINT');
  }

  /** Asserts that all typed commands have ended and that all output was checked. */
  async end(): Promise<void> {
    const ended = once(this.#shell, 'close');
    this.#shell.stdin?.end();
    await ended;
    assert.equal(this.#seen, '', 'the recipe shows all that is seen');
  }

  kill(): void {
    const { pid, exitCode, signalCode } = this.#shell;
    if (pid !== undefined && exitCode === null && signalCode === null)
      process.kill(-pid, 'SIGKILL');
  }

  #write(text: string): void {
    this.#shell.stdin?.write(`${text}\n`);
  }

  #show(text: string): void {
    this.#seen += text;
    for (;;) {
      const [whole, code] = new RegExp(`${mark}(\\d+)\n`).exec(this.#seen) ?? [];
      if (whole === undefined) return;
      this.#running--;
      this.#seen = this.#seen.replace(whole, code === '0' ? '' : `exit code ${code}\n`);
    }
  }
}

function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}
