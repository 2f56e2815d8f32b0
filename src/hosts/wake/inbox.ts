// The inbox of a session of Claude Code or Qwen Code: a Unix socket that the host names to its own child processes.
// Claude Code prints its two lines in its debug log; Qwen Code documents its own in cross-session-protocol.md.
// Both accept a line and then decide: a user who has set `crossSessionInbound` to hold or refuse, a rate limit and,
// at Claude Code, the same text within 30 s end a notice without an answer. So the settings are read first.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Environment } from '../../app/environment.ts';
import { IpcError } from '../../base/errors.ts';
import { type EntryPath, valueIn } from '../config-edit.ts';
import { readText } from '../config-file.ts';
import {
  type ConfigFolders,
  claudeSettings,
  configFolders,
  type MaybePath,
  within,
} from '../targets.ts';
import { deliver, isOwnSocket } from './host-socket.ts';
import type { WakePath } from './wake-path.ts';

interface Dialect {
  /** The beginning of the name that the host reports. */
  readonly host: string;
  /** The beginning of its variables. A host inside another one inherits those of the outer one, too. */
  readonly variables: string;
  /** The settings of the user, and the folder of those of a project, which may only be stricter. */
  userSettings(folders: ConfigFolders): MaybePath;
  readonly projectFolder: string;
  /** The setting that says what becomes of a message from outside. */
  readonly inbound: EntryPath;
  lines(text: string, token: string): readonly object[];
}

const claudeCode: Dialect = {
  host: 'claude-code',
  variables: 'CLAUDE_CODE_MESSAGING',
  userSettings: claudeSettings,
  projectFolder: '.claude',
  inbound: ['crossSessionInbound'],
  lines: (content, token) => [
    { type: 'auth', token },
    { type: 'user', message: { role: 'user', content } },
  ],
};

const dialects: readonly Dialect[] = [
  claudeCode,
  {
    host: 'qwen-',
    variables: 'QWEN_CODE_MESSAGING',
    userSettings: ({ home }) => within(home, '.qwen', 'settings.json'),
    projectFolder: '.qwen',
    inbound: ['agents', 'crossSessionInbound'],
    lines: (content, token) => [
      { msgV: 1, type: 'auth', token },
      {
        msgV: 1,
        msgId: randomUUID(),
        type: 'user',
        priority: 'next',
        message: { role: 'user', content },
      },
    ],
  },
];

export const inbox: WakePath = {
  name: 'inbox',
  async find({ host = '', env }) {
    const dialect = dialects.find((each) => host.startsWith(each.host));
    const path = dialect && env[`${dialect.variables}_SOCKET`];
    if (!path || !isOwnSocket(path) || (await isClosed(dialect, env))) return undefined;
    const token = env[`${dialect.variables}_TOKEN`] ?? '';
    return {
      kind: 'rings',
      async ring(text) {
        await deliver(path, dialect.lines(text, token));
      },
    };
  },
};

/** The user has all messages from outside held back or refused. */
async function isClosed(dialect: Dialect, env: Environment): Promise<boolean> {
  const folders = configFolders(env);
  const inProject = (name: string) => within(folders.project, join(dialect.projectFolder, name));
  const files = [
    dialect.userSettings(folders),
    inProject('settings.json'),
    inProject('settings.local.json'),
  ];
  for (const file of files) {
    if (await closingIn(file, dialect).catch(unreadable)) return true;
  }
  return false;
}

/** `hold` or `refuse`, if the settings of the user say so for Claude Code. */
export function closingOfClaude(folders: ConfigFolders): Promise<string | undefined> {
  return closingIn(claudeSettings(folders), claudeCode);
}

/** The value in the file with which the inbox is closed; undefined if it is open. */
async function closingIn(file: MaybePath, { inbound }: Dialect): Promise<string | undefined> {
  const text = file === undefined ? undefined : await readText(file);
  const value = file && text ? valueIn(file, text, inbound) : undefined;
  return value === 'hold' || value === 'refuse' ? value : undefined;
}

/** The host reports it to its user. */
function unreadable(error: unknown): undefined {
  if (!(error instanceof IpcError)) throw error;
}
