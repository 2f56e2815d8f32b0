// A terminal as a recipe needs it: a shell that goes on from line to line, and all that it showed.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Behind it stands the exit code of what was typed. */
const mark = '\u0001';
/** No command of a recipe takes so long to show what it shows. */
const showMsMax = 30_000;

export class Terminal {
  readonly #shell: ChildProcess;
  #seen = '';
  /** Blocks that were typed, and have not ended. */
  #running = 0;

  /** `prefix`: words before the shell, for example of another network. */
  constructor(env: NodeJS.ProcessEnv, prefix: readonly string[] = []) {
    const [command = '', ...words] = [...prefix, 'sh'];
    // A group of its own, as each terminal has one: Ctrl-C goes to all of it.
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

  /** Until what was shown since the last time is what `check` does not throw at. */
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

  /** Of what was typed all has ended, and was looked at. */
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
