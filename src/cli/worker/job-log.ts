// The lines of `ipc work` on stderr. A reader that does not keep up must not hold up the work, so no job waits
// until its line is written, and beyond a limit further lines are dropped.
import { setTimeout as sleep } from 'node:timers/promises';

const linesPendingMax = 1_000;
/** How long the end of the work waits for the last lines. */
const flushMs = 1_000;

export class JobLog {
  readonly #pending = new Set<Promise<void>>();

  write(say: (line: string) => Promise<void>, line: string): void {
    if (this.#pending.size >= linesPendingMax) return;
    const written = say(line).finally(() => this.#pending.delete(written));
    this.#pending.add(written);
  }

  async flush(): Promise<void> {
    const late = sleep(flushMs, undefined, { ref: false });
    await Promise.race([Promise.all(this.#pending), late]);
  }
}
