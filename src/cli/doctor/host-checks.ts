// The hosts on this machine: whether each has ipc, once, and whether what it will start is there.
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, isAbsolute, resolve } from 'node:path';
import { sanitizeLine } from '../../app/sanitize.ts';
import { shellWord } from '../../base/shell.ts';
import { isInside } from '../../hosts/config-file.ts';
import { findEntries, type HostEntry } from '../../hosts/entries.ts';
import {
  findHosts,
  hasPlugin,
  hasProgram,
  parseScope,
  plan,
  traceOf,
} from '../../hosts/installer.ts';
import { findProgram, isNodeEnough, nodeMin, nodeVersion } from '../../hosts/programs.ts';
import { configFolders, type HostTarget, serverName } from '../../hosts/targets.ts';
import { bad, type Finding, faulty, finding, fine, type Result } from './finding.ts';
import { type HostPlace, wakeResult } from './wake-checks.ts';

/** The environment variables that say which broker a session uses, and with which key. */
const variablesOfPlace = [
  ...['IPC_HOME', 'IPC_PORT', 'IPC_BROKER', 'IPC_KEY', 'IPC_KEY_FILE'],
  ...['IPC_NATS_CREDS', 'IPC_NATS_CA'],
];

export async function hostFindings(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  try {
    const folders = configFolders(env);
    const path = env.PATH ?? '';
    const hosts = await findHosts(folders, path);
    return (await Promise.all(hosts.map((target) => ofHost({ target, folders, path })))).flat();
  } catch (error) {
    return [faulty('hosts', error)];
  }
}

async function ofHost(place: HostPlace): Promise<Finding[]> {
  const { target, folders, path } = place;
  const { title } = target;
  try {
    const entries = await findEntries(target, folders);
    const plugin = await hasPlugin(target, folders);
    const checks = entries.map((entry) => finding(title, () => checkEntry(place, entry)));
    if (plugin) checks.push(finding(title, () => checkPlugin(path)));
    const [entry] = entries;
    const twice = plugin && entry ? [{ about: title, ...both(target, entry) }] : [];
    const none = checks.length === 0 ? [{ about: title, ...(await without(place)) }] : [];
    const woken = checks.length === 0 ? undefined : await wakeResult(place);
    const waking = woken ? [{ about: 'waking', ...woken, what: `${title}: ${woken.what}` }] : [];
    return [...(await Promise.all(checks)), ...twice, ...waking, ...none];
  } catch (error) {
    return [faulty(title, error)];
  }
}

function both(target: HostTarget, { path, scope }: HostEntry): Result {
  const what = `has ipc twice, by its plugin and in ${path}: an agent sees the tool twice`;
  return bad(what, uninstall(target, scope));
}

/** A host with `words` is set up by its own program; the others are set up in their files. */
async function without({ target, folders, path }: HostPlace): Promise<Result> {
  const { name, programs, words } = target;
  const install = `ipc install ${name}`;
  // Throws where `ipc install` would fail.
  const server = { command: process.execPath, args: [ownProgram() ?? '', 'mcp'] };
  await plan('install', target, parseScope(undefined, target), server, folders);
  if (!words || (await hasProgram(target, path))) return fine('does not have ipc yet', install);
  const what = `only ${traceOf(target, folders)} is here, and no program "${programs[0]}" on this PATH`;
  return fine(what, `if it is installed, put it on the PATH, then ${install}`);
}

async function checkPlugin(path: string): Promise<Result> {
  const { ok, what, hint } = await checkCommand('node', path, 'the PATH');
  return ok
    ? fine(`has ipc, by its plugin; ${what}`)
    : bad(`has ipc, by its plugin, but ${what}`, hint);
}

async function checkEntry(place: HostPlace, entry: HostEntry): Promise<Result> {
  const { target, folders, path } = place;
  const { scope, words, isOff } = entry;
  const file = entry.path;
  const [command, ...args] = words;
  const again = reinstall(target, scope);
  if (command === undefined) return bad(`its entry "ipc" in ${file} starts no program`, again);
  if (isOff) return fine(`has ipc, but it is switched off in ${file}`);
  const isNode = /^node/i.test(basename(command));
  const script = isNode ? scriptIn(args) : undefined;
  if (isNode && script === undefined) {
    return bad(`its entry in ${file} starts node without a program`, again);
  }
  if ([command, script].some((word) => word?.includes('$'))) {
    return fine(`has ipc; its entry in ${file} has variables, so what it starts was not checked`);
  }
  if (scope !== 'project' && script !== undefined && !isAbsolute(script)) {
    const what = `its entry in ${file} starts ${shown(script)}, a relative path`;
    return bad(`${what}: where that leads depends on the folder of the host`, again);
  }
  const own = ownProgram();
  const started = realpathIn(
    folders.project ?? '/',
    script ?? (await findProgram(command, path)) ?? command,
  );
  if (script !== undefined && started === undefined) {
    return bad(`its entry in ${file} starts ${shown(script)}, which is not there`, again);
  }
  if (started !== undefined && started === own && args.at(-1) !== 'mcp') {
    return bad(`its entry in ${file} does not end in "mcp", so it starts no server`, again);
  }
  const starter = await checkStarter(place, entry, command);
  if (!starter.ok) return bad(`its entry in ${file} cannot start: ${starter.what}`, starter.hint);
  const what = starter.what + ownVariables(entry);
  if (started === own) return fine(`has ipc; ${what}`);
  const other = `has ipc, but not this one: ${file} starts ${shown(started ?? command)}; ${what}`;
  return fine(other, `if this one is meant: ${again}`);
}

/** Names these variables, since an entry that sets them may use another folder, key or broker than was checked. */
function ownVariables({ variables }: HostEntry): string {
  const own = variables.filter((name) => variablesOfPlace.includes(name));
  return own.length === 0
    ? ''
    : `; it sets ${own.join(', ')}, so it may use another broker than the one here`;
}

/** The first word that is not an option. */
function scriptIn(args: readonly string[]): string | undefined {
  return args.find((word) => /\.[cm]?js$/.test(word)) ?? args.find((word) => !word.startsWith('-'));
}

/** The command that a host's entry names. One in a project is not run: a clone must not start programs. */
async function checkStarter(
  { folders, path }: HostPlace,
  { scope, path: file }: HostEntry,
  command: string,
): Promise<Result> {
  const isPath = command.includes('/');
  if (isPath && !isAbsolute(command)) {
    return bad(
      `"${shown(command)}" is a relative path`,
      `give "command" in ${file} an absolute path`,
    );
  }
  const found = await findProgram(command, path);
  if (found && scope === 'project' && isInside(folders.project ?? '/', realpathSync(found))) {
    return fine(`${shown(found)} is in the project, and was not run`);
  }
  return checkCommand(command, path, file);
}

async function checkCommand(command: string, path: string, file: string): Promise<Result> {
  const isPlain = !isAbsolute(command);
  const remedy = `install Node ${nodeMin} or newer, or give its absolute path as "command" in ${file}`;
  const found = await findProgram(command, path);
  if (!found) {
    const what = isPlain
      ? `no program "${shown(command)}" is on this PATH`
      : `${shown(command)} is not there`;
    return bad(what, remedy);
  }
  const about = (version: string) =>
    isPlain ? onPath(command, found, version) : `${found}${version}`;
  if (!/^node/i.test(basename(command))) return fine(about(''));
  const version = await nodeVersion(found);
  if (version === undefined) return bad(`${found} --version prints no version of Node`, remedy);
  return isNodeEnough(version) ? fine(about(` (${version})`)) : bad(about(` (${version})`), remedy);
}

function onPath(command: string, found: string, version: string): string {
  const here = `\`${shown(command)}\` is ${found}${version} on this PATH`;
  return `${here}; a host that the desktop starts may have another`;
}

function reinstall(target: HostTarget, scope: HostEntry['scope']): string {
  const install = `ipc install ${target.name}${scope === 'local' ? '' : ` --scope ${scope}`}`;
  // The host's own program does not replace an entry.
  return target.words ? `${uninstall(target, scope)}, then ${install}` : install;
}

function uninstall({ name, programs }: HostTarget, scope: HostEntry['scope']): string {
  if (scope === 'local') return `${programs[0]} mcp remove ${serverName} -s local`;
  return `ipc uninstall ${name} --scope ${scope}`;
}

function ownProgram(): string | undefined {
  return process.argv[1] === undefined ? undefined : realpathSync(process.argv[1]);
}

/** undefined if no such file is there. */
function realpathIn(folder: string, path: string): string | undefined {
  const file = resolve(folder, path);
  return existsSync(file) && statSync(file).isFile() ? realpathSync(file) : undefined;
}

/** A word of a file, for a terminal. */
function shown(word: string): string {
  const text = sanitizeLine(word);
  return /\s/.test(text) ? shellWord(text) : text;
}
