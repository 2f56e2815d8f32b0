// The package as npm makes it, installed into an empty folder: all that a user has of it is there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hostPlace, speak } from '../../support/mcp-host.ts';
import { freePort } from '../../support/places.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
/**
 * 1.4 MB of it are the program with the packages that it bundles; 0.5 MB are the screen of `ipc top` with Ink and React,
 * and their licences; 0.3 MB are the clients of NATS.
 */
const unpackedBytesMax = 4_000_000;

const above = mkdtempSync(join(tmpdir(), 'ipc-pack-'));
const project = join(above, 'project');
after(() => rmSync(above, { recursive: true, force: true }));

const packed = pack();
const installed = packed.then(install);

test('the package has exactly the files that ship, in less than 4 MB', async () => {
  const { files, unpackedSize } = await packed;
  const shown = new Set(
    files.map(({ path }) =>
      path
        .replace(/^(dist\/types|dist\/skills)\/.*/, '$1/')
        .replace(/^dist\/chunk-\w+\.cjs$/, 'dist/chunk-*.cjs'),
    ),
  );
  assert.deepEqual([...shown].sort(), [
    'LICENSE',
    'README.md',
    'dist/.claude-plugin/marketplace.json',
    'dist/.claude-plugin/plugin.json',
    'dist/.codex-plugin/plugin.json',
    'dist/.mcpbignore',
    'dist/GEMINI.md',
    'dist/LICENSES',
    'dist/README.md',
    'dist/chunk-*.cjs',
    'dist/claude-hooks.json',
    'dist/gemini-extension.json',
    'dist/index.mjs',
    'dist/ipc.js',
    'dist/manifest.json',
    'dist/mcp.cjs',
    'dist/nats.mjs',
    'dist/opencode/agent-ipc.js',
    'dist/opencode/package.json',
    'dist/package.json',
    'dist/program.cjs',
    'dist/server.json',
    'dist/skills/',
    'dist/top.mjs',
    'dist/types/',
    'dist/ui/icon.svg',
    'dist/ui/index.html',
    'dist/ui/page.css',
    'dist/ui/page.js',
    'dist/wake.cjs',
    'package.json',
  ]);
  assert.ok(unpackedSize < unpackedBytesMax, `${unpackedSize} bytes`);
});

test('the licences of bundled packages are included', () => {
  const parts = readFileSync(join(root, 'dist/LICENSES'), 'utf8').split(`\n${'-'.repeat(80)}\n\n`);
  const names = parts.map((part) => part.split('\n')[0]);
  assert.deepEqual(names, [
    'agent-ipc',
    '@alcalzone/ansi-tokenize',
    'ansi-styles',
    '@modelcontextprotocol/core',
    '@modelcontextprotocol/server',
    '@nats-io/jetstream',
    '@nats-io/nats-core',
    '@nats-io/nkeys',
    '@nats-io/nuid',
    '@nats-io/transport-node',
    '@preact/signals',
    '@preact/signals-core',
    'ansi-escapes',
    'ansi-regex',
    'auto-bind',
    'chalk',
    'cli-boxes',
    'cli-cursor',
    'cli-truncate',
    'code-excerpt',
    'commander',
    'convert-to-spaces',
    'environment',
    'es-toolkit',
    'escape-string-regexp',
    'get-east-asian-width',
    'indent-string',
    'ink',
    'is-fullwidth-code-point',
    'is-in-ci',
    'jsonc-parser',
    'mimic-fn',
    'onetime',
    'patch-console',
    'preact',
    'quick-lru',
    'react',
    'react-reconciler',
    'restore-cursor',
    'scheduler',
    'signal-exit',
    'slice-ansi',
    'smol-toml',
    'stack-utils',
    'string-width',
    'strip-ansi',
    'terminal-size',
    'tweetnacl',
    'uplot',
    'widest-line',
    'wrap-ansi',
    'yoga-layout',
    'zod',
  ]);
  for (const part of parts) assert.match(part, /Copyright|Apache License|public domain/);
});

test('npm installs the package alone, and needs no registry', async () => {
  await installed;
  const packages = readdirSync(join(project, 'node_modules')).filter((name) => /^[@\w]/.test(name));
  assert.deepEqual(packages, ['agent-ipc']);
});

test('the program runs from there', async () => {
  await installed;
  const env = { IPC_HOME: join(above, 'home'), IPC_PORT: `${await freePort()}` };
  const ipc = async (...args: string[]) =>
    (await run('npx', ['--no', '--', 'ipc', ...args], env)).stdout;
  assert.equal(await ipc('--version'), `${readJson('package.json').version}\n`);
  await ipc('post', 'ann', 'hello');
  assert.equal(await ipc('wait', 'ann'), 'hello');
});

test('the MCP server starts from there as server.json says', async (context) => {
  await installed;
  const place = await hostPlace(context);
  const [{ identifier, packageArguments }] = readJson('dist/server.json').packages;
  const words = packageArguments.map(({ value }: { value: string }) => value);
  await speak(place, { command: 'npx', args: ['--no', '--', identifier, ...words], cwd: project });
});

test('the library runs from there, and its types compile', async () => {
  await installed;
  writeFileSync(join(project, 'use.ts'), consumer);
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const types = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node'];
  const settings = ['--strict', '--module', 'nodenext', '--target', 'es2023'];
  await run(process.execPath, [tsc, ...types, ...settings, 'use.ts']);
  const env = { IPC_HOME: join(above, 'home'), IPC_PORT: `${await freePort()}` };
  const { stdout } = await run(process.execPath, ['use.js'], env);
  assert.equal(stdout, 'bad_name\nhello no_such_code from ben\n');
});

const consumer = `
import { type AgentMail, type ErrorCode, errorTable, IpcError, type Message, open } from 'agent-ipc';

const mail: AgentMail = await open({ name: 'ben' });
try {
  await mail.post('', 'nobody');
} catch (error) {
  const code: ErrorCode | undefined = error instanceof IpcError ? error.code : undefined;
  if (code !== undefined && code in errorTable) console.log(code);
}
await mail.post('ann', 'hello');
const message: Message | undefined = await mail.wait('ann', { timeoutMs: 5_000 });
// @ts-expect-error: there is no such code
const wrong: ErrorCode = 'no_such_code';
// @ts-expect-error: it is text
const count: number | undefined = message?.text;
console.log(count, wrong, 'from', message?.from);
await message?.settle();
await mail.close();
`;

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** Packs the existing build: other tests run it at the same time, so it must not be built again. */
async function pack(): Promise<Packed> {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', above];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: root });
  return JSON.parse(stdout)[0];
}

async function install({ filename }: Packed): Promise<void> {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  await run('npm', ['install', join(above, filename), '--offline', '--no-audit']);
}

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return promisify(execFile)(command, args, { cwd: project, env: { ...process.env, ...env } });
}

function readJson(path: string) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}
