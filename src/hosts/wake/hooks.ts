// What `ipc install --wake` adds to a host whose agents cannot be woken from outside: a hook, which the host starts at
// the end of each turn and which runs `ipc wake`; for OpenCode a plugin. Both are items of lists in the host's files;
// everything else in these stays as it is. Forms read at code.claude.com/docs/en/hooks, geminicli.com/docs/hooks/reference,
// cursor.com/docs/agent/hooks and opencode.ai/docs/plugins, in November 2026.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Environment } from '../../app/environment.ts';
import { IpcError } from '../../base/errors.ts';
import { hookHeldMsMax, watchMsMax } from '../../base/limits.ts';
import { shellWord } from '../../base/shell.ts';
import { type EntryPath, emptyFile, valueIn, withEntry, withoutEntry } from '../config-edit.ts';
import { readText, realpathOf } from '../config-file.ts';
import { type Direction, findTarget, hasPlugin, noFolder, type Step } from '../installer.ts';
import {
  type ConfigFolders,
  claudeSettings,
  configFolders,
  type HostTarget,
  type MaybePath,
  type Server,
  within,
} from '../targets.ts';
import type { WakePath } from './wake-path.ts';

/** The hosts that have a hook. */
export type HookName = 'claude' | 'gemini' | 'cursor';

/** An item of a list in the file. */
interface Item {
  /** Where the list is. */
  readonly keys: EntryPath;
  readonly value: unknown;
}

interface WakeAddition {
  file(folders: ConfigFolders): MaybePath;
  items(server: Server): readonly Item[];
  /** The item is ours, from any version and any folder. `text`: the item in JSON. */
  isOurs(text: string): boolean;
  /** What a file has that had nothing before, without the items. */
  readonly blank: string;
  /** What it costs, for people. */
  readonly cost: string;
}

interface Hook extends WakeAddition {
  /** The beginning of the name that the host reports. */
  readonly client: string;
  /** A setting that switches all hooks off, and its value then. */
  readonly off?: readonly [keys: EntryPath, value: boolean];
}

/** The host would end it later than it ends itself. */
const heldSecondsOfHost = hookHeldMsMax / 1_000 + 60;
/** As long as a Claude Code that nobody restarts. */
const claudeSeconds = watchMsMax / 1_000;

const costOfHeld = `its turn stays open while it waits for mail, ${hookHeldMsMax / 60_000} minutes at most: what you type is taken only after Esc`;

const hooks: Readonly<Record<HookName, Hook>> = {
  claude: {
    client: 'claude-code',
    file: claudeSettings,
    items: (server) =>
      Object.entries(claudeHooks(server)).flatMap(([event, items]) =>
        items.map((value) => ({ keys: ['hooks', event], value })),
      ),
    isOurs: (text) => isHookOf('claude', text),
    off: [['disableAllHooks'], true],
    blank: emptyFile,
    cost: 'each end of a turn starts a process; if the session is to be woken and has no better way, it stays, with 50 MB of memory',
  },
  gemini: {
    client: 'gemini-cli',
    file: ({ home }) => within(home, '.gemini', 'settings.json'),
    items: (server) => {
      const command = hookLine(server, 'gemini');
      const hook = { name: 'ipc', type: 'command', command, timeout: heldSecondsOfHost * 1_000 };
      return [{ keys: ['hooks', 'AfterAgent'], value: { hooks: [hook] } }];
    },
    isOurs: (text) => isHookOf('gemini', text),
    off: [['hooksConfig', 'enabled'], false],
    blank: emptyFile,
    cost: costOfHeld,
  },
  cursor: {
    client: 'cursor',
    file: ({ home }) => within(home, '.cursor', 'hooks.json'),
    // A notice is no loop: `ipc wake` has a limit of its own.
    items: (server) => {
      const command = hookLine(server, 'cursor');
      return [
        {
          keys: ['hooks', 'stop'],
          value: { command, timeout: heldSecondsOfHost, loop_limit: null },
        },
      ];
    },
    isOurs: (text) => isHookOf('cursor', text),
    blank: '{\n  "version": 1\n}\n',
    cost: costOfHeld,
  },
};

const openCodePluginFile = join('opencode', 'agent-ipc.js');

const additions: Readonly<Record<string, WakeAddition>> = {
  ...hooks,
  opencode: {
    file: (folders) => findTarget('opencode').file('user', folders),
    items: ({ args: [program = ''] }) => {
      const file = join(dirname(program), openCodePluginFile);
      if (existsSync(file)) return [{ keys: ['plugin'], value: pathToFileURL(file).href }];
      throw new IpcError('host_unusable', `${file} is not there`, {
        hint: 'install agent-ipc again',
      });
    },
    isOurs: (text) => text.endsWith(`/${openCodePluginFile}"`),
    blank: emptyFile,
    cost: 'a plugin runs in its process, and listens on a socket in the state folder',
  },
};

/** For the events at which a session may come to rest. A resumed one rests before its first turn. */
export function claudeHooks(server: Server): Readonly<Record<string, readonly object[]>> {
  const { command, args } = hookServer(server, 'claude');
  const hook = { type: 'command', command, args, asyncRewake: true, timeout: claudeSeconds };
  const hooks = [hook];
  return {
    Stop: [{ hooks }],
    StopFailure: [{ hooks }],
    SessionStart: [{ matcher: 'startup|resume', hooks }],
  };
}

/** Of a host that has a hook of ours. */
export const hookPath: WakePath = {
  name: 'hook',
  async find({ host, env }) {
    const name = host === undefined ? undefined : await installedHook(host, env);
    return name && { kind: 'hook' };
  },
};

/** The hook of a host that reports this name, if it is installed and switched on; none in a file that cannot be read. */
export async function installedHook(host: string, env: Environment): Promise<HookName | undefined> {
  try {
    return await findHook(host, env);
  } catch (error) {
    if (error instanceof IpcError) return undefined;
    throw error;
  }
}

async function findHook(host: string, env: Environment): Promise<HookName | undefined> {
  const found = Object.entries(hooks).find(([, { client }]) => host.startsWith(client));
  if (!found) return undefined;
  const [name, { off, file: fileIn }] = found as [HookName, Hook];
  const folders = configFolders(env);
  const file = fileIn(folders);
  if (file === undefined) return undefined;
  const text = (await readText(file)) ?? '';
  if (off && valueIn(file, text, off[0]) === off[1]) return undefined;
  const isThere = ownPlaces(name, file, text).length > 0;
  return isThere || (await hasPlugin(findTarget(name), folders)) ? name : undefined;
}

export interface Addition {
  /** The file that has it. */
  readonly path: string;
  /** The program or plugin that it starts; undefined if that cannot be read from it. */
  readonly program: string | undefined;
}

/** What `ipc install --wake` has added to the host; undefined if that is nothing. */
export async function findAddition(
  { name }: HostTarget,
  folders: ConfigFolders,
): Promise<Addition | undefined> {
  const path = additionOf(name)?.file(folders);
  const text = path && (await readText(path));
  const [place] = path && text ? ownPlaces(name, path, text) : [];
  if (!path || !text || !place) return undefined;
  return { path, program: programIn(JSON.stringify(valueIn(path, text, place))) };
}

/** A path that was quoted for a shell is not read. */
function programIn(text: string): string | undefined {
  const url = /^"(file:.*)"$/.exec(text)?.[1];
  if (url !== undefined) return pathOf(url);
  return /"(\/[^"]+)","wake"|[ "](\/[^" ]+) wake /
    .exec(text)
    ?.slice(1)
    .find((each) => each !== undefined);
}

/** The URL itself where it names no file of this machine: no program is there either. */
function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}

/** What the addition costs; undefined if the host has none. */
export function costOfWaking({ name }: HostTarget): string | undefined {
  return additionOf(name)?.cost;
}

/** `server`: the command that starts `ipc mcp`. undefined when there is nothing to do. */
export async function planWake(
  direction: Direction,
  target: HostTarget,
  server: Server,
  folders: ConfigFolders,
): Promise<Step | undefined> {
  const { name } = target;
  const addition = additionOf(name);
  if (!addition) return undefined;
  const file = addition.file(folders);
  if (file === undefined) throw noFolder(target, 'user');
  const path = await realpathOf(file);
  const before = await readText(path);
  const text = before ?? '';
  if (direction === 'uninstall') {
    const after = ownPlaces(name, path, text).reduceRight(
      (rest, keys) => withoutEntry(path, rest, keys),
      text,
    );
    if (after === text) return undefined;
    return { kind: 'write', path, before, after: after === addition.blank ? emptyFile : after };
  }
  // Its plugin has the hook.
  if (await hasPlugin(target, folders)) return undefined;
  const start = text.trim() === '' ? addition.blank : text;
  const after = addition
    .items(server)
    .reduce((rest, item) => withItem(name, path, rest, item), start);
  return after === text ? undefined : { kind: 'write', path, before, after };
}

/** In the place of an item of ours, or at the end of the list. */
function withItem(name: string, path: string, text: string, { keys, value }: Item): string {
  const list = valueIn(path, text, keys) ?? [];
  const own = ownPlaces(name, path, text).find(
    (each) => `${each.slice(0, keys.length)}` === `${keys}`,
  );
  const end = Array.isArray(list) ? list.length : 0;
  const isInGroup = own !== undefined && own.length > keys.length + 1;
  return withEntry(path, text, own ?? [...keys, end], isInGroup ? hooksIn(value)[0] : value);
}

/**
 * Where the items of ours are, in the order in which they stand in each list. In a group that has hooks of others, too,
 * only the hook is ours.
 */
function ownPlaces(name: string, path: string, text: string): readonly EntryPath[] {
  const addition = additionOf(name);
  const lists = name === 'opencode' ? [['plugin']] : listsIn(valueIn(path, text, ['hooks']));
  return lists.flatMap((keys) => {
    const list = valueIn(path, text, keys);
    const isOurs = (value: unknown) => addition?.isOurs(JSON.stringify(value)) === true;
    return (Array.isArray(list) ? list : []).flatMap((item: unknown, index) => {
      const place = [...keys, index];
      if (!isOurs(item)) return [];
      const group = hooksIn(item);
      if (group.every(isOurs)) return [place];
      return group.flatMap((hook, at) => (isOurs(hook) ? [[...place, 'hooks', at]] : []));
    });
  });
}

/** The hooks of a group; none in an item that is no group. */
function hooksIn(item: unknown): readonly unknown[] {
  const { hooks: group } = item as { readonly hooks?: unknown };
  return Array.isArray(group) ? group : [];
}

/** The list of each event. */
function listsIn(value: unknown): readonly EntryPath[] {
  return typeof value === 'object' ? Object.keys(value ?? {}).map((event) => ['hooks', event]) : [];
}

function additionOf(name: string): WakeAddition | undefined {
  return Object.hasOwn(additions, name) ? additions[name] : undefined;
}

function isHookOf(name: HookName, text: string): boolean {
  return new RegExp(`\\bwake(?: |",")--for(?: |",")${name}\\b`).test(text);
}

function hookServer({ command, args: [program = ''] }: Server, name: HookName): Server {
  return { command, args: [program, 'wake', '--for', name] };
}

function hookLine(server: Server, name: HookName): string {
  const { command, args } = hookServer(server, name);
  return [command, ...args].map(shellWord).join(' ');
}
