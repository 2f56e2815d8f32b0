// The architecture as a test: layers, purity, length of files, and words that the repository must not contain.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { version } from '../../src/base/version.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The folders of src/ in layers, the lowest first. Folders of one layer know nothing of each other. */
const layers = [
  ['base'],
  ['model', 'files'],
  ['engine', 'protocol'],
  ['net', 'journal'],
  ['broker', 'client', 'nats'],
  ['session', 'direct'],
  ['app'],
  ['hosts'],
  ['library', 'mcp', 'ui'],
  ['cli'],
];

const linesMax = 500;
const pureFolders = ['base', 'model', 'engine'];
/** The one seam to the clock, timers and chance. */
const runtime = 'base/runtime.ts';
const pureBuiltins = ['node:assert', 'node:assert/strict', 'node:buffer', 'node:zlib'];
const inputOutput = ['node:net', 'node:tls', 'node:fs', 'node:fs/promises'];
/** Packages that the build bundles. */
const bundled = [
  ...['@modelcontextprotocol/server', 'commander', 'get-east-asian-width', 'ink', 'jsonc-parser'],
  ...['react', 'smol-toml', 'zod', '@nats-io/jetstream', '@nats-io/transport-node'],
];
/** Packages in the page, which a browser runs. */
const inPage = ['preact', '@preact/signals', 'uplot'];
const page = 'ui/page/';
const speakers = [
  'cli/main.ts',
  'cli/closed-output.ts',
  'mcp/server.ts',
  'cli/output.ts',
  'cli/terminal.ts',
];

const sources = filesBelow('src', /\.tsx?$/);

test('every folder of src/ is in `layers`, and beside them is only index.ts', () => {
  const places = [...new Set([...sources.keys()].map((file) => folderOf(file) ?? file))];
  assert.deepEqual(places.sort(), [...layers.flat(), 'index.ts'].sort());
});

test('a file imports from its own folder, or from a lower layer', () => {
  const wrong = [...sources].flatMap(([file, text]) =>
    relativeImports(file, text)
      .filter((imported) => folderOf(imported) !== folderOf(file))
      .filter((imported) => layerOf(imported) >= layerOf(file))
      .map((imported) => `${file} imports ${imported}`),
  );
  assert.deepEqual(wrong, []);
});

test('no two source files have the same name', () => {
  const names = [...sources.keys()].map((file) => posix.basename(file));
  assert.deepEqual(duplicatesIn(names), []);
});

test('no two files export a type, a class or an interface of the same name', () => {
  const declared = /^export (?:abstract )?(?:class|interface|type) (\w+)/gm;
  const names = [...sources.values()].flatMap((text) =>
    Array.from(text.matchAll(declared), ([, name]) => name ?? ''),
  );
  assert.deepEqual(duplicatesIn(names), []);
});

test('base, model and engine are pure: no package, socket, file, process, timer, clock or random number', () => {
  const impure =
    /\b(process|performance|crypto)\.|\bset(Timeout|Interval|Immediate)\(|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(/;
  for (const [file, text] of sources) {
    if (!pureFolders.includes(folderOf(file) ?? '') || file === runtime) continue;
    const wrong = outsideImports(text).filter((name) => !pureBuiltins.includes(name));
    assert.deepEqual(wrong, [], `src/${file} imports`);
    assert.equal(use(text, impure), undefined, `src/${file}`);
  }
});

test('the protocol does no I/O', () => {
  for (const [file, text] of sources) {
    if (folderOf(file) !== 'protocol') continue;
    const used = outsideImports(text).filter((name) => inputOutput.includes(name));
    assert.deepEqual(used, [], `src/${file}`);
  }
});

test('a package that a source file imports is one of eight, and a builtin has its prefix', () => {
  const builtins = builtinModules.map((name) => `node:${name}`);
  for (const [file, text] of sources) {
    for (const name of outsideImports(text)) {
      const known = file.startsWith(page)
        ? inPage.includes(packageOf(name))
        : builtins.includes(name) || bundled.includes(packageOf(name));
      assert.ok(known, `src/${file} imports ${name}`);
    }
  }
});

/** What a browser runs as well: it must not lead to anything of Node. */
const shared = [
  'app/mailbox-need.ts',
  'app/message-stories.ts',
  'app/story-words.ts',
  'app/durations.ts',
  'base/characters.ts',
  'base/oldest-keys.ts',
  'base/once.ts',
  'base/visible-text.ts',
];

test('the page takes nothing but types and a few pure modules from elsewhere, and nobody imports it', () => {
  const value = /^(?:import|export) (?!type\b)[^;']*\bfrom '(\.[^']+)'/gm;
  for (const [file, text] of sources) {
    const isPage = file.startsWith(page) || shared.includes(file);
    const values = Array.from(text.matchAll(value), ([, name]) => name ?? '');
    for (const name of isPage ? values : imports(text).filter((each) => each.startsWith('.'))) {
      const imported = posix.join(posix.dirname(file), name);
      const isOfPage = imported.startsWith(page);
      const isAllowed = isPage ? isOfPage || shared.includes(imported) : !isOfPage;
      assert.ok(isAllowed, `src/${file} imports ${imported}`);
    }
  }
});

test('the state of the page is pure: it knows no browser, clock or package', () => {
  const impure =
    /\b(document|window|location|localStorage|fetch)\b|\bset(Timeout|Interval)\(|\bDate\.now\(/;
  for (const [file, text] of sources) {
    if (!file.startsWith(`${page}state/`) && !shared.includes(file)) continue;
    assert.deepEqual(outsideImports(text), [], `src/${file} imports`);
    assert.equal(use(text, impure), undefined, `src/${file}`);
  }
});

test('nothing prints but the program and the MCP transport', () => {
  for (const [file, text] of sources) {
    assert.equal(use(text, /\bconsole\./), undefined, `src/${file}`);
    if (speakers.includes(file)) continue;
    assert.equal(use(text, /\bprocess\.std(out|err)\b/), undefined, `src/${file}`);
  }
});

test('facts of the process that Node may not know are asked for in one file', () => {
  const asks = /\b(?:homedir|userInfo|hostname|cwd)\(/;
  for (const [file, text] of sources) {
    if (file === 'app/process-facts.ts') continue;
    assert.equal(use(text, asks), undefined, `src/${file}`);
    assert.doesNotMatch(text, /\b(?:homedir|userInfo|hostname)\b.* from 'node:os'/, `src/${file}`);
  }
});

test(`no file of src/ or scripts/ is longer than ${linesMax} lines`, () => {
  const long = [...sources, ...filesBelow('scripts', /\.[jt]s$/)]
    .map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > linesMax);
  assert.deepEqual(long, []);
});

test('the program has the version of its package', () => {
  assert.equal(packageJson().version, version);
});

test('the lockfile names no registry', () => {
  assert.doesNotMatch(read('package-lock.json'), /"resolved":/);
});

test('packages, and those that CI and the benchmark fetch, are pinned to an exact version', () => {
  const { devDependencies } = packageJson() as Record<string, Record<string, string>>;
  const { dependencies, optionalDependencies } = JSON.parse(read('.ci/tools/package.json'));
  const { dependencies: clients } = JSON.parse(read('.ci/clients/package.json'));
  const fetched = { ...dependencies, ...optionalDependencies, ...clients };
  for (const [name, given] of Object.entries({ ...devDependencies, ...fetched })) {
    assert.match(`${given}`, /^(npm:[a-z0-9-]+@)?\d+\.\d+\.\d+$/, name);
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

/** undefined for a file in src/ itself. */
function folderOf(file: string): string | undefined {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : undefined;
}

/** The entry of the package is above all layers. */
function layerOf(file: string): number {
  const folder = folderOf(file);
  return folder === undefined
    ? layers.length
    : layers.findIndex((folders) => folders.includes(folder));
}

function duplicatesIn(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

/** All files with such a name, by path below the folder. */
function filesBelow(folder: string, name: RegExp): Map<string, string> {
  const files = readdirSync(join(root, folder), { encoding: 'utf8', recursive: true })
    .filter((file) => name.test(file))
    .map((file) => file.split(sep).join('/'));
  return new Map(files.map((file) => [file, read(`${folder}/${file}`)]));
}

function relativeImports(file: string, text: string): string[] {
  return imports(text)
    .filter((name) => name.startsWith('.'))
    .map((name) => posix.join(posix.dirname(file), name));
}

function outsideImports(text: string): string[] {
  return imports(text).filter((name) => !name.startsWith('.'));
}

/** Imports of types and dynamic imports, too. */
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
