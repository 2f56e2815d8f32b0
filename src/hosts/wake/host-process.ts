// The process of the host above this one, as Linux shows it in /proc. Elsewhere, and in a sandbox that hides it,
// nothing is known of it.
import { readFileSync, readlinkSync, statSync } from 'node:fs';

export interface HostProcess {
  readonly pid: number;
  /** The file that it runs. */
  readonly file: string;
  /** Its command line, with its name. */
  readonly words: readonly string[];
}

/** Between a host and this process may be npx with its shell, and a shell that starts npx. */
const stepsMax = 4;

/** The nearest process of this user above this one that `isHost` accepts. */
export function findHostProcess(
  isHost: (candidate: HostProcess) => boolean,
): HostProcess | undefined {
  let pid = process.ppid;
  for (let steps = 0; pid > 1 && steps < stepsMax; steps++) {
    const found = lookAt(pid);
    if (!found) return undefined;
    if (isHost(found)) return found;
    pid = found.parent;
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
function lookAt(pid: number): (HostProcess & { readonly parent: number }) | undefined {
  try {
    if (statSync(`/proc/${pid}`).uid !== process.geteuid?.()) return undefined;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { pid, file: readlinkSync(`/proc/${pid}/exe`), words, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
