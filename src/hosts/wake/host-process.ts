// The process of the host above this one, as Linux shows it in /proc. Elsewhere, and in a sandbox that hides it,
// nothing is known of it.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';

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

interface OneShot {
  /** The beginning of the name that the host reports. */
  readonly host: string;
  /** The name of its program, or of the folder of its script. */
  readonly program: RegExp;
  isOne(words: readonly string[]): boolean;
}

/** How each host is told to answer one prompt and end. */
const oneShots: readonly OneShot[] = [
  {
    host: 'claude-code',
    program: /claude/,
    isOne: (words) => hasOne(words, '-p', '--print') && !readsPrompts(words),
  },
  { host: 'codex-mcp-client', program: /codex/, isOne: (words) => hasOne(words, 'exec', 'e') },
  { host: 'qwen-', program: /qwen/, isOne: (words) => hasOne(words, '-p', '--prompt') },
  { host: 'opencode', program: /opencode/, isOne: (words) => hasOne(words, 'run') },
  { host: 'copilot-cli', program: /copilot/, isOne: (words) => hasOne(words, '-p', '--prompt') },
];

/** The host ends with the turn, as `claude -p TEXT` and `codex exec` do: nothing is left that could be woken. */
export function endsWithTurn(host: string): boolean {
  const known = oneShots.find((each) => host.startsWith(each.host));
  if (!known) return false;
  const found = findHostProcess(({ file, words }) => {
    const [, script = ''] = words.filter((word) => !word.startsWith('-'));
    return known.program.test(basename(file)) || known.program.test(script);
  });
  return found !== undefined && known.isOne(found.words.slice(1));
}

function hasOne(words: readonly string[], ...options: readonly string[]): boolean {
  return words.some((word) => options.includes(word));
}

/** `--input-format stream-json`: its prompts come on stdin, until that ends. */
function readsPrompts(words: readonly string[]): boolean {
  return words.join('=').includes('--input-format=stream-json');
}
