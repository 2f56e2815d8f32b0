// `ipc install` and `ipc uninstall`: add `ipc mcp` to a host, or remove it. A step is planned and described
// first, and performed only then.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { workingFolder } from '../app/process-facts.ts';
import { sanitizeLine } from '../app/sanitize.ts';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { shellWord } from '../base/shell.ts';
import { sanitize } from '../base/visible-text.ts';
import { emptyFile, nested, valueIn, withEntry, withoutEntry } from './config-edit.ts';
import {
  checkInProject,
  readText,
  realpathOf,
  removeFile,
  replaceText,
  unusable,
} from './config-file.ts';
import { findProgram } from './programs.ts';
import {
  type ConfigFolders,
  type HostTarget,
  hostTargets,
  pluginName,
  type Scope,
  type Server,
} from './targets.ts';

export type Direction = 'install' | 'uninstall';

/** Either the host's own program is run, or its file is replaced. */
export type Step =
  | { readonly kind: 'run'; readonly words: readonly string[] }
  | {
      readonly kind: 'write';
      readonly path: string;
      /** undefined when there is no such file yet. */
      readonly before: string | undefined;
      readonly after: string;
    };

export function findTarget(name: string): HostTarget {
  const target = hostTargets.find((each) => each.name === name);
  if (target) return target;
  const names = hostTargets.map((each) => each.name).join(', ');
  throw new IpcError('bad_parameter', `host is "${name}"; it must be one of ${names}`);
}

export function parseScope(text: string | undefined, { title, scopes }: HostTarget): Scope {
  const scope = text === undefined ? scopes[0] : scopes.find((each) => each === text);
  if (scope) return scope;
  const what = `scope is "${text}"; for ${title} it must be ${scopes.join(' or ')}`;
  throw new IpcError('bad_parameter', what);
}

/** The hosts on this machine, found by their program or by the folder of the user's file. */
export async function findHosts(folders: ConfigFolders, path: string): Promise<HostTarget[]> {
  const found = await Promise.all(hostTargets.map((target) => isHere(target, folders, path)));
  return hostTargets.filter((_, index) => found[index]);
}

/** The host has our plugin, and it is switched on. */
export async function hasPlugin(
  { plugin, isToml }: HostTarget,
  folders: ConfigFolders,
): Promise<boolean> {
  if (!plugin) return false;
  const path = plugin.file(folders);
  if (path === undefined) return false;
  const plugins = valueIn(path, (await readText(path)) ?? '', plugin.keys, isToml);
  return Object.entries(plugins ?? {}).some(
    ([name, value]) => name.startsWith(`${pluginName}@`) && plugin.isOn(value),
  );
}

/** undefined when there is nothing to do. */
export async function plan(
  direction: Direction,
  target: HostTarget,
  scope: Scope,
  server: Server,
  folders: ConfigFolders,
): Promise<Step | undefined> {
  const isInstall = direction === 'install';
  const file = target.file(scope, folders);
  if (file === undefined) throw noFolder(target, scope);
  const path = await realpathOf(file);
  if (scope === 'project') await checkInProject(file, path, folders.project ?? '/');
  if (!target.words) return planEdit(isInstall, target, server, path);
  const entry = await readEntry(path, target);
  if (isInstall && entry !== undefined) checkOurs(entry, target, scope, server);
  if (isInstall === (entry !== undefined)) return undefined;
  const words = isInstall ? target.words.add(server, scope) : target.words.remove(scope);
  return { kind: 'run', words: [target.programs[0] ?? target.name, ...words] };
}

export function noFolder({ title }: HostTarget, scope: Scope): IpcError {
  if (scope === 'project') {
    const what = `${title}: the current folder was removed, so it has no project`;
    return new IpcError('host_unusable', what, { hint: 'change to the folder of the project' });
  }
  const what = `${title} keeps its settings in the home folder, and this user has none`;
  return new IpcError('host_unusable', what, { hint: 'set HOME' });
}

/** An error says what to edit by hand instead. */
async function planEdit(
  isInstall: boolean,
  target: HostTarget,
  server: Server,
  path: string,
): Promise<Step | undefined> {
  const { keys } = target;
  const entry = target.entry(server);
  try {
    const before = await readText(path);
    const text = before ?? '';
    const after = isInstall ? withEntry(path, text, keys, entry) : withoutEntry(path, text, keys);
    return after === text ? undefined : { kind: 'write', path, before, after };
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    const wanted = JSON.stringify(nested(keys, entry));
    const hand = isInstall ? `add by hand: ${wanted}` : `remove ${keys.join('.')} by hand`;
    throw new IpcError(error.code, error.message, { cause: error, hint: `fix it, or ${hand}` });
  }
}

/** The step in words, a line each; of a file only the lines that change. */
export function describe(step: Step): string[] {
  if (step.kind === 'run') return [`run: ${step.words.map(shellWord).join(' ')}`];
  const { before, after } = step;
  const path = sanitizeLine(step.path);
  if (after === emptyFile) return [`remove ${path}, which has nothing else in it`];
  const head = before === undefined ? 'make' : 'change';
  const changed = changedLines(before ?? '', after);
  return [`${head} ${path}:`, ...changed.map((line) => sanitize(line).text)];
}

export async function perform(step: Step): Promise<void> {
  if (step.kind === 'run') return runHost(step.words);
  const { path, before, after } = step;
  if ((await readText(path)) !== before) {
    throw new IpcError('host_unusable', `${path} changed meanwhile, and was not touched`, {
      hint: 'try again',
    });
  }
  if (after === emptyFile) return removeFile(path);
  await replaceText(path, after);
}

/** A program of the host is on the PATH. */
export async function hasProgram({ programs }: HostTarget, path: string): Promise<boolean> {
  const found = await Promise.all(programs.map((name) => findProgram(name, path)));
  return found.some((each) => each !== undefined);
}

async function isHere(target: HostTarget, folders: ConfigFolders, path: string): Promise<boolean> {
  if (await hasProgram(target, path)) return true;
  const trace = traceOf(target, folders);
  return trace !== undefined && existsSync(trace);
}

/** What a host leaves behind in the home folder: its own folder there, or its file. */
export function traceOf(target: HostTarget, folders: ConfigFolders): string | undefined {
  const file = target.file('user', folders);
  if (file === undefined) return undefined;
  const folder = dirname(file);
  return folder === folders.home ? file : folder;
}

/** undefined if the file, or the entry in it, is not there. */
export async function readEntry(path: string, { keys, isToml }: HostTarget): Promise<unknown> {
  return valueIn(path, (await readText(path)) ?? '', keys, isToml);
}

/** The host's own command would not replace an entry that starts another program. */
function checkOurs(
  entry: unknown,
  { name, title }: HostTarget,
  scope: Scope,
  { args }: Server,
): void {
  // TOML has integers that JSON.stringify refuses.
  const text = JSON.stringify(entry, (_, part) => (typeof part === 'bigint' ? `${part}` : part));
  if (text.includes(JSON.stringify(args[0]))) return;
  throw new IpcError('host_unusable', `${title} has ipc from another folder`, {
    hint: `\`ipc uninstall ${name} --scope ${scope}\`, then install again`,
  });
}

function changedLines(before: string, after: string): string[] {
  const [old, fresh] = [before.split(/\r?\n/), after.split(/\r?\n/)];
  let head = 0;
  while (head < old.length && old[head] === fresh[head]) head++;
  let tail = 0;
  while (
    tail < Math.min(old.length, fresh.length) - head &&
    old.at(-1 - tail) === fresh.at(-1 - tail)
  ) {
    tail++;
  }
  const removed = old.slice(head, old.length - tail).map((line) => `- ${line}`);
  const added = fresh.slice(head, fresh.length - tail).map((line) => `+ ${line}`);
  return [...removed, ...added];
}

function runHost([command = '', ...args]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // A host that is started in a removed folder may end for that reason alone.
    const child = spawn(command, args, { stdio: ['ignore', 2, 2], cwd: workingFolder() ?? '/' });
    child.once('error', (error) => reject(notRun(command, error)));
    child.once('exit', (code, signal) => {
      if (code === 0) return resolve();
      const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
      reject(new IpcError('host_unusable', `${command} ${how}`));
    });
  });
}

function notRun(command: string, error: unknown): IpcError {
  if (systemErrorCode(error) !== 'ENOENT') return unusable(command, error);
  return new IpcError('host_unusable', `there is no program "${command}" on the PATH`, {
    cause: error,
    hint: 'install it, or see `--print` for the command',
  });
}
