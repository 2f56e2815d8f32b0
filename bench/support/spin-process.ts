// Keeps a core from sleeping, and takes no time that another process wants. Says that it spins.
import { spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';

/** About a millisecond; then it looks whether its channel was closed. */
const burstTurns = 1_000_000;

// A thread of the idle class gives way at once; a nice one only soon.
const { status } = spawnSync('chrt', ['--idle', '--pid', '0', String(process.pid)]);
if (status !== 0) setPriority(constants.priority.PRIORITY_LOW);
process.once('disconnect', () => process.exit());
process.send?.('spinning');
spin();

/** Only counts: memory that it allocated would be collected by threads of the usual priority. */
function spin(): void {
  for (let turn = 0; turn < burstTurns; turn++);
  setImmediate(spin);
}
