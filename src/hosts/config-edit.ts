// Entries in a host's configuration file: finding one in JSON with comments or TOML, and adding or removing one
// in JSON. Everything else in the text stays byte for byte, comments too.
import {
  applyEdits,
  findNodeAtLocation,
  type Node,
  type ParseError,
  parse as parseJson,
  parseTree,
} from 'jsonc-parser';
import { parse as parseToml } from 'smol-toml';
import { untouched } from './config-file.ts';

/** What is left of a file that had only the entry. */
export const emptyFile = '{}\n';

/** Path of an entry: names of the objects around it, and its own; in a list its index. */
export type EntryPath = readonly (string | number)[];

/** The value at `keys`; undefined if there is none. JSON is read as far as it can be. */
export function valueIn(path: string, text: string, keys: EntryPath, isToml = false): unknown {
  const [, content] = splitMark(text);
  return valueAt(isToml ? parsedToml(path, content) : parseJson(content), keys);
}

/** The text with `value` at `keys`; the index behind a list adds to it. A blank text becomes an object. */
export function withEntry(path: string, text: string, keys: EntryPath, value: unknown): string {
  const [mark, content] = splitMark(text);
  const json = content.trim() === '' ? emptyFile : content;
  const existing = valueAt(parsedJson(path, json), keys);
  if (JSON.stringify(existing) === JSON.stringify(value)) return text;
  return mark + withValue(path, json, keys, value);
}

/** The text without the entry at `keys`. An object or a list in which it was alone goes, too. */
export function withoutEntry(path: string, text: string, keys: EntryPath): string {
  const [mark, content] = splitMark(text);
  if (content.trim() === '') return text;
  const value = parsedJson(path, content);
  if (valueAt(value, keys) === undefined) return text;
  let depth = keys.length;
  while (depth > 1 && sizeOf(valueAt(value, keys.slice(0, depth - 1))) === 1) depth--;
  const root = parseTree(content, [], { allowTrailingComma: true });
  const around = root && findNodeAtLocation(root, keys.slice(0, depth - 1));
  return around ? mark + withoutItem(content, around, keys[depth - 1]) : text;
}

/** An object that has only `value`, at `keys`. */
export function nested(keys: EntryPath, value: unknown): unknown {
  return keys.reduceRight<unknown>(
    (inner, key) => (typeof key === 'number' ? [inner] : { [key]: inner }),
    value,
  );
}

/** A byte order mark and the text after it. */
function splitMark(text: string): [mark: string, text: string] {
  const length = text.startsWith('\ufeff') ? 1 : 0;
  return [text.slice(0, length), text.slice(length)];
}

function valueAt(value: unknown, keys: EntryPath): unknown {
  return keys.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null
        ? (at as Record<EntryPath[number], unknown>)[key]
        : undefined,
    value,
  );
}

/** Of an object or a list. */
function sizeOf(value: unknown): number {
  return Object.keys(value as object).length;
}

/** Removes a property, or an item of a list. jsonc-parser would remove the comments around it as well. */
function withoutItem(text: string, around: Node, key: EntryPath[number] | undefined): string {
  const all = around.children ?? [];
  const isList = around.type === 'array';
  const index = all.findIndex(({ children }, at) =>
    isList ? at === key : children?.[0]?.value === key,
  );
  const [previous, item, next] = [all[index - 1], all[index], all[index + 1]];
  if (!item) return text;
  const end = endOf(item);
  const before = gap(text, previous ? endOf(previous) : startOf(around), item.offset);
  const after = gap(text, end, next ? next.offset : closeOf(around));
  const isEmptied = before.lastEnd === startOf(around) && !next && after.lastEnd === end;
  // A line comment before it would swallow what follows it on its line.
  const endsLine = /^[ \t]*,?[ \t]*[\r\n]/.test(text.slice(end));
  const offset = before.endsInLineComment && !endsLine ? item.offset : before.lastEnd;
  const edits = [{ offset, length: (isEmptied ? closeOf(around) : end) - offset, content: '' }];
  // If other entries stay, one of the two commas around it goes.
  const comma = after.comma ?? before.comma;
  if (comma !== undefined) edits.push({ offset: comma, length: 1, content: '' });
  return applyEdits(text, edits);
}

/**
 * Inserts nothing but the value, in the file's own indentation and line ends. Not by jsonc-parser, which
 * would lay out the neighbours anew.
 */
function withValue(path: string, text: string, keys: EntryPath, value: unknown): string {
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
  const isInList = typeof keys[depth] === 'number';
  if (node?.type !== (isInList ? 'array' : 'object')) {
    const wanted = isInList ? 'list' : 'object';
    throw untouched(path, `has no ${wanted} at ${keys.slice(0, depth).join('.')}`);
  }
  const whole = laidOut(nested(keys.slice(depth + 1), value), depth + 1);
  const item = isInList ? whole : `${JSON.stringify(keys[depth])}: ${whole}`;
  const line = `${eol}${unit.repeat(depth + 1)}${item}`;
  return withLast(text, node, line, `${eol}${unit.repeat(depth)}`);
}

/** Inserts `line` after the last entry and its comments; a trailing comma stays a trailing comma. */
function withLast(text: string, around: Node, line: string, lastLine: string): string {
  const last = around.children?.at(-1);
  const close = closeOf(around);
  const { comma, lastEnd } = gap(text, last ? endOf(last) : startOf(around), close);
  if (!last && !text.slice(lastEnd, close).includes('\n')) {
    return spliced(text, lastEnd, close - lastEnd, `${line}${lastLine}`);
  }
  const added = { offset: lastEnd, length: 0, content: comma === undefined ? line : `${line},` };
  if (!last || comma !== undefined) return applyEdits(text, [added]);
  return applyEdits(text, [{ offset: endOf(last), length: 0, content: ',' }, added]);
}

/** What is between two entries of an object or a list, or between one and a brace. */
interface Gap {
  /** Offset of the comma outside comments. */
  readonly comma?: number;
  /** Where its comma and comments end, before the last white space. */
  readonly lastEnd: number;
  readonly endsInLineComment: boolean;
}

function gap(text: string, start: number, end: number): Gap {
  const between = text.slice(start, end);
  const blanked = between.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, (comment) =>
    (comment.startsWith('//') ? '/' : '*').repeat(comment.length),
  );
  const comma = blanked.indexOf(',');
  return {
    ...(comma >= 0 && { comma: start + comma }),
    lastEnd: start + between.trimEnd().length,
    endsInLineComment: blanked.trimEnd().endsWith('/'),
  };
}

function startOf(around: Node): number {
  return around.offset + 1;
}

function endOf(node: Node): number {
  return node.offset + node.length;
}

/** Offset of the closing brace or bracket. */
function closeOf(around: Node): number {
  return endOf(around) - 1;
}

function spliced(text: string, offset: number, length: number, content: string): string {
  return applyEdits(text, [{ offset, length, content }]);
}

function parsedJson(path: string, text: string): unknown {
  const errors: ParseError[] = [];
  const value = parseJson(text, errors, { allowTrailingComma: true });
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (errors.length === 0 && isObject) return value;
  throw untouched(path, 'is not a JSON object');
}

function parsedToml(path: string, text: string): unknown {
  try {
    // An integer of TOML has 64 bits, and a limit in such a file may be as large.
    return parseToml(text, { integersAsBigInt: 'asNeeded' });
  } catch {
    throw untouched(path, 'is not valid TOML');
  }
}
