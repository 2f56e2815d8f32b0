// The architecture as a test: what may import what, what stays pure, what stays small, and what the
// repository never says.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { version } from '../../src/core/version.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Floors, the lowest first. A file imports from lower floors, or from a file to its left. */
const floors = [
  'core/: limits errors version bytes message envelope requests mail sorted ids post ledger waits step connection room dead-letters status mailboxes',
  'wire/: machine random frame json fields retries posts protocol handshake key rotation channel connection dial strangers crowd',
  'journal/: open-files disk framing records folder options recovery epoch segment spares tail room live cache bodies damage kept filesystem journal check dump',
  'broker/: claim doors admission holder peer server call posts silence link client session',
  'direct',
  'values operations',
  'tickets hosts bodies rate visible present place lines transport tool',
  'mcp arguments terminal output input running fields work topics help completion handing retry store keys setups install installing doctor cli main options handed index',
].map(filesOfFloor);

const linesMax = 500;
const coreBuiltins = ['node:assert', 'node:assert/strict', 'node:buffer', 'node:zlib'];
const inputOutput = ['node:net', 'node:tls', 'node:fs', 'node:fs/promises'];
/** The build puts them into what ships. */
const bundled = ['@modelcontextprotocol/server', 'commander', 'jsonc-parser', 'zod'];
const speakers = ['main.ts', 'mcp.ts', 'output.ts', 'terminal.ts'];

const sources = sourceFiles();

test('every source file has its place in `floors`; add a new one there', () => {
  const placeless = [...sources.keys()].filter((file) => floorOf(file) === -1);
  assert.deepEqual(placeless, []);
});

test('imports only point down, or to the left on the same floor', () => {
  const wrong = [...sources].flatMap(([file, text]) =>
    relativeImports(file, text)
      .filter((imported) => !isBelow(imported, file))
      .map((imported) => `${file} imports ${imported}`),
  );
  assert.deepEqual(wrong, []);
});

test('core is pure: no package, socket, file, process, timer, clock or random number', () => {
  const impure =
    /\b(process|performance|crypto)\.|\bset(Timeout|Interval|Immediate)\(|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(/;
  for (const [file, text] of sources) {
    if (!file.startsWith('core/')) continue;
    const wrong = outsideImports(text).filter((name) => !coreBuiltins.includes(name));
    assert.deepEqual(wrong, [], `src/${file} imports`);
    assert.equal(use(text, impure), undefined, `src/${file}`);
  }
});

test('frames and protocol do no I/O', () => {
  for (const file of ['wire/frame.ts', 'wire/protocol.ts']) {
    const used = outsideImports(sources.get(file) ?? '').filter((name) =>
      inputOutput.includes(name),
    );
    assert.deepEqual(used, [], `src/${file}`);
  }
});

test('a package that a source file imports is one of four, and a builtin has its prefix', () => {
  const builtins = builtinModules.map((name) => `node:${name}`);
  for (const [file, text] of sources) {
    for (const name of outsideImports(text)) {
      const known = builtins.includes(name) || bundled.includes(packageOf(name));
      assert.ok(known, `src/${file} imports ${name}`);
    }
  }
});

test('nothing prints but the program and the MCP transport', () => {
  for (const [file, text] of sources) {
    assert.equal(use(text, /\bconsole\./), undefined, `src/${file}`);
    if (speakers.includes(file)) continue;
    assert.equal(use(text, /\bprocess\.std(out|err)\b/), undefined, `src/${file}`);
  }
});

test(`no source file is longer than ${linesMax} lines`, () => {
  const long = [...sources]
    .map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > linesMax);
  assert.deepEqual(long, []);
});

test('the program says the version of its package', () => {
  assert.equal(packageJson().version, version);
});

test('the lockfile names no registry', () => {
  assert.doesNotMatch(read('package-lock.json'), /"resolved":/);
});

test('a package, and a program that CI fetches, is named with its exact version', () => {
  const { devDependencies } = packageJson() as Record<string, Record<string, string>>;
  const fetched = JSON.parse(read('.ci/tools/package.json')).dependencies;
  for (const [name, given] of Object.entries({ ...devDependencies, ...fetched })) {
    assert.match(`${given}`, /^\d+\.\d+\.\d+$/, name);
  }
});

test('no tracked file names a path or a registry of the machine it was written on', (t) => {
  if (!existsSync(join(root, '.git'))) return t.skip('not a git checkout');
  const list = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' });
  const files = list.split('\0').filter((file) => file !== '' && existsSync(join(root, file)));
  for (const file of files) {
    const text = read(file);
    if (text.includes('\0')) continue;
    const named = text.match(/\/(work|root)\/|\bregistry\.[a-z]+\.[a-z]+/)?.[0];
    assert.equal(named, undefined, file);
  }
});

/** `'wire/: machine random frame json fields protocol handshake key rotation channel connection dial strangers']` */
function filesOfFloor(line: string): string[] {
  const [, folder = '', names = ''] = /^(?:(\S+\/): )?(.*)$/.exec(line) ?? [];
  return names.split(' ').map((name) => `${folder}${name}.ts`);
}

function floorOf(file: string): number {
  return floors.findIndex((files) => files.includes(file));
}

function isBelow(imported: string, file: string): boolean {
  const [from, to] = [floorOf(file), floorOf(imported)];
  const files = floors[from] ?? [];
  return to < from || (to === from && files.indexOf(imported) < files.indexOf(file));
}

/** All of src, by path below it. */
function sourceFiles(): Map<string, string> {
  const files = readdirSync(join(root, 'src'), { encoding: 'utf8', recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.split(sep).join('/'));
  return new Map(files.map((file) => [file, read(`src/${file}`)]));
}

function relativeImports(file: string, text: string): string[] {
  return imports(text)
    .filter((name) => name.startsWith('.'))
    .map((name) => posix.join(posix.dirname(file), name));
}

function outsideImports(text: string): string[] {
  return imports(text).filter((name) => !name.startsWith('.'));
}

/** Types too, and what is loaded later by `import('...')`. */
function imports(text: string): string[] {
  const statement =
    /^(?:import|export)\b[^;']*\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm;
  return [...text.matchAll(statement)].map((found) => found[1] ?? found[2] ?? found[3] ?? '');
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The first use outside comments and quotes. */
function use(text: string, pattern: RegExp): string | undefined {
  const code = text.replace(/'(?:[^'\\\n]|\\.)*'|\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  return code.match(pattern)?.[0];
}

function packageJson(): Record<string, unknown> {
  return JSON.parse(read('package.json'));
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
