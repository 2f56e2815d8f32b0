import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stableNode } from '../../../src/hosts/node-command.ts';
import { makeHome } from '../../support/places.ts';

/** Each file is a link to this Node, or a script of one line. */
async function files(context: TestContext, given: Readonly<Record<string, 'this' | string>>) {
  const folder = await makeHome(context);
  for (const [name, line] of Object.entries(given)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    if (line === 'this') await symlink(process.execPath, path);
    else await writeFile(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  }
  const paths = Object.keys(given).map((name) => join(folder, name));
  return { chosen: stableNode(paths).replace(`${folder}/`, ''), folder };
}

test('a path that names a version, or belongs to one shell, is passed over for one that lasts', async (context) => {
  for (const passing of [
    '.nvm/versions/node/v20.15.0/bin/node',
    'run/fnm_multishells/123_456/bin/node',
    'Cellar/node/22.1.0/bin/node',
    'Cellar/node@20/20.15.0_1/bin/node',
  ]) {
    const { chosen } = await files(context, { [passing]: 'this', 'homebrew/bin/node': 'this' });
    assert.equal(chosen, 'homebrew/bin/node', passing);
  }
});

test('the script of a version manager will do if it starts a new enough Node without the PATH of the shell', async (context) => {
  const { chosen } = await files(context, {
    'old/node': 'echo v18.20.8',
    'older/node': 'echo v20.14.9',
    'asdf/shims/node': 'exec no-such-program-asdf',
    '.volta/bin/node': 'echo v22.1.0',
  });
  assert.equal(chosen, '.volta/bin/node');
});

test('where nothing lasts, this Node is named by its own path', async (context) => {
  const { chosen } = await files(context, {
    'v20.15.0/bin/node': 'this',
    'old/node': 'echo v18.0.0',
  });
  assert.equal(chosen, process.execPath);
});
