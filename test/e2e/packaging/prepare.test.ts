// npm builds the program in a fresh clone: after `npm ci`, and for `npm install CLONE`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeHome } from '../../support/places.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const run = promisify(execFile);

test('`npm install CLONE` builds the clone, so that the library can be imported', async (context) => {
  const { clone, project } = await places(context, /^(\.git|\.ci|dist.*)$/);
  await run('npm', ['install', '--offline', '--no-audit', clone], { cwd: project });
  const text = `import { open } from 'agent-ipc'; console.log(typeof open);`;
  const { stdout } = await run('node', ['--input-type=module', '-e', text], { cwd: project });
  assert.equal(stdout, 'function\n');
  const built = statSync(join(clone, 'dist')).mtimeMs;
  await run('npm', ['run', 'prepare'], { cwd: clone });
  assert.equal(statSync(join(clone, 'dist')).mtimeMs, built, 'a fresh build is not made again');
});

test('without dev dependencies `npm ci` does not build, and does not fail', async (context) => {
  const { clone } = await places(context, /^(\.git|\.ci|node_modules|dist.*)$/);
  const { stderr } = await run('npm', ['ci', '--omit=dev', '--offline', '--foreground-scripts'], {
    cwd: clone,
  });
  assert.match(stderr, /not built, because there are no dev dependencies: run `npm run build`/);
  assert.equal(existsSync(join(clone, 'dist')), false);
});

/** A copy of this clone without some of its folders, and an empty project. */
async function places(context: TestContext, skipped: RegExp) {
  const folder = join(await makeHome(context), 'folder');
  const [clone, project] = [join(folder, 'clone'), join(folder, 'project')];
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, 'package.json'), '{"private":true}');
  cpSync(root, clone, {
    recursive: true,
    preserveTimestamps: true,
    // A copy that shared packages with this clone could empty its folder.
    filter: (path) => !skipped.test(relative(root, path).split('/')[0] ?? ''),
  });
  return { clone, project };
}
