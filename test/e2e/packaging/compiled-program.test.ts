// The build leaves program.cjs compiled beside it, for the Node that ran the build.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { makeHome } from '../../support/places.ts';

const dist = dirname(program);
const required = 'program.cjs was compiled here';

/** Runs the program of a copied build with these changes to it, and returns what it writes. */
async function run(context: TestContext, args: readonly string[], change: (build: string) => void) {
  const above = await makeHome(context);
  const build = join(above, 'dist');
  cpSync(dist, build, { recursive: true });
  change(build);
  // Node asks this function for each file that it compiles itself.
  const reporter = join(above, 'reporter.cjs');
  writeFileSync(
    reporter,
    `const { prototype } = require('node:module');
    const compile = prototype._compile;
    prototype._compile = function (code, path) {
      if (path.endsWith('program.cjs')) process.stderr.write(${JSON.stringify(`${required}\n`)});
      return compile.apply(this, arguments);
    };`,
  );
  const words = ['--require', reporter, join(build, 'ipc.js'), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    env: { PATH: process.env.PATH, HOME: above, IPC_HOME: join(above, 'home') },
    encoding: 'utf8',
    input: '',
  });
  return { status, stdout, stderr };
}

const { version } = JSON.parse(readFileSync(join(dist, '../package.json'), 'utf8'));
const answer = { status: 0, stdout: `${version}\n` };

test('the program that the build has compiled is taken', async (context) => {
  const result = await run(context, ['--version'], () => {});
  assert.deepEqual(result, { ...answer, stderr: '' });
});

test('without it, or with a byte of it or of the program changed, the program is compiled at its start', async (context) => {
  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(path, bytes);
  };
  const changes = [
    (build: string) => rmSync(join(build, 'program.cache')),
    (build: string) => flip(join(build, 'program.cache'), 200_000),
    (build: string) => writeFileSync(join(build, 'program.cache'), ''),
    // A line that ends otherwise changes what the program is, and not how long.
    (build: string) => {
      const path = join(build, 'program.cjs');
      writeFileSync(path, readFileSync(path, 'utf8').replace(/\n$/, ' '));
    },
  ];
  for (const change of changes) {
    const result = await run(context, ['--version'], change);
    assert.deepEqual(result, { ...answer, stderr: `${required}\n` });
  }
});
