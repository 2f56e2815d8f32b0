// The memory of this process without garbage, and the resident memory of any.
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
export const collectGarbage = runInNewContext('gc') as () => void;

/** What is reachable on the heap of this process. */
export function heapMiB(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1_024 ** 2;
}

/** As the kernel reports it. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
}
