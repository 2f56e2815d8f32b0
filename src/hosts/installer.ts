// `ipc install` and `ipc uninstall`: tell a host of `ipc mcp`, or take that back. What will be done is
// shown first; what else stands in a host's file stays as it is, its comments too.
import { spawn } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import {
  applyEdits,
  findNodeAtLocation,
  type Node,
  type ParseError,
  parse,
  parseTree,
} from 'jsonc-parser';
import { IpcError } from '../base/errors.ts';
import { shellWord } from '../base/shell.ts';
import {
  type ConfigFolders,
  type HostTarget,
  hostTargets,
  type Scope,
  type Server,
} from './targets.ts';

/** Keeps a byte order mark. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export type Direction = 'install' | 'uninstall';

/** One thing that will be done. */
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

/** The hosts that are on this machine, by their program or by the folder of their user's file. */
export async function findHosts(places: ConfigFolders, path: string): Promise<HostTarget[]> {
  const found = await Promise.all(hostTargets.map((target) => isHere(target, places, path)));
  return hostTargets.filter((_, index) => found[index]);
}

/** The host has an entry of our name. */
export async function isInstalled(target: HostTarget, places: ConfigFolders): Promise<boolean> {
  for (const scope of target.scopes) {
    const text = await readText(target.file(scope, places));
    if (text !== undefined && hasEntry(text, target)) return true;
  }
  return false;
}

/** The host has it another way. */
export async function hasPlugin({ plugin }: HostTarget, places: ConfigFolders): Promise<boolean> {
  if (!plugin) return false;
  const text = await readText(plugin.file(places));
  return text !== undefined && plugin.mark.test(text);
}

/** undefined when nothing is to be done. */
export async function plan(
  direction: Direction,
  target: HostTarget,
  scope: Scope,
  server: Server,
  places: ConfigFolders,
): Promise<Step | undefined> {
  const isInstall = direction === 'install';
  const path = await realpathOf(target.file(scope, places));
  if (!target.words) return planEdit(isInstall, target, server, path);
  const text = await readText(path);
  const has = text !== undefined && hasEntry(text, target);
  if (isInstall && has) checkOurs(text, target, scope, server);
  if (isInstall === has) return undefined;
  const words = isInstall ? target.words.add(server, scope) : target.words.remove(scope);
  return { kind: 'run', words: [target.programs[0] ?? target.name, ...words] };
}

/** What cannot be changed here is told with what is wanted there. */
async function planEdit(
  isInstall: boolean,
  target: HostTarget,
  server: Server,
  path: string,
): Promise<Step | undefined> {
  const entry = target.entry(server);
  try {
    const before = await readText(path);
    const [mark, text] = divided(before ?? '');
    const isBlank = text.trim() === '';
    if (!isInstall && isBlank) return undefined;
    const after = isInstall
      ? withEntry(path, isBlank ? '{}\n' : text, target, entry)
      : withoutEntry(path, text, target);
    return after === text ? undefined : { kind: 'write', path, before, after: mark + after };
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    const wanted = JSON.stringify(nested(target.keys, entry));
    const hand = isInstall
      ? `put in by hand: ${wanted}`
      : `take ${target.keys.join('.')} out by hand`;
    const hint = `mend it, or ${hand}`;
    throw new IpcError(error.code, error.message, { cause: error, hint });
  }
}

/** In words, a line each; of a file only the lines that come and go. */
export function describe(step: Step): string[] {
  if (step.kind === 'run') return [`run: ${step.words.map(shellWord).join(' ')}`];
  const { path, before, after } = step;
  const head = before === undefined ? 'make' : 'change';
  return [`${head} ${path}:`, ...changedLines(before ?? '', after)];
}

export async function perform(step: Step): Promise<void> {
  if (step.kind === 'run') return runHost(step.words);
  const { path, before, after } = step;
  if ((await readText(path)) !== before) {
    throw new IpcError('host_unusable', `${path} changed meanwhile, and was not touched`, {
      hint: 'try again',
    });
  }
  try {
    await replaceFile(path, after);
  } catch (error) {
    throw unusable(path, error);
  }
}

async function isHere(target: HostTarget, places: ConfigFolders, path: string): Promise<boolean> {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  const programs = folders.flatMap((folder) => target.programs.map((name) => join(folder, name)));
  for (const program of programs) {
    const can = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (can) return true;
  }
  const file = target.file('user', places);
  const folder = dirname(file);
  return folder === places.home ? existsSync(file) : existsSync(folder);
}

function hasEntry(text: string, { keys, isToml }: HostTarget): boolean {
  if (!isToml) return valueAt(parse(divided(text)[1]), keys) !== undefined;
  return new RegExp(`^\\s*\\[${keys.join('\\.')}\\]`, 'm').test(text);
}

/** A host's own command does not put our entry into the place of another one. */
function checkOurs(
  text: string,
  { name, title }: HostTarget,
  scope: Scope,
  { args }: Server,
): void {
  if (text.includes(args[0] ?? '')) return;
  throw new IpcError('host_unusable', `${title} has ipc from another folder`, {
    hint: `\`ipc uninstall ${name} --scope ${scope}\`, then install again`,
  });
}

/** A byte order mark and the text after it. */
function divided(text: string): [mark: string, text: string] {
  const length = text.startsWith('\ufeff') ? 1 : 0;
  return [text.slice(0, length), text.slice(length)];
}

function nested(keys: readonly string[], value: object): object {
  return keys.reduceRight<object>((inner, key) => ({ [key]: inner }), value);
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined,
    value,
  );
}

function withEntry(path: string, text: string, { keys }: HostTarget, entry: object): string {
  const value = parsed(path, text);
  if (JSON.stringify(valueAt(value, keys)) === JSON.stringify(entry)) return text;
  return withValue(path, text, keys, entry);
}

/** An object that only our entry was in goes with it. */
function withoutEntry(path: string, text: string, { keys }: HostTarget): string {
  const value = parsed(path, text);
  if (valueAt(value, keys) === undefined) return text;
  const [outer = ''] = keys;
  const isAlone = Object.keys(valueAt(value, [outer]) as object).length === 1;
  const root = parseTree(text, [], { allowTrailingComma: true });
  const object = root && findNodeAtLocation(root, isAlone ? [] : [outer]);
  return object ? withoutProperty(text, object, isAlone ? outer : keys[1]) : text;
}

/** jsonc-parser would take the comments around it along. */
function withoutProperty(text: string, object: Node, key: string | undefined): string {
  const all = object.children ?? [];
  const index = all.findIndex(({ children }) => children?.[0]?.value === key);
  const [previous, property, next] = [all[index - 1], all[index], all[index + 1]];
  if (!property) return text;
  const end = endOf(property);
  const before = gap(text, previous ? endOf(previous) : startOf(object), property.offset);
  const after = gap(text, end, next ? next.offset : closeOf(object));
  const isEmptied = before.lastEnd === startOf(object) && !next && after.lastEnd === end;
  const length = (isEmptied ? closeOf(object) : end) - before.lastEnd;
  const edits = [{ offset: before.lastEnd, length, content: '' }];
  // Of the commas on its two sides one stays, if any entry does.
  const comma = after.comma ?? before.comma;
  if (comma !== undefined) edits.push({ offset: comma, length: 1, content: '' });
  return applyEdits(text, edits);
}

/**
 * Nothing but the value comes in, in the file's own indentation and line ends: jsonc-parser would lay
 * out its neighbours.
 */
function withValue(path: string, text: string, keys: readonly string[], value: object): string {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const nodeAt = (depth: number) => root && findNodeAtLocation(root, keys.slice(0, depth));
  let depth = keys.length;
  while (depth > 0 && !nodeAt(depth)) depth--;
  const node = nodeAt(depth);
  const unit = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const laidOut = (part: unknown, level: number) =>
    JSON.stringify(part, undefined, unit).replaceAll('\n', `${eol}${unit.repeat(level)}`);
  if (node && depth === keys.length) {
    return spliced(text, node.offset, node.length, laidOut(value, depth));
  }
  if (node?.type !== 'object') {
    throw untouched(path, `has no object at ${keys.slice(0, depth).join('.')}`);
  }
  const whole = nested(keys.slice(depth + 1), value);
  const property = `${JSON.stringify(keys[depth])}: ${laidOut(whole, depth + 1)}`;
  const line = `${eol}${unit.repeat(depth + 1)}${property}`;
  return withLast(text, node, line, `${eol}${unit.repeat(depth)}`);
}

/** Behind the last entry and the comments that belong to it; a trailing comma stays one. */
function withLast(text: string, object: Node, line: string, lastLine: string): string {
  const last = object.children?.at(-1);
  const close = closeOf(object);
  const { comma, lastEnd } = gap(text, last ? endOf(last) : startOf(object), close);
  if (!last && !text.slice(lastEnd, close).includes('\n')) {
    return spliced(text, lastEnd, close - lastEnd, `${line}${lastLine}`);
  }
  const added = { offset: lastEnd, length: 0, content: comma === undefined ? line : `${line},` };
  if (!last || comma !== undefined) return applyEdits(text, [added]);
  return applyEdits(text, [{ offset: endOf(last), length: 0, content: ',' }, added]);
}

/** What stands between two entries of an object, or between one and a brace: comments, and one comma. */
function gap(text: string, start: number, end: number): { comma?: number; lastEnd: number } {
  const between = text.slice(start, end);
  const blanked = between.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, (comment) =>
    '/'.repeat(comment.length),
  );
  const comma = blanked.indexOf(',');
  return {
    ...(comma >= 0 && { comma: start + comma }),
    lastEnd: start + between.trimEnd().length,
  };
}

function startOf(object: Node): number {
  return object.offset + 1;
}

function endOf(node: Node): number {
  return node.offset + node.length;
}

/** Of its closing brace. */
function closeOf(object: Node): number {
  return endOf(object) - 1;
}

function spliced(text: string, offset: number, length: number, content: string): string {
  return applyEdits(text, [{ offset, length, content }]);
}

/** What is not understood is not touched. */
function parsed(path: string, text: string): unknown {
  const errors: ParseError[] = [];
  const value = parse(text, errors, { allowTrailingComma: true });
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (errors.length === 0 && isObject) return value;
  throw untouched(path, 'is no JSON object');
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
  const gone = old.slice(head, old.length - tail).map((line) => `- ${line}`);
  const come = fresh.slice(head, fresh.length - tail).map((line) => `+ ${line}`);
  return [...gone, ...come];
}

function runHost([command = '', ...args]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 2, 2] });
    child.once('error', (error) => reject(notRun(command, error)));
    child.once('exit', (code, signal) => {
      if (code === 0) return resolve();
      const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
      reject(new IpcError('host_unusable', `${command} ${how}`));
    });
  });
}

function notRun(command: string, error: unknown): IpcError {
  if (!isMissing(error)) return unusable(command, error);
  return new IpcError('host_unusable', `there is no program "${command}" on the PATH`, {
    cause: error,
    hint: `install it, or see \`--print\` for what it would be told`,
  });
}

/** Written aside and renamed: a host that reads meanwhile sees the one or the other. */
async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const mode = await stat(path).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  );
  const aside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(aside, text, { mode, flag: 'wx' });
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

async function readText(path: string): Promise<string | undefined> {
  const content = await readRegular(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error instanceof IpcError ? error : unusable(path, error);
  });
  try {
    return content && utf8.decode(content);
  } catch {
    throw untouched(path, 'is not UTF-8');
  }
}

/** A pipe is not waited for. */
async function readRegular(path: string): Promise<Buffer> {
  if (!(await stat(path)).isFile()) throw untouched(path, 'is no regular file');
  return readFile(path);
}

/** Of dotfiles that are links, the file itself is replaced. */
async function realpathOf(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function untouched(path: string, why: string): IpcError {
  const hint = 'mend it, then try again';
  return new IpcError('host_unusable', `${path} ${why}, and was not touched`, { hint });
}

function unusable(what: string, error: unknown): IpcError {
  const reason = error instanceof Error ? error.message : String(error);
  return new IpcError('host_unusable', `${what}: ${reason}`, { cause: error });
}
