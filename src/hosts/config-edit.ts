// Entries in a host's configuration file: finding one in JSON with comments or TOML, and adding or removing
// one in JSON. Everything else in the text stays byte for byte, comments too.
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

/** Path of an entry: names of the objects around it, and its own. */
type Keys = readonly string[];

/** The value at `keys`; undefined if there is none. JSON is read as far as it can be. */
export function valueIn(path: string, text: string, keys: Keys, isToml = false): unknown {
  const [, content] = splitMark(text);
  return valueAt(isToml ? parsedToml(path, content) : parseJson(content), keys);
}

/** The text with `value` at `keys`. A blank text becomes an object. */
export function withEntry(path: string, text: string, keys: Keys, value: object): string {
  const [mark, content] = splitMark(text);
  const json = content.trim() === '' ? emptyFile : content;
  const existing = valueAt(parsedJson(path, json), keys);
  if (JSON.stringify(existing) === JSON.stringify(value)) return text;
  return mark + withValue(path, json, keys, value);
}

/** The text without the entry at `keys`. If the entry was alone in its object, the object goes, too. */
export function withoutEntry(path: string, text: string, keys: Keys): string {
  const [mark, content] = splitMark(text);
  if (content.trim() === '') return text;
  const value = parsedJson(path, content);
  if (valueAt(value, keys) === undefined) return text;
  const [outer = ''] = keys;
  const isAlone = Object.keys(valueAt(value, [outer]) as object).length === 1;
  const root = parseTree(content, [], { allowTrailingComma: true });
  const object = root && findNodeAtLocation(root, isAlone ? [] : [outer]);
  return object ? mark + withoutProperty(content, object, isAlone ? outer : keys[1]) : text;
}

/** An object that has only `value`, at `keys`. */
export function nested(keys: Keys, value: object): object {
  return keys.reduceRight<object>((inner, key) => ({ [key]: inner }), value);
}

/** A byte order mark and the text after it. */
function splitMark(text: string): [mark: string, text: string] {
  const length = text.startsWith('\ufeff') ? 1 : 0;
  return [text.slice(0, length), text.slice(length)];
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined,
    value,
  );
}

/** Removes a property. jsonc-parser would remove the comments around it as well. */
function withoutProperty(text: string, object: Node, key: string | undefined): string {
  const all = object.children ?? [];
  const index = all.findIndex(({ children }) => children?.[0]?.value === key);
  const [previous, property, next] = [all[index - 1], all[index], all[index + 1]];
  if (!property) return text;
  const end = endOf(property);
  const before = gap(text, previous ? endOf(previous) : startOf(object), property.offset);
  const after = gap(text, end, next ? next.offset : closeOf(object));
  const isEmptied = before.lastEnd === startOf(object) && !next && after.lastEnd === end;
  // A line comment before it would swallow what follows it on its line.
  const endsLine = /^[ \t]*,?[ \t]*[\r\n]/.test(text.slice(end));
  const offset = before.endsInLineComment && !endsLine ? property.offset : before.lastEnd;
  const edits = [{ offset, length: (isEmptied ? closeOf(object) : end) - offset, content: '' }];
  // If other entries stay, one of the two commas around it goes.
  const comma = after.comma ?? before.comma;
  if (comma !== undefined) edits.push({ offset: comma, length: 1, content: '' });
  return applyEdits(text, edits);
}

/**
 * Inserts nothing but the value, in the file's own indentation and line ends. Not by jsonc-parser, which
 * would lay out the neighbours anew.
 */
function withValue(path: string, text: string, keys: Keys, value: object): string {
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

/** Inserts `line` after the last entry and its comments; a trailing comma stays a trailing comma. */
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

/** What is between two entries of an object, or between one and a brace. */
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

function startOf(object: Node): number {
  return object.offset + 1;
}

function endOf(node: Node): number {
  return node.offset + node.length;
}

/** Offset of the closing brace. */
function closeOf(object: Node): number {
  return endOf(object) - 1;
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
