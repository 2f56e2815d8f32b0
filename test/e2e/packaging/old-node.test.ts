// Real programs of older Nodes, which `npm install --prefix .ci/tools` fetches: everything that a host or a
// person can start says one sentence there, and no error of a syntax or a module that it lacks.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { program } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';
import { toolsFolder } from '../../support/processes/tools.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const versions = { 14: 'v14.21.3', 16: 'v16.20.2', 18: 'v18.20.8' } as const;

function fetched(major: string): string {
  const path = join(toolsFolder, `node-${major}/bin/node`);
  return existsSync(path) ? realpathSync(path) : path;
}

for (const [major, version] of Object.entries(versions)) {
  const node = fetched(major);
  const skip = existsSync(node) ? false : '`npm install --prefix .ci/tools` fetches it';
  const sentence = `agent-ipc needs Node 20.15 or newer; this is ${version}, at ${node}\n`;
  const run = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(node, args, { cwd: root, encoding: 'utf8' });
    return { status, stdout, stderr };
  };

  test(`on Node ${major} the program names in one sentence the Node that it needs`, {
    skip,
  }, () => {
    for (const args of [['mcp'], ['post', 'ann', 'hi'], ['--version'], ['doctor']]) {
      const expected = { status: 1, stdout: '', stderr: `ipc: ${sentence}` };
      assert.deepEqual(run(program, ...args), expected);
    }
  });

  test(`on Node ${major} the copy of a plugin says the same`, { skip }, async (context) => {
    const folder = join(await makeHome(context), 'copy');
    cpSync(join(root, 'dist'), folder, { recursive: true });
    const expected = { status: 1, stdout: '', stderr: `ipc: ${sentence}` };
    assert.deepEqual(run(join(folder, 'ipc.js'), 'mcp'), expected);
  });

  test(`on Node ${major} every script of the clone says the same`, { skip }, () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const [name, line] of Object.entries<string>(scripts)) {
      const [first = '', script = '', ...args] = (line.split(' && ')[0] ?? '').split(' ');
      assert.deepEqual([first, script], ['node', 'scripts/run.js'], name);
      assert.deepEqual(run(script, ...args), { status: 1, stdout: '', stderr: sentence }, name);
    }
  });
}

test('on Node 18 the import of the library fails with the same sentence', (context) => {
  const node = fetched('18');
  if (!existsSync(node)) return context.skip('`npm install --prefix .ci/tools` fetches it');
  const library = pathToFileURL(join(root, 'dist/index.mjs')).href;
  const code = `import('${library}').catch((error) => console.log(error.message))`;
  const { stdout } = spawnSync(node, ['-e', code], { encoding: 'utf8' });
  assert.equal(stdout, `agent-ipc needs Node 20.15 or newer; this is v18.20.8, at ${node}\n`);
});
