// Keeps a core from sleeping, without taking time from other processes. Reports when it spins.
import { spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';

/** Iterations for about a millisecond, after which the process checks whether its channel was closed. */
const burstTurns = 1_000_000;

// A thread of the idle class yields at once; a nice one with a delay.
const { status } = spawnSync('chrt', ['--idle', '--pid', '0', String(process.pid)]);
if (status !== 0) setPriority(constants.priority.PRIORITY_LOW);
process.once('disconnect', () => process.exit());
process.send?.('spinning');
spin();

/** Only counts, because allocated memory would be collected by threads of normal priority. */
function spin(): void {
  for (let turn = 0; turn < burstTurns; turn++);
  setImmediate(spin);
}
