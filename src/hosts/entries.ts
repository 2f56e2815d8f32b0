// The entries of this program in the files of a host, as the host will start them.
import { readEntry } from './installer.ts';
import type { ConfigFolders, HostTarget, Scope } from './targets.ts';

export interface HostEntry {
  /** 'local': for the current project, in the user's file. */
  readonly scope: Scope | 'local';
  /** The file that has it. */
  readonly path: string;
  /** The command and its arguments; none if it starts no program. */
  readonly words: readonly string[];
  /** Names of the environment variables that it sets. */
  readonly variables: readonly string[];
  /** The host is told not to start it. */
  readonly isOff: boolean;
}

export async function findEntries(
  target: HostTarget,
  folders: ConfigFolders,
): Promise<HostEntry[]> {
  const entries: HostEntry[] = [];
  const look = async (scope: HostEntry['scope'], path?: string, keys = target.keys) => {
    const entry = path && (await readEntry(path, { ...target, keys }));
    if (!path || entry === undefined) return;
    entries.push({
      scope,
      path,
      words: wordsIn(entry),
      variables: variablesIn(entry),
      isOff: isOff(entry),
    });
  };
  const user = target.file('user', folders);
  await look('user', user);
  if (target.keysOfProject) await look('local', user, target.keysOfProject(folders));
  // In the home folder both may be the same file.
  const project = target.scopes.includes('project') ? target.file('project', folders) : user;
  if (project !== user) await look('project', project);
  return entries;
}

/** `command` is a word with `args` beside it, or a list of all words. */
function wordsIn(entry: unknown): string[] {
  const { command, args } = (entry ?? {}) as { command?: unknown; args?: unknown };
  const words = [command, args].flat().filter((each) => each !== undefined && each !== null);
  return typeof words[0] === 'string' ? words.map(String) : [];
}

function variablesIn(entry: unknown): string[] {
  const { env, environment } = (entry ?? {}) as { env?: unknown; environment?: unknown };
  return [env, environment].flatMap((each) => Object.keys(each ?? {}));
}

function isOff(entry: unknown): boolean {
  const { enabled, disabled } = (entry ?? {}) as { enabled?: unknown; disabled?: unknown };
  return enabled === false || disabled === true;
}
