// The cost of a hop between two processes depends on their cores: on the same core no core has to be woken,
// and waking a sleeping virtual core costs more than most of the work of the program on a message. So the
// benchmark is repeated with processes pinned to cores, so that every hop changes the core, and then with
// cores that never sleep, which leaves the cost of the program.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { BenchProcess } from './bench-process.ts';

const cores = availableParallelism();

/** `sides`: pids of processes that send to the other side, pinned to the first and the last core. */
export function keepApart(...sides: readonly [readonly number[], readonly number[]]): void {
  for (const pid of sides[0]) pin(pid, 0);
  for (const pid of sides[1]) pin(pid, cores - 1);
}

export async function withAwakeCores<T>(action: () => Promise<T>): Promise<T> {
  const spinners = Array.from({ length: cores }, () => new BenchProcess('spin-process.js'));
  for (const spinner of spinners) await spinner.next();
  // Two unpinned processes end up on one core, and the other core sleeps.
  for (const [core, spinner] of spinners.entries()) pin(spinner.pid, core);
  const result = await action();
  for (const spinner of spinners) await spinner.end();
  return result;
}

/** Pins a process; without `taskset` of util-linux it does nothing. */
function pin(pid: number, core: number): void {
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)]);
}
