// The entries of this program in the files of a host, as the host will start them.
import { readEntry } from './installer.ts';
import type { ConfigFolders, HostTarget, Scope } from './targets.ts';

export interface HostEntry {
  readonly scope: Scope;
  /** The file that has it. */
  readonly path: string;
  /** The command and its arguments; none if it starts no program. */
  readonly words: readonly string[];
  /** The host is told not to start it. */
  readonly isOff: boolean;
}

export async function findEntries(
  target: HostTarget,
  folders: ConfigFolders,
): Promise<HostEntry[]> {
  const entries = new Map<string, HostEntry>();
  for (const scope of target.scopes) {
    const path = target.file(scope, folders);
    const entry = await readEntry(path, target);
    // In the home folder both scopes may be the same file.
    if (entry !== undefined && !entries.has(path)) {
      entries.set(path, { scope, path, words: wordsIn(entry), isOff: isOff(entry) });
    }
  }
  return [...entries.values()];
}

/** `command` is a word with `args` beside it, or a list of all words. */
function wordsIn(entry: unknown): string[] {
  const { command, args } = (entry ?? {}) as { command?: unknown; args?: unknown };
  const words = [command, args].flat().filter((each) => each !== undefined && each !== null);
  return typeof words[0] === 'string' ? words.map(String) : [];
}

function isOff(entry: unknown): boolean {
  const { enabled, disabled } = (entry ?? {}) as { enabled?: unknown; disabled?: unknown };
  return enabled === false || disabled === true;
}
