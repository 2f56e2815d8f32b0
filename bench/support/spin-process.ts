// Keeps one core from sleeping, and takes no time that another process wants: CORE. Says that it spins.
import { spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';

/** About a millisecond; then it looks whether its channel was closed. */
const burstTurns = 1_000_000;

const [core = ''] = process.argv.slice(2);
const pid = String(process.pid);
// Two that may go where they want end up on one core, and the other one sleeps.
succeed('taskset', ['--all-tasks', '--cpu-list', '--pid', core, pid]);
// A thread of the idle class gives way at once; a nice one only soon.
if (!succeed('chrt', ['--idle', '--pid', '0', pid])) setPriority(constants.priority.PRIORITY_LOW);
process.once('disconnect', () => process.exit());
process.send?.('spinning');
spin();

/** Only counts: memory that it allocated would be collected by threads of the usual priority. */
function spin(): void {
  for (let turn = 0; turn < burstTurns; turn++);
  setImmediate(spin);
}

function succeed(program: string, words: readonly string[]): boolean {
  return spawnSync(program, words).status === 0;
}
