// Which Node an entry starts. `node` is whatever the host finds on its PATH: for a host that is started in a shell
// that is the user's own, if no version manager changes it from folder to folder. A program of the desktop has
// another PATH. There the entry has an absolute path, if possible one that outlives an update of Node.
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { userHome } from '../app/process-facts.ts';
import { isNodeEnough } from './programs.ts';
import type { HostTarget } from './targets.ts';

export interface NodeCommand {
  readonly command: string;
  /** Why it is no mere `node`, for people. */
  readonly note: string | undefined;
}

/** What a program of the desktop has at least. */
const pathDesktop = '/usr/bin:/bin:/usr/sbin:/sbin';
/** A folder of one version of Node, or of one shell: it goes with the version, or with the shell. */
const passing = /[\\/](?:v?\d+\.\d+\.\d+[^\\/]*|fnm_multishells)[\\/]/;
/** Links that version managers and Homebrew keep to the version that the user has chosen. */
const linksInHome = ['.nvm/current/bin', '.volta/bin', '.local/share/fnm/aliases/default/bin'];
const foldersOfSystem = ['/opt/homebrew/bin', '/usr/local/bin', '/usr/bin'];
const answerMsMax = 5_000;

export function nodeCommand({ title, isDesktop }: HostTarget, path: string): NodeCommand {
  const name = basename(process.execPath);
  const onPath = path.split(delimiter).filter((folder) => folder !== '');
  const first = onPath.map((folder) => join(folder, name)).find((file) => realpath(file));
  const isStable = first !== undefined && isThisNode(first) && !passing.test(first);
  if (!isDesktop && isStable) return { command: 'node', note: undefined };
  const command = stableNode([...onPath, ...knownFolders()].map((folder) => join(folder, name)));
  const why = isDesktop
    ? `${title} may have another PATH than this shell`
    : '`node` on the PATH may become another one';
  const until = passing.test(command) ? '; when that version is removed, install again' : '';
  return { command, note: `it starts ${command}, because ${why}${until}` };
}

/** A path of this Node that does not name its version; or else of another that will do; or else this Node's own. */
export function stableNode(files: readonly string[]): string {
  const lasting = files.filter((file) => !passing.test(file) && realpath(file) !== undefined);
  return lasting.find(isThisNode) ?? lasting.find(isGoodNode) ?? process.execPath;
}

function knownFolders(): string[] {
  const home = userHome();
  const links = home === undefined ? [] : linksInHome.map((folder) => join(home, folder));
  return [...links, ...foldersOfSystem];
}

function isThisNode(file: string): boolean {
  return realpath(file) === realpath(process.execPath);
}

/** It may be a script of a version manager: so it is asked, with the environment of a program of the desktop. */
function isGoodNode(file: string): boolean {
  try {
    const env = { PATH: pathDesktop, HOME: userHome() };
    const options = { env, timeout: answerMsMax, encoding: 'utf8' } as const;
    return isNodeEnough(execFileSync(file, ['--version'], { ...options, stdio: 'pipe' }));
  } catch {
    return false;
  }
}

/** undefined if there is no such file. */
function realpath(file: string): string | undefined {
  try {
    return realpathSync(file);
  } catch {
    return undefined;
  }
}
