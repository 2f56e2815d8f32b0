// README, ARCHITECTURE, CHANGELOG and docs/ agree with the sources.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { documents } from '../../scripts/generate/documents.ts';
import { operationNames } from '../../src/app/operations.ts';
import * as eventLimits from '../../src/base/event-limits.ts';
import * as mailLimits from '../../src/base/limits.ts';
import * as pageLimits from '../../src/base/page-limits.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { environment, topics, workEnvironment } from '../../src/cli/topics.ts';
import { ClientHandshake, ServerHandshake } from '../../src/protocol/handshake.ts';

const limits = { ...mailLimits, ...eventLimits, ...pageLimits };

const root = fileURLToPath(new URL('../../../', import.meta.url));
const readme = read('README.md');

/** How many of a constant's own unit are in one of the table's. */
const units: Readonly<Record<string, number>> = {
  s: 1_000,
  days: 86_400_000,
  KiB: 1_024,
  MiB: 1_024 ** 2,
  GiB: 1_024 ** 3,
};

test('the README can be read in ten minutes: 2,000 words in lines of at most 120 columns', () => {
  const lines = readme.split('\n');
  const words = readme.split(/\s+/).length;
  assert.ok(words <= 2_000, `${words} words`);
  const isTable = (line: string) => line.startsWith('|');
  assert.deepEqual(
    lines.filter((line) => line.length > 120 && !isTable(line)),
    [],
  );
});

test('each number in the table of limits is that of its constant', () => {
  const lines = read('docs/guide/limits.md').split('\n');
  const rows = lines.filter((line) => line.startsWith('|')).slice(2);
  assert.ok(rows.length > 0);
  for (const row of rows) {
    const [, number = '', unit = '', name = ''] =
      /^\| [^|]+ \| ([\d,]+)(?: (\w+))? \| [^|]+ \| `(\w+)` \|$/.exec(row) ?? [];
    const value = Number(number.replaceAll(',', '')) * (units[unit] ?? 1);
    assert.equal(value, (limits as Record<string, unknown>)[name], row);
  }
});

test('the README has six of the limits, and each operation', () => {
  const [, six = ''] = /^\| what \| limit \|.*\n\|.*\n((?:\|.*\n)+)/m.exec(readme) ?? [];
  assert.equal(six.trimEnd().split('\n').length, 6);
  for (const name of operationNames) assert.ok(readme.includes(`\n| \`${name}\` |`), name);
});

test('README names each variable that is read; `ipc help environment` also those that are set', () => {
  const sources = readdirSync(join(root, 'src'), { encoding: 'utf8', recursive: true })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('topics.ts'))
    .map((file) => read(`src/${file}`));
  const named = new Set(sources.join('').match(/\bIPC_[A-Z_]+/g) ?? []);
  const told = Object.keys({ ...environment, ...workEnvironment });
  assert.deepEqual([...named].sort(), told.filter((name) => name.startsWith('IPC_')).sort());
  for (const name of Object.keys(environment).filter((name) => named.has(name))) {
    assert.ok(readme.includes(`\`${name}\``), name);
  }
});

test('a topic fits a terminal of 80 columns', async () => {
  const program = await makeProgram({ out: '', errors: '' }, false);
  for (const { text } of Object.values(topics)) {
    for (const line of text(program).split('\n')) assert.ok(line.length <= 80, line);
  }
});

test('generated documents are up to date; `npm run docs` writes them', async () => {
  for (const [path, text] of Object.entries(await documents()))
    assert.equal(read(path), text, path);
});

test('the instructions of a plugin name existing operations, and no parameters', () => {
  const words = [operationNames, ['ipc', 'work-together', 'shutdown']].flat();
  for (const path of ['plugins/GEMINI.md', 'plugins/skills/work-together/SKILL.md']) {
    const named = [...read(path).matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter((word) => !words.includes(word)),
      [],
    );
  }
});

test('links lead to existing files', () => {
  for (const name of documentPaths()) {
    for (const [, target = ''] of read(name).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      assert.ok(existsSync(join(root, dirname(name), target)), `${name}: ${target}`);
    }
  }
});

test('the picture of src/ in ARCHITECTURE.md has each of its folders', () => {
  const [, picture = ''] = /```text\n(.*?)```/s.exec(read('ARCHITECTURE.md')) ?? [];
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const shown = [...picture.matchAll(/^(?:\| )?(\w+)\/ /gm)].map(([, name]) => name);
  assert.deepEqual(shown.sort(), folders.sort());
});

test('the files and names in the table of ARCHITECTURE.md "where is what" exist', () => {
  const [, table = ''] =
    /\n\| where \| .*\n\|.*\n((?:\|.*\n)+)/.exec(read('ARCHITECTURE.md')) ?? [];
  const spans = (cell = '') => Array.from(cell.matchAll(/`([^`]+)`/g), ([, span = '']) => span);
  const rows = table.trimEnd().split('\n');
  assert.equal(rows.length, 38);
  for (const row of rows) {
    const [, , files, names] = row.split('|');
    const sources = spans(files).map(read).join('');
    for (const name of spans(names)) assert.ok(sources.includes(name), `${row}: ${name}`);
  }
});

test('the handshake is, byte for byte, the one that docs/internals/security.md writes out', () => {
  const written = Object.fromEntries(
    [...read('docs/internals/security.md').matchAll(/^([a-z ]+?) {2,}([0-9a-f]{64,80})$/gm)].map(
      ([, name = '', hex = '']) => [name, Buffer.from(hex, 'hex')],
    ),
  );
  const bytes = (name: string) => written[name] ?? Buffer.alloc(0);
  const client = new ClientHandshake({ keys: [bytes('key')], nonce: bytes('client nonce') });
  const server = new ServerHandshake({ keys: [bytes('key')], nonce: bytes('server nonce') });
  assert.deepEqual(client.start(), bytes('client says'));
  const { send } = server.push(client.start());
  assert.deepEqual(send.subarray(0, 40), bytes('server says'));
  assert.deepEqual(send.subarray(40), bytes('server proof'));
  assert.deepEqual(client.push(send).send, bytes('client proof'));
  assert.equal(server.push(bytes('client proof')).rest?.length, 0);
});

test('docs/internals/reliability.md has each scenario, F1 to F28, and the tests that it names exist', () => {
  const rows = [
    ...read('docs/internals/reliability.md').matchAll(/^\| ([FSAB]\d+) \| .* \| (.*) \|$/gm),
  ];
  assert.deepEqual(
    rows.map(([, name = '']) => name).filter((name) => name.startsWith('F')),
    Array.from({ length: 28 }, (_, index) => `F${index + 1}`),
  );
  assert.equal(rows.length, 28 + 35);
  for (const [row, , tests = ''] of rows) {
    for (const test of tests.split('<br>')) {
      const [, file = '', title = ''] = /^`(\S+\.test\.ts)`: (.+)$/.exec(test) ?? [];
      assert.ok(title !== '' && read(`test/${file}`).includes(title), row);
    }
  }
});

test('the newest version in the changelog is that of the package; what is unreleased is above it', () => {
  const [first, second] = Array.from(
    read('CHANGELOG.md').matchAll(/^## (\S+)/gm),
    ([, name]) => name,
  );
  const newest = first === 'Unreleased' ? second : first;
  assert.equal(newest, JSON.parse(read('package.json')).version);
});

test('a version in the changelog has no other heads than its three, and Upgrading', () => {
  const heads = [...read('CHANGELOG.md').matchAll(/^### (.*)$/gm)].map(([, head]) => head);
  const legal = ['Upgrading', 'Safety', 'Features', 'Internals'];
  assert.deepEqual(
    heads.filter((head = '') => !legal.includes(head)),
    [],
  );
});

/** All documents of the repository. */
function documentPaths(): string[] {
  const below = ['docs', 'plugins'].flatMap((folder) =>
    readdirSync(join(root, folder), { encoding: 'utf8', recursive: true }).map((path) =>
      join(folder, path),
    ),
  );
  return [...readdirSync(root), ...below].filter((path) => path.endsWith('.md'));
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
