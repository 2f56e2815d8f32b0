// What a hop between two processes costs depends on where the system puts them: on the same core
// none has to be woken, and a virtual core that sleeps costs more to wake than most of what the
// program does with a message. So the same is measured with processes that stay on their cores, every
// hop from one core to another, and then with cores that never sleep: there the program is left.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Helper } from './helper.ts';

const cores = availableParallelism();

/** `sides`: ids of processes that send to the other side. They stay on the first and the last core. */
export function keepApart(...sides: readonly [readonly number[], readonly number[]]): void {
  for (const pid of sides[0]) pin(pid, 0);
  for (const pid of sides[1]) pin(pid, cores - 1);
}

export async function withAwakeCores<T>(action: () => Promise<T>): Promise<T> {
  const spinners = Array.from({ length: cores }, () => new Helper('spin-process.js'));
  for (const spinner of spinners) await spinner.next();
  // Two that may go where they want end up on one core, and another one sleeps.
  for (const [core, spinner] of spinners.entries()) pin(spinner.pid, core);
  const result = await action();
  for (const spinner of spinners) await spinner.end();
  return result;
}

/** Without taskset, of util-linux, it changes nothing. */
function pin(pid: number, core: number): void {
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)]);
}
