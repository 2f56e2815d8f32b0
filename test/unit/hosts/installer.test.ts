// The bytes that `ipc install` and `ipc uninstall` leave in a host's file.
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Direction, findTarget, perform, plan } from '../../../src/hosts/installer.ts';
import type { ConfigFolders } from '../../../src/hosts/targets.ts';
import { makeHome } from '../../support/places.ts';

const server = { command: 'node', args: ['ipc.js', 'mcp'] };
const cursor = findTarget('cursor');

/** Runs one of both on a file of Cursor; undefined when there is nothing to do. */
async function edited(context: TestContext, direction: Direction, before: string): Promise<string> {
  const { places, path } = await cursorFile(context, before);
  const step = await plan(direction, cursor, 'user', server, places);
  assert(step);
  await perform(step);
  return fs.readFile(path, 'utf8');
}

async function cursorFile(context: TestContext, content: string) {
  const home = await makeHome(context);
  const platform = process.platform;
  const places: ConfigFolders = {
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
  return { places, path };
}

/** As it is laid out in a file of two blanks, in `mcpServers`. */
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
  'so does one behind a comma, and ours has a comma as well then': [
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
  'an object with nothing in it is opened': [
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
  'so does one behind a comma, and ours has a comma as well then',
  'comments on lines of their own stay before ours',
  'the object of all entries is added where there is none',
]) {
  const [before, after] = files[what] ?? [];
  test(`uninstall takes back what install did: ${what}`, async (context) => {
    assert.equal(await edited(context, 'uninstall', after ?? ''), before);
  });
}

test('uninstall takes our entry out from before others, and from the middle', async (context) => {
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

test('a file that cannot be replaced stays as it is, and nothing is left beside it', async (context) => {
  const { places, path } = await cursorFile(context, '{}');
  const step = await plan('install', cursor, 'user', server, places);
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
