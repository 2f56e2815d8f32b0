// What to paste so that a host starts `ipc mcp` out of a clone: `npm start` prints it, the README has it.
import { posix, win32 } from 'node:path';

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
  const word = isWindows ? wordOfWindows(program) : wordOfShell(program);
  const server = { command: 'node', args: [program, 'mcp'] };
  return [
    {
      host: 'Claude Code',
      into: 'a shell',
      line: `claude mcp add ipc -s user -- node ${word} mcp`,
    },
    { host: 'Codex', into: 'a shell', line: `codex mcp add ipc -- node ${word} mcp` },
    { host: 'Gemini CLI', into: 'a shell', line: `gemini mcp add -s user ipc node ${word} mcp` },
    {
      host: 'Cursor',
      into: '~/.cursor/mcp.json',
      line: JSON.stringify({ mcpServers: { ipc: server } }),
    },
    {
      host: 'VS Code',
      into: '.vscode/mcp.json in a project',
      line: JSON.stringify({ servers: { ipc: { type: 'stdio', ...server } } }),
    },
  ];
}

/** One word for a POSIX shell. */
function wordOfShell(text: string): string {
  if (/^[\w./@%+,:=-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** One word for cmd and PowerShell; a path there has no quotes in it. */
function wordOfWindows(text: string): string {
  return /^[\w.:\\-]+$/.test(text) ? text : `"${text}"`;
}
