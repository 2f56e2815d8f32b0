// The lines to paste so that a host starts `ipc mcp` from a clone. `npm start` prints them, the README has them.
import { posix, win32 } from 'node:path';
import { shellWord } from '../../src/base/shell.ts';
import { hostTargets } from '../../src/hosts/targets.ts';

export interface Install {
  readonly host: string;
  /** Where the line goes. */
  readonly into: string;
  readonly line: string;
}

/** `root`: the clone, as an absolute path. */
export function installLines(
  root: string,
  platform: NodeJS.Platform = process.platform,
): Install[] {
  const isWindows = platform === 'win32';
  const program = (isWindows ? win32 : posix).join(root, 'dist', 'ipc.js');
  const server = { command: 'node', args: [program, 'mcp'] };
  const wordOf = isWindows ? wordOfWindows : shellWord;
  return hostTargets.map(({ title, programs, words, keys, entry, into }) => {
    const line = words
      ? [programs[0] ?? '', ...words.add(server, 'user')].map(wordOf).join(' ')
      : JSON.stringify(keys.reduceRight<object>((inner, key) => ({ [key]: inner }), entry(server)));
    return { host: title, into: into ?? 'a shell', line };
  });
}

/** One word for cmd and PowerShell; a path there has no quotes in it. */
function wordOfWindows(text: string): string {
  return /^[\w.:\\-]+$/.test(text) ? text : `"${text}"`;
}
