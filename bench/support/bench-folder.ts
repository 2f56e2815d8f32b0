// The folder for the store of a benchmark: a new folder in the home directory, like the state folder,
// or in IPC_BENCH_DIR. It is removed when the process ends.
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** statfs(2) types of file systems in memory, where a sync costs nothing. */
const memoryTypes = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
]);

const places: string[] = [];

export function makeBenchFolder(): string {
  const parent = process.env.IPC_BENCH_DIR || homedir();
  const memory = memoryTypes.get(statfsSync(parent).type);
  if (memory !== undefined) {
    const reason = 'a sync costs nothing there; name a folder on a disk in IPC_BENCH_DIR';
    process.stderr.write(`${parent} is on ${memory}: ${reason}\n`);
    process.exit(1);
  }
  const place = mkdtempSync(join(parent, '.agent-ipc-bench-'));
  places.push(place);
  if (places.length === 1) removeAtEnd();
  return place;
}

function removeAtEnd(): void {
  process.on('exit', () => {
    for (const place of places) rmSync(place, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
}
