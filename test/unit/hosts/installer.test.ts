// The effect of `ipc install` and `ipc uninstall` on a host's file, byte for byte.
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findEntries } from '../../../src/hosts/entries.ts';
import {
  type Direction,
  findTarget,
  hasPlugin,
  perform,
  plan,
} from '../../../src/hosts/installer.ts';
import type { ConfigFolders } from '../../../src/hosts/targets.ts';
import { makeHome } from '../../support/places.ts';

const server = { command: 'node', args: ['ipc.js', 'mcp'] };
const cursor = findTarget('cursor');

/** The text of a file of Cursor after `ipc install` or `ipc uninstall`. */
async function edited(context: TestContext, direction: Direction, before: string): Promise<string> {
  const { folders, path } = await cursorFile(context, before);
  const step = await plan(direction, cursor, 'user', server, folders);
  assert(step);
  await perform(step);
  return fs.readFile(path, 'utf8');
}

async function cursorFile(context: TestContext, content: string) {
  const home = await makeHome(context);
  const platform = process.platform;
  const folders: ConfigFolders = {
    home,
    project: home,
    claude: home,
    codex: home,
    config: home,
    platform,
  };
  const path = join(home, '.cursor', 'mcp.json');
  await fs.mkdir(dirname(path));
  await fs.writeFile(path, content);
  return { folders, path, home };
}

/** As it is laid out in `mcpServers`, in a file that is indented by two spaces. */
const entry = `    "ipc": {
      "command": "node",
      "args": [
        "ipc.js",
        "mcp"
      ]
    }`;

const files: Readonly<Record<string, readonly [before: string, after: string]>> = {
  'a comment beside the last entry stays beside it': [
    '{\n  "mcpServers": {\n    "other": {} // mine\n  }\n}\n',
    `{\n  "mcpServers": {\n    "other": {}, // mine\n${entry}\n  }\n}\n`,
  ],
  'so does one after a trailing comma, and then ours has one as well': [
    '{\n  "mcpServers": {\n    "other": {}, /* a, b */ // mine\n  },\n}\n',
    `{\n  "mcpServers": {\n    "other": {}, /* a, b */ // mine\n${entry},\n  },\n}\n`,
  ],
  'comments on lines of their own stay before ours': [
    '{\n  "mcpServers": {\n    "other": {}\n    // "old": {},\n    /* and\n       so on */\n  }\n}\n',
    `{\n  "mcpServers": {\n    "other": {},\n    // "old": {},\n    /* and\n       so on */\n${entry}\n  }\n}\n`,
  ],
  'a comment in an object with no entry stays': [
    '{\n  "other": 1,\n  "mcpServers": { // none yet\n  }\n}\n',
    `{\n  "other": 1,\n  "mcpServers": { // none yet\n${entry}\n  }\n}\n`,
  ],
  'an empty object gets our entry': [
    '{\n  "other": 1,\n  "mcpServers": {}\n}\n',
    `{\n  "other": 1,\n  "mcpServers": {\n${entry}\n  }\n}\n`,
  ],
  'the object of all entries is added where there is none': [
    '{\n  "other": 1 // mine\n}\n',
    `{\n  "other": 1, // mine\n  "mcpServers": {\n${entry}\n  }\n}\n`,
  ],
};

for (const [what, [before, after]] of Object.entries(files)) {
  test(`install: ${what}`, async (context) => {
    assert.equal(await edited(context, 'install', before), after);
  });
}

for (const what of [
  'a comment beside the last entry stays beside it',
  'so does one after a trailing comma, and then ours has one as well',
  'comments on lines of their own stay before ours',
  'the object of all entries is added where there is none',
]) {
  const [before, after] = files[what] ?? [];
  test(`uninstall undoes install: ${what}`, async (context) => {
    assert.equal(await edited(context, 'uninstall', after ?? ''), before);
  });
}

test('uninstall removes our entry in front of others, and between them', async (context) => {
  const [first, middle] = [
    `{\n  "mcpServers": {\n${entry},\n    "other": {} // mine\n  }\n}\n`,
    `{\n  "mcpServers": {\n    "one": {}, // mine\n${entry},\n    // his\n    "two": {}\n  }\n}\n`,
  ];
  assert.equal(
    await edited(context, 'uninstall', first),
    '{\n  "mcpServers": {\n    "other": {} // mine\n  }\n}\n',
  );
  assert.equal(
    await edited(context, 'uninstall', middle),
    '{\n  "mcpServers": {\n    "one": {}, // mine\n    // his\n    "two": {}\n  }\n}\n',
  );
});

test('uninstall leaves what follows our entry on its line outside a line comment before it', async (context) => {
  const before = '{\n  "mcpServers": {\n    // his\n    "ipc": {}, "two": {} }\n}\n';
  const after = '{\n  "mcpServers": {\n    // his\n     "two": {} }\n}\n';
  assert.equal(await edited(context, 'uninstall', before), after);
  assert.equal(
    await edited(context, 'uninstall', '{ // mine\n  "mcpServers": {"ipc": {}} }\n'),
    '{ // mine\n   }\n',
  );
});

const codex = findTarget('codex');
const codexFiles: Readonly<Record<string, 'has ipc' | 'has none'>> = {
  '[mcp_servers.ipc]\nargs = ["ipc.js", "mcp"]\n': 'has ipc',
  '[mcp_servers."ipc"]\nargs = ["ipc.js", "mcp"]\n': 'has ipc',
  "[ mcp_servers . 'ipc' ] # mine\nargs = ['ipc.js', 'mcp']\n": 'has ipc',
  'mcp_servers.ipc.args = ["ipc.js", "mcp"]\n': 'has ipc',
  '[mcp_servers]\nipc = { command = "node", args = ["ipc.js", "mcp"] }\n': 'has ipc',
  '\ufeff[mcp_servers.ipc]\r\nargs = ["ipc.js", "mcp"]\r\n': 'has ipc',
  '[mcp_servers.ipc]\nargs = ["ipc.js", "mcp"]\ntool_timeout_sec = 9223372036854775807\n':
    'has ipc',
  'model_auto_compact_token_limit = 9223372036854775807\n': 'has none',
  '# [mcp_servers.ipc]\n': 'has none',
  'notes = """\n[mcp_servers.ipc]\n"""\n': 'has none',
  '[mcp_servers.ipc2]\n': 'has none',
};

test("each way in which Codex's file may name ipc is found, and a comment is not", async (context) => {
  const { folders, home } = await cursorFile(context, '');
  for (const [text, expected] of Object.entries(codexFiles)) {
    await fs.writeFile(join(home, 'config.toml'), text);
    assert.equal((await findEntries(codex, folders)).length, expected === 'has ipc' ? 1 : 0, text);
    const step = await plan('uninstall', codex, 'user', server, folders);
    const words = expected === 'has ipc' ? ['codex', 'mcp', 'remove', 'ipc'] : undefined;
    assert.deepEqual(step && step.kind === 'run' ? step.words : step, words, text);
    const install = await plan('install', codex, 'user', server, folders);
    assert.equal(install?.kind, expected === 'has ipc' ? undefined : 'run', text);
  }
});

test('a file of Codex that is not TOML is refused', async (context) => {
  const { folders, home } = await cursorFile(context, '');
  const path = join(home, 'config.toml');
  await fs.writeFile(path, '[mcp_servers.ipc\n');
  await assert.rejects(plan('install', codex, 'user', server, folders), {
    code: 'host_unusable',
    message: `${path} is not valid TOML, and was not touched`,
  });
});

test('a plugin that is on is found, in JSON and in TOML', async (context) => {
  const { folders, home } = await cursorFile(context, '');
  const cases = [
    ['codex', 'config.toml', 'plugins."agent-ipc@here" = { enabled = true }\n', true],
    ['codex', 'config.toml', '[plugins."agent-ipc@here"]\nenabled = false\n', false],
    ['codex', 'config.toml', '[plugins."other@here"]\nenabled = true\n', false],
    ['claude', '.claude/settings.json', '{"enabledPlugins": {"agent-ipc@here": true}}', true],
    ['claude', '.claude/settings.json', '{"enabledPlugins": {"agent-ipc@here": false}}', false],
    ['claude', '.claude/settings.json', '{"other": {"agent-ipc@here": true}}', false],
  ] as const;
  await fs.mkdir(join(home, '.claude'));
  for (const [host, file, text, expected] of cases) {
    await fs.writeFile(join(home, file), text);
    assert.equal(await hasPlugin(findTarget(host), folders), expected, text);
  }
});

test('a file that cannot be replaced stays as it is, and nothing is left beside it', async (context) => {
  const { folders, path } = await cursorFile(context, '{}');
  const step = await plan('install', cursor, 'user', server, folders);
  assert(step);
  const busy = Object.assign(new Error('EBUSY: rename'), { code: 'EBUSY' });
  const rename = context.mock.method(fs, 'rename', () => Promise.reject(busy));
  syncBuiltinESMExports();
  context.after(() => {
    rename.mock.restore();
    syncBuiltinESMExports();
  });
  const message = `${path}: EBUSY: rename`;
  await assert.rejects(perform(step), { code: 'host_unusable', message });
  assert.equal(rename.mock.callCount(), 1);
  assert.deepEqual(await fs.readdir(dirname(path)), ['mcp.json']);
  assert.equal(await fs.readFile(path, 'utf8'), '{}');
});
