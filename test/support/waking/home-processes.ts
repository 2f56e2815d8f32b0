// All processes that were started with a home of their own, also those that have left their terminal, as the daemon of
// Codex does.
import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** A program that has not ended this long after its terminal is killed. */
const endMsMax = 3_000;

/** Resolves when all have ended. Those that take too long are killed. */
export async function endAll(home: string): Promise<void> {
  const late = performance.now() + endMsMax;
  for (let left = processesOf(home); left.length > 0; left = processesOf(home)) {
    if (performance.now() > late) for (const pid of left) kill(pid);
    await pause(50);
  }
}

function processesOf(home: string): number[] {
  const mark = `HOME=${home}\0`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && environmentOf(pid).includes(mark));
}

function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`;
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
