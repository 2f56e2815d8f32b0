// Hosts that were started for one prompt, and end when it is answered. An agent there must not be told that it will be
// woken. Only the arguments of the host say so.
import { basename } from 'node:path';
import { findHostProcess } from './host-process.ts';

interface OneShot {
  /** The beginning of the name that the host reports. */
  readonly host: string;
  /** The name of its program, or the name by which it was started, or its script. */
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
    // A program may have its version for its file's name.
    const [name = '', script = ''] = words.filter((word) => !word.startsWith('-'));
    return [basename(file), basename(name), script].some((each) => known.program.test(each));
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
