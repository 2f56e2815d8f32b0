// The process of the host above this one, as Linux shows it in /proc. Elsewhere, and in a sandbox that hides it,
// nothing is known of it.
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { type ProcessFacts, processesFrom } from '../../app/process-identity.ts';

export interface HostProcess extends ProcessFacts {
  /** The file that it runs. */
  readonly file: string;
}

/** The nearest process of this user above this one that `isHost` accepts. */
export function findHostProcess(
  isHost: (candidate: HostProcess) => boolean,
): HostProcess | undefined {
  if (!existsSync('/proc/self/exe')) return undefined;
  for (const found of processesFrom()) {
    const file = fileOf(found);
    if (file === undefined) return undefined;
    const candidate = { ...found, file };
    if (isHost(candidate)) return candidate;
  }
  return undefined;
}

/** A variable of another process; undefined if it is not set there, or may not be read. */
export function variableOf({ pid }: HostProcess, name: string): string | undefined {
  try {
    const all = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return all.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
  } catch {
    return undefined;
  }
}

/** undefined for a process that has ended, and for another user's. */
function fileOf({ pid }: ProcessFacts): string | undefined {
  try {
    if (statSync(`/proc/${pid}`).uid !== process.geteuid?.()) return undefined;
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
