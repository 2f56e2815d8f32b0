// The build leaves program.cjs compiled beside it, for the Node that ran the build.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { atTerminal, noTerminal, showsAndEnds } from '../../support/processes/pseudo-terminal.ts';
import { shell } from '../../support/processes/shell.ts';

const dist = dirname(program);
const names = ['program', 'owner', 'commands'] as const;
const compiledHere = (name: (typeof names)[number]) => `${name}.cjs was compiled here\n`;

/** Runs the program of a copied build with these changes to it, and returns what it writes. */
async function run(context: TestContext, args: readonly string[], change: (build: string) => void) {
  const port = await freePort();
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
      const [name] = /(program|owner|commands)\\.cjs$/.exec(path) ?? [];
      if (name !== undefined) process.stderr.write(name + ' was compiled here\\n');
      return compile.apply(this, arguments);
    };`,
  );
  const words = ['--require', reporter, join(build, 'ipc.js'), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    env: {
      PATH: process.env.PATH,
      HOME: above,
      IPC_HOME: join(above, 'home'),
      IPC_PORT: `${port}`,
    },
    encoding: 'utf8',
    input: '',
  });
  return { status, stdout, stderr };
}

/** Without program.cache, no other cache is taken either. */
const allHere = compiledHere('program') + compiledHere('commands');

const { version } = JSON.parse(readFileSync(join(dist, '../package.json'), 'utf8'));
const answer = { status: 0, stdout: `${version}\n` };
const post = ['post', 'ann', 'hello', '--from', 'ben'];
const stored = { status: 0, stdout: 'Stored as #1 in "ann"; no reader is waiting there.\n' };
const next = 'Next: ipc wait ben\n';

test('the build has left the program compiled', () => {
  for (const name of names) {
    const cache = join(dist, `${name}.cache`);
    assert(existsSync(cache), `there is no ${cache}: \`npm run build\` says why`);
  }
});

test('the program that the build has compiled is taken', async (context) => {
  const result = await run(context, ['--version'], () => {});
  assert.deepEqual(result, { ...answer, stderr: '' });
});

test('a post without a broker takes all of its code compiled', async (context) => {
  const result = await run(context, post, () => {});
  assert.deepEqual(result, { ...stored, stderr: next });
});

test('without owner.cjs and commands.cjs, as in a package, that code is taken from its chunks', async (context) => {
  for (const line of [post, ['post', 'ann', 'hello', '--from=ben']]) {
    const result = await run(context, line, (build) => {
      for (const name of ['owner', 'commands']) rmSync(join(build, `${name}.cjs`));
    });
    assert.deepEqual(result, { ...stored, stderr: next });
  }
});

/** What may be wrong with a compiled file. */
function changesOf(name: (typeof names)[number]): ((build: string) => void)[] {
  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(path, bytes);
  };
  return [
    (build) => rmSync(join(build, `${name}.cache`)),
    (build) => flip(join(build, `${name}.cache`), 50_000),
    (build) => writeFileSync(join(build, `${name}.cache`), ''),
    // A line that ends otherwise changes what the program is, and not how long.
    (build) => {
      const path = join(build, `${name}.cjs`);
      writeFileSync(path, readFileSync(path, 'utf8').replace(/\n$/, ' '));
    },
  ];
}

test('without it, or with a byte of it or of the program changed, the program is compiled at its start', async (context) => {
  for (const change of changesOf('program')) {
    const result = await run(context, ['--version'], change);
    assert.deepEqual(result, { ...answer, stderr: allHere });
  }
});

test('the same of the code that owns a broker, when a post needs it', async (context) => {
  for (const change of changesOf('owner')) {
    const result = await run(context, post, change);
    assert.deepEqual(result, { ...stored, stderr: compiledHere('owner') + next });
  }
});

test('the same of the code that splits other lines', async (context) => {
  const other = ['post', 'ann', 'hello', '--from=ben'];
  const result = await run(context, other, () => {});
  assert.deepEqual(result, { ...stored, stderr: next });
  for (const change of changesOf('commands')) {
    const result = await run(context, other, change);
    assert.deepEqual(result, { ...stored, stderr: compiledHere('commands') + next });
  }
});

test('it is not taken on another system', async (context) => {
  const result = await run(context, ['--version'], (build) => {
    const path = join(build, 'ipc.js');
    const elsewhere = `Object.defineProperty(process, 'platform', { value: 'sunos' });`;
    writeFileSync(path, readFileSync(path, 'utf8').replace('\n', `\n${elsewhere}\n`));
  });
  assert.deepEqual(result, { ...answer, stderr: allHere });
});

test('it can ask a question at a terminal', { skip: noTerminal }, async (context) => {
  const sh = await shell(context);
  await sh.run(['post', 'ann', 'hello', '--from', 'ben']);
  const terminal = atTerminal(sh, 'ipc drop ann', null);
  const ended = showsAndEnds(terminal, /Nothing was dropped\./);
  terminal.stdin?.write('n\n');
  await ended;
});

test('its stack traces name the file as it is called now', async (context) => {
  const reporter = join(await makeHome(context), 'reporter.cjs');
  writeFileSync(
    reporter,
    `const { write } = process.stdout;
    process.stdout.write = function (...args) {
      process.stderr.write(new Error('written').stack + '\\n');
      return write.apply(this, args);
    };`,
  );
  const words = ['--require', reporter, program, '--version'];
  const { stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  const files = Array.from(stderr.matchAll(/\(([^()\n]+program\.cjs):/g), ([, file]) => file);
  assert.deepEqual([...new Set(files)], [join(dist, 'program.cjs')], stderr);
});

test('no part of the program is loaded twice if its folder is a symbolic link', async (context) => {
  const home = await makeHome(context);
  const link = join(home, 'link');
  symlinkSync(dist, link);
  const ipc = [join(link, 'ipc.js'), 'log', '--since', 'bogus'];
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    IPC_HOME: home,
    IPC_PORT: `${await freePort()}`,
  };
  for (const option of ['--preserve-symlinks-main', '--preserve-symlinks']) {
    const options = { env, encoding: 'utf8', input: '' } as const;
    const { stderr } = spawnSync(process.execPath, [option, ...ipc], options);
    assert.match(stderr, /^ipc: bad_parameter: since is "bogus"/, option);
  }
});

/** Compiles a copied build in this folder, after what `before` does there. */
function compileIn(folder: string, before = '') {
  cpSync(dist, folder, { recursive: true });
  for (const name of names) rmSync(join(folder, `${name}.cache`), { force: true });
  const part = new URL('../../../scripts/build/compiled-program.js', import.meta.url);
  const code = `${before}
    const { compileProgram } = await import('${part}');
    const made = await compileProgram('${folder}', '${folder}');
    console.log(made === undefined ? 'none' : 'made');`;
  const words = ['--input-type=module', '-e', code];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  return {
    stdout,
    stderr,
    caches: names.filter((name) => existsSync(join(folder, `${name}.cache`))),
  };
}

test('the program is compiled in a deep folder, into which others can write', async (context) => {
  const above = join(await makeHome(context), 'a-long-name-of-a-folder/'.repeat(5));
  mkdirSync(above, { recursive: true });
  chmodSync(above, 0o777);
  const result = compileIn(join(above, 'dist'));
  assert.deepEqual(result, {
    stdout: 'made\n',
    stderr: '',
    caches: ['program', 'owner', 'commands'],
  });
});

test('where no process may listen the build says that it leaves none', async (context) => {
  const above = await makeHome(context);
  const { stdout, stderr, caches } = compileIn(
    join(above, 'dist'),
    `const { Server } = await import('node:net');
    Server.prototype.listen = function () {
      process.nextTick(() => this.emit('error', new Error('listen EPERM')));
      return this;
    };`,
  );
  assert.deepEqual([stdout, caches], ['none\n', []]);
  assert.equal(stderr, 'no program.cache was made: listen EPERM\n');
});

test('of two builds at once neither fails, and no folder is left', async (context) => {
  const folder = await makeHome(context);
  const part = new URL('../../../scripts/build.js', import.meta.url);
  const code = `
    const { writeFileSync } = await import('node:fs');
    const { replaceFolder } = await import('${part}');
    for (let round = 0; round < 100; round++)
      await replaceFolder('${folder}/dist', async (aside) => {
        for (let file = 0; file < 20; file++) writeFileSync(aside + '/' + file, '');
      });`;
  const builds = [1, 2].map(() => spawn(process.execPath, ['--input-type=module', '-e', code]));
  const codes = await Promise.all(builds.map(async (build) => (await once(build, 'exit'))[0]));
  assert.deepEqual(codes, [0, 0]);
  assert.deepEqual(readdirSync(folder), ['dist']);
});
