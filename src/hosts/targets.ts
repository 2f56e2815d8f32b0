// How each host is told of an MCP server: by a command of its own, or by an entry in a file.
// Read in their documents and tried with their programs where they have one, in November 2026.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type Scope = 'user' | 'project';

/** What starts `ipc mcp`. */
export interface Server {
  readonly command: string;
  readonly args: readonly string[];
}

/** Where a host may keep its configuration. */
export interface ConfigFolders {
  readonly home: string;
  readonly project: string;
  /** CLAUDE_CONFIG_DIR, or what stands for it: where .claude.json is. */
  readonly claude: string;
  /** CODEX_HOME, or what stands for it. */
  readonly codex: string;
  /** XDG_CONFIG_HOME, or what stands for it. */
  readonly config: string;
  readonly platform: NodeJS.Platform;
}

export interface HostTarget {
  /** In command lines. */
  readonly name: string;
  readonly title: string;
  readonly programs: readonly string[];
  /** The first is the default. */
  readonly scopes: readonly Scope[];
  /** Words for the host's own program; a host without them is set up by its file. */
  readonly words?: {
    add(server: Server, scope: Scope): readonly string[];
    remove(scope: Scope): readonly string[];
  };
  file(scope: Scope, places: ConfigFolders): string;
  /** The same for people, of a host without words. */
  readonly into?: string;
  /** Else JSON, perhaps with comments. */
  readonly isToml?: true;
  /** Where the entry stands in the file. */
  readonly keys: readonly string[];
  entry(server: Server): object;
  /** Where the host notes that a plugin is on, and how it notes that of ours. */
  readonly plugin?: { file(places: ConfigFolders): string; readonly mark: RegExp };
  /** What the user does about what no command and no entry says. */
  readonly also?: string;
}

/** The name of the server in every host. */
export const serverName = 'ipc';

export const hostTargets: readonly HostTarget[] = [
  {
    name: 'claude',
    title: 'Claude Code',
    programs: ['claude'],
    scopes: ['user', 'project'],
    words: {
      add: (server, scope) => ['mcp', 'add', serverName, '-s', scope, '--', ...wordsOf(server)],
      remove: (scope) => ['mcp', 'remove', serverName, '-s', scope],
    },
    file: (scope, { claude, project }) =>
      scope === 'user' ? join(claude, '.claude.json') : join(project, '.mcp.json'),
    keys: ['mcpServers', serverName],
    entry: plainEntry,
    plugin: {
      file: ({ home, claude }) =>
        join(claude === home ? join(home, '.claude') : claude, 'settings.json'),
      mark: /"agent-ipc@[^"]*"\s*:\s*true/,
    },
    also: 'It asks before each call unless its settings allow mcp__ipc__ipc.',
  },
  {
    name: 'codex',
    title: 'Codex',
    programs: ['codex'],
    scopes: ['user'],
    words: {
      add: (server) => ['mcp', 'add', serverName, '--', ...wordsOf(server)],
      remove: () => ['mcp', 'remove', serverName],
    },
    file: (_, { codex }) => join(codex, 'config.toml'),
    isToml: true,
    keys: ['mcp_servers', serverName],
    entry: plainEntry,
    plugin: {
      file: ({ codex }) => join(codex, 'config.toml'),
      mark: /^\[plugins\."agent-ipc@[^"]*"\]\s*enabled = true/m,
    },
    also: 'For waits of five minutes add tool_timeout_sec = 330 to [mcp_servers.ipc] in its config.toml.',
  },
  {
    name: 'gemini',
    title: 'Gemini CLI',
    programs: ['gemini'],
    scopes: ['user', 'project'],
    words: {
      add: (server, scope) => ['mcp', 'add', '-s', scope, serverName, ...wordsOf(server)],
      remove: (scope) => ['mcp', 'remove', '-s', scope, serverName],
    },
    file: (scope, places) =>
      join(scope === 'user' ? places.home : places.project, '.gemini', 'settings.json'),
    keys: ['mcpServers', serverName],
    entry: plainEntry,
  },
  {
    name: 'cursor',
    title: 'Cursor',
    programs: ['cursor'],
    scopes: ['user', 'project'],
    file: (scope, places) =>
      join(scope === 'user' ? places.home : places.project, '.cursor', 'mcp.json'),
    into: '~/.cursor/mcp.json',
    keys: ['mcpServers', serverName],
    entry: plainEntry,
  },
  {
    // `code --add-mcp` adds, but nothing removes; so its file is edited.
    name: 'vscode',
    title: 'VS Code',
    programs: ['code'],
    scopes: ['user', 'project'],
    file: (scope, places) =>
      scope === 'user'
        ? join(codeFolder(places), 'mcp.json')
        : join(places.project, '.vscode', 'mcp.json'),
    into: '.vscode/mcp.json in a project',
    keys: ['servers', serverName],
    entry: (server) => ({ type: 'stdio', ...plainEntry(server) }),
  },
  {
    name: 'opencode',
    title: 'opencode',
    programs: ['opencode'],
    scopes: ['user', 'project'],
    file: (scope, { config, project }) => {
      const folder = scope === 'user' ? join(config, 'opencode') : project;
      const withComments = join(folder, 'opencode.jsonc');
      return existsSync(withComments) ? withComments : join(folder, 'opencode.json');
    },
    into: '~/.config/opencode/opencode.json',
    keys: ['mcp', serverName],
    entry: (server) => ({ type: 'local', command: wordsOf(server), enabled: true }),
  },
  {
    name: 'zed',
    title: 'Zed',
    programs: ['zed', 'zeditor'],
    scopes: ['user', 'project'],
    file: (scope, { config, project }) =>
      scope === 'user'
        ? join(config, 'zed', 'settings.json')
        : join(project, '.zed', 'settings.json'),
    into: '~/.config/zed/settings.json',
    keys: ['context_servers', serverName],
    entry: (server) => ({ ...plainEntry(server), env: {} }),
  },
];

export function configFolders(env: Readonly<Record<string, string | undefined>>): ConfigFolders {
  const home = homedir();
  const config = env.XDG_CONFIG_HOME || join(home, '.config');
  return {
    home,
    project: process.cwd(),
    claude: env.CLAUDE_CONFIG_DIR || home,
    codex: env.CODEX_HOME || join(home, '.codex'),
    config,
    platform: process.platform,
  };
}

function wordsOf({ command, args }: Server): readonly string[] {
  return [command, ...args];
}

function plainEntry({ command, args }: Server): Server {
  return { command, args };
}

/** Of its default profile. */
function codeFolder({ home, config, platform }: ConfigFolders): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'Code', 'User');
  if (platform === 'win32') return join(home, 'AppData', 'Roaming', 'Code', 'User');
  return join(config, 'Code', 'User');
}
