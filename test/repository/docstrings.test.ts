// Each exported name of the package has a docstring, and so has each of its members.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../../../src/', import.meta.url));

interface Exported {
  readonly name: string;
  readonly file: string;
}

/** Below that a docstring says no more than the name under it, as in "The mailbox." */
const wordsMin = 4;

test('each name that the library exports, and each of its members, has a docstring that says something', () => {
  const exported = exportedNames();
  assert.ok(exported.length > 20, `${exported.length} names were found`);
  assert.deepEqual(exported.flatMap(undocumented), []);
});

test('a name, a member or an option without a docstring is found', () => {
  const text = `/** All of it is said. */
export interface Whole {
  /** That much is said. */
  readonly one: string;
  readonly two?: number;
  three(): Promise<void>;
}

export class Bare {
  readonly #own = 1;
  /** Yields the name for ever. */
  async *loop(
    name: string,
  ): AsyncGenerator<string> {
    for (;;) yield name;
  }

  get shown(): string {
    return '';
  }
}
`;
  assert.deepEqual(bare('Whole', text), ['Whole.two', 'Whole.three']);
  assert.deepEqual(bare('Bare', text), ['Bare', 'Bare.shown']);
  assert.deepEqual(bare('Absent', text), ['Absent']);
});

test('a docstring of a few words, or that points to another one, counts as none', () => {
  const text = `/** What a post is given. */
export interface Given {
  /** The mailbox. */
  readonly mailbox: string;
  /** As above, but later. */
  readonly later: string;
  /**
   * Where the sender
   * is answered.
   */
  readonly from: string;
  /** @internal */
  constructor();
}
`;
  assert.deepEqual(bare('Given', text), ['Given.mailbox', 'Given.later']);
});

/** Declared in src/index.ts, or exported from there. */
function exportedNames(): Exported[] {
  const exports = read('index.ts').matchAll(/^export (?:type )?\{([^}]+)\} from '\.\/(\S+)';$/gm);
  return [...exports].flatMap(([, names = '', file = '']) =>
    [...names.matchAll(/(\w+)\s*(?:,|$)/g)].map(([, name = '']) => ({
      name,
      file: posix.normalize(file),
    })),
  );
}

function undocumented({ name, file }: Exported): string[] {
  return bare(name, read(file)).map((what) => `${file}: ${what}`);
}

/** The parts of a declaration without a docstring right above. The formatter gives all of them one form. */
function bare(name: string, text: string): string[] {
  const lines = text.split('\n');
  const declaration = new RegExp(
    `^export (?:async )?(?:class|interface|function|type|const) ${name}\\b`,
  );
  const start = lines.findIndex((line) => declaration.test(line));
  if (start === -1) return [name];
  const isBare = (index: number) => saysNothing(docstringAbove(lines, index));
  const isOpen = /\b(class|interface)\b.*\{$/.test(lines[start] ?? '');
  const length = isOpen ? lines.slice(start).indexOf('}') : 1;
  const members = lines.slice(start, start + length).flatMap((line, place) => {
    const member = memberOf(line);
    return member !== undefined && isBare(start + place) ? [`${name}.${member}`] : [];
  });
  return [...(isBare(start) ? [name] : []), ...members];
}

/** Its words; none where no docstring ends right above. */
function docstringAbove(lines: readonly string[], index: number): string {
  if (!/^ *(\/\*\*.*)?\*\/$/.test(lines[index - 1] ?? '')) return '';
  const start = lines.slice(0, index).findLastIndex((line) => /^ *\/\*\*/.test(line));
  const marks = /^ *(\/\*\*|\*\/|\*) ?| *\*\/$/g;
  return lines
    .slice(start, index)
    .map((line) => line.replace(marks, ''))
    .join(' ')
    .trim();
}

function saysNothing(docstring: string): boolean {
  if (docstring === '@internal') return false;
  return docstring.split(/\s+/).length < wordsMin || /^(as|see) above\b/i.test(docstring);
}

/** What begins on a line, two spaces deep: a property, a method, a getter. Not what is private. */
function memberOf(line: string): string | undefined {
  const words = '(?:readonly |override |async |get |static )*\\*?';
  return new RegExp(`^ {2}${words}(\\w+|\\[[\\w.]+\\])\\??(?:[(:<]| =)`).exec(line)?.[1];
}

function read(file: string): string {
  return readFileSync(join(source, file), 'utf8');
}
