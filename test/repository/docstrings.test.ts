// What the package exports says what it is: each name, and each member of it.
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

test('each name that the library exports, and each of its members, has a docstring', () => {
  const exported = exportedNames();
  assert.ok(exported.length > 20, `${exported.length} names were found`);
  assert.deepEqual(exported.flatMap(undocumented), []);
});

test('a name, a member or an option without a docstring is found', () => {
  const text = `/** Said. */
export interface Whole {
  /** Said. */
  readonly one: string;
  readonly two?: number;
  three(): Promise<void>;
}

export class Bare {
  readonly #own = 1;
  /** Said. */
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

/** Of src/index.ts, which declares none itself. */
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

/** What of a declaration has no docstring right above it. The formatter sees to one form of them all. */
function bare(name: string, text: string): string[] {
  const lines = text.split('\n');
  const declaration = new RegExp(
    `^export (?:async )?(?:class|interface|function|type|const) ${name}\\b`,
  );
  const start = lines.findIndex((line) => declaration.test(line));
  if (start === -1) return [name];
  const isBare = (index: number) => !/^ *(\/\*\*.*)?\*\/$/.test(lines[index - 1] ?? '');
  const isOpen = /\b(class|interface)\b.*\{$/.test(lines[start] ?? '');
  const length = isOpen ? lines.slice(start).indexOf('}') : 1;
  const members = lines.slice(start, start + length).flatMap((line, place) => {
    const member = memberOf(line);
    return member !== undefined && isBare(start + place) ? [`${name}.${member}`] : [];
  });
  return [...(isBare(start) ? [name] : []), ...members];
}

/** What begins on a line, two spaces deep: a property, a method, a getter. Not what is private. */
function memberOf(line: string): string | undefined {
  const words = '(?:readonly |override |async |get |static )*\\*?';
  return new RegExp(`^ {2}${words}(\\w+|\\[[\\w.]+\\])\\??(?:[(:<]| =)`).exec(line)?.[1];
}

function read(file: string): string {
  return readFileSync(join(source, file), 'utf8');
}
