// How an MCP server is added to each host: by a command of the host, or by an entry in a file. According to
// their documents, and tried with their programs where they have one, in November 2026.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { userHome, workingFolder } from '../app/process-facts.ts';

export type Scope = 'user' | 'project';

/** The command that starts `ipc mcp`. */
export interface Server {
  readonly command: string;
  readonly args: readonly string[];
}

/** A path, or undefined where a process without a home, or in a removed folder, has none. */
export type MaybePath = string | undefined;

/** Where a host may keep its configuration. */
export interface ConfigFolders {
  readonly home: MaybePath;
  readonly project: MaybePath;
  /** CLAUDE_CONFIG_DIR, or its default: where .claude.json is. */
  readonly claude: MaybePath;
  /** CODEX_HOME, or its default. */
  readonly codex: MaybePath;
  /** XDG_CONFIG_HOME, or its default. */
  readonly config: MaybePath;
  readonly platform: NodeJS.Platform;
}

export interface HostTarget {
  /** The name that `ipc install` takes. */
  readonly name: string;
  readonly title: string;
  readonly programs: readonly string[];
  /** It is started from the desktop, and not in a shell: its PATH is not the user's. */
  readonly isDesktop?: true;
  /** The first is the default. */
  readonly scopes: readonly Scope[];
  /** Arguments for the host's own program. A host without them is set up in its file. */
  readonly words?: {
    add(server: Server, scope: Scope): readonly string[];
    remove(scope: Scope): readonly string[];
  };
  file(scope: Scope, folders: ConfigFolders): MaybePath;
  /** The file as people are shown it, for a host without `words`. */
  readonly into?: string;
  /** The file is TOML; otherwise JSON, perhaps with comments. */
  readonly isToml?: true;
  /** Where the entry is in the file. */
  readonly keys: readonly string[];
  /** Where else in the user's file the host keeps an entry for the project; `ipc install` makes none there. */
  keysOfProject?(folders: ConfigFolders): readonly string[];
  entry(server: Server): object;
  /** Where the host lists its plugins. */
  readonly plugin?: {
    file(folders: ConfigFolders): MaybePath;
    readonly keys: readonly string[];
    isOn(value: unknown): boolean;
  };
  /** Advice that is shown after the installation. */
  readonly also?: string;
}

/** The name of the server in every host. */
export const serverName = 'ipc';
/** A host lists it as `agent-ipc@MARKETPLACE`. */
export const pluginName = 'agent-ipc';

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
      scope === 'user' ? within(claude, '.claude.json') : within(project, '.mcp.json'),
    keys: ['mcpServers', serverName],
    keysOfProject: ({ project }) => ['projects', project ?? '', 'mcpServers', serverName],
    entry: plainEntry,
    plugin: {
      file: claudeSettings,
      keys: ['enabledPlugins'],
      isOn: (value) => value === true,
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
    file: (_, { codex }) => within(codex, 'config.toml'),
    isToml: true,
    keys: ['mcp_servers', serverName],
    entry: plainEntry,
    plugin: {
      file: ({ codex }) => within(codex, 'config.toml'),
      keys: ['plugins'],
      isOn: (value) => (value as { enabled?: unknown } | null)?.enabled === true,
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
    file: (scope, folders) =>
      within(scope === 'user' ? folders.home : folders.project, '.gemini', 'settings.json'),
    keys: ['mcpServers', serverName],
    entry: plainEntry,
  },
  {
    name: 'cursor',
    title: 'Cursor',
    programs: ['cursor'],
    isDesktop: true,
    scopes: ['user', 'project'],
    file: (scope, folders) =>
      within(scope === 'user' ? folders.home : folders.project, '.cursor', 'mcp.json'),
    into: '~/.cursor/mcp.json',
    keys: ['mcpServers', serverName],
    entry: plainEntry,
  },
  {
    // `code --add-mcp` can add an entry, but no command removes one; so the file is edited.
    name: 'vscode',
    title: 'VS Code',
    programs: ['code'],
    isDesktop: true,
    scopes: ['user', 'project'],
    file: (scope, folders) =>
      scope === 'user'
        ? within(codeFolder(folders), 'mcp.json')
        : within(folders.project, '.vscode', 'mcp.json'),
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
      const folder = scope === 'user' ? within(config, 'opencode') : project;
      const withComments = within(folder, 'opencode.jsonc');
      const isThere = withComments !== undefined && existsSync(withComments);
      return isThere ? withComments : within(folder, 'opencode.json');
    },
    into: '~/.config/opencode/opencode.json',
    keys: ['mcp', serverName],
    entry: (server) => ({ type: 'local', command: wordsOf(server), enabled: true }),
  },
  {
    name: 'zed',
    title: 'Zed',
    programs: ['zed', 'zeditor'],
    isDesktop: true,
    scopes: ['user', 'project'],
    file: (scope, { config, project }) =>
      scope === 'user'
        ? within(config, 'zed', 'settings.json')
        : within(project, '.zed', 'settings.json'),
    into: '~/.config/zed/settings.json',
    keys: ['context_servers', serverName],
    entry: (server) => ({ ...plainEntry(server), env: {} }),
  },
];

export function configFolders(env: Readonly<Record<string, string | undefined>>): ConfigFolders {
  const home = userHome();
  const config = env.XDG_CONFIG_HOME || within(home, '.config');
  return {
    home,
    project: workingFolder(),
    claude: env.CLAUDE_CONFIG_DIR || home,
    codex: env.CODEX_HOME || within(home, '.codex'),
    config,
    platform: process.platform,
  };
}

export function within(folder: MaybePath, ...names: readonly string[]): MaybePath {
  return folder === undefined ? undefined : join(folder, ...names);
}

export function claudeSettings({ home, claude }: ConfigFolders): MaybePath {
  return within(claude === home ? within(home, '.claude') : claude, 'settings.json');
}

function wordsOf({ command, args }: Server): readonly string[] {
  return [command, ...args];
}

function plainEntry({ command, args }: Server): Server {
  return { command, args };
}

/** The folder of VS Code's default profile. */
function codeFolder({ home, config, platform }: ConfigFolders): MaybePath {
  if (platform === 'darwin') return within(home, 'Library', 'Application Support', 'Code', 'User');
  if (platform === 'win32') return within(home, 'AppData', 'Roaming', 'Code', 'User');
  return within(config, 'Code', 'User');
}
