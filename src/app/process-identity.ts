// Which process is meant: a process id is used again, so its start time belongs to it. On Linux both come from /proc,
// elsewhere from `ps`; where there is neither, no process is known.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

export interface ProcessIdentity {
  readonly pid: number;
  /** As the system writes it. */
  readonly start: string;
}

export interface ProcessFacts extends ProcessIdentity {
  readonly parent: number;
  /** It has ended, and its parent has not yet asked how. */
  readonly isZombie: boolean;
  /** Its command line, with its name. */
  readonly words: readonly string[];
}

/** Between a host and a process that it has started: shells, env, and what runs the programs of packages. */
const wrappers = /^-?(?:(?:ba|da|z|k|fi|a)?sh|env|npm|npx|npm-cli\.js|npx-cli\.js|pnpm|yarn)$/;
/** Processes that are looked at, from the first one upwards. */
const stepsMax = 8;
const psMsMax = 5_000;

/** undefined for a process that has ended. */
export function identify(pid: number): ProcessIdentity | undefined {
  const found = lookAt(pid);
  return found && !found.isZombie ? { pid, start: found.start } : undefined;
}

export function isRunning({ pid, start }: ProcessIdentity): boolean {
  return identify(pid)?.start === start;
}

/** The program that has started this one, perhaps by way of a shell or npx: for an MCP server or a hook, its host. */
export function findHost(pid = process.ppid): ProcessIdentity | undefined {
  for (const { pid: at, start, words } of processesFrom(pid)) {
    if (!isWrapper(words)) return { pid: at, start };
  }
  return undefined;
}

/** The process and those above it, as far as they can be seen. By default begins with the one that has started this. */
export function* processesFrom(pid = process.ppid): Generator<ProcessFacts, void> {
  let at = pid;
  for (let steps = 0; at > 1 && steps < stepsMax; steps++) {
    const found = lookAt(at);
    if (!found || found.isZombie) return;
    yield found;
    at = found.parent;
  }
}

/** npm writes its whole command line into its first word. */
function isWrapper([program = '', ...args]: readonly string[]): boolean {
  const name = nameIn(program);
  if (/^node(?:js)?$/.test(name)) {
    return wrappers.test(nameIn(args.find((word) => !word.startsWith('-')) ?? ''));
  }
  return wrappers.test(name);
}

function nameIn(word: string): string {
  return basename(word.split(' ')[0] ?? '');
}

function lookAt(pid: number): ProcessFacts | undefined {
  return existsSync('/proc/self/stat') ? lookInProc(pid) : lookWithPs(pid);
}

function lookInProc(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc(5): the name is in parentheses, and may have some itself.
    const [state = '', parent, ...more] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    return { pid, start: more[17] ?? '', parent: Number(parent), isZombie: isOver(state), words };
  } catch {
    return undefined;
  }
}

/** The start time of `ps` is in words, and those depend on the language and the time zone. */
export function lookWithPs(pid: number): ProcessFacts | undefined {
  try {
    const args = ['-o', 'stat=', '-o', 'ppid=', '-o', 'lstart=', '-o', 'command=', '-p', `${pid}`];
    const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC0' };
    const line = execFileSync('ps', args, {
      env,
      timeout: psMsMax,
      encoding: 'utf8',
      stdio: 'pipe',
    });
    const found = /^\s*(\S+)\s+(\d+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\d+)\s+(.*)$/m.exec(line);
    const [, state = '', parent, start = '', command = ''] = found ?? [];
    if (!found) return undefined;
    const words = command.split(' ');
    return { pid, start, parent: Number(parent), isZombie: isOver(state), words };
  } catch {
    return undefined;
  }
}

function isOver(state: string): boolean {
  return /^[ZXx]/.test(state);
}
