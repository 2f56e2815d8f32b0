// ipc.js, which starts the program, and program.cache, owner.cache and commands.cache: program.cjs, owner.cjs and
// commands.cjs as V8 has compiled them for the Node that runs the build. The caches do not ship.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { nodeFault } from '../node-version.js';

/** V8 refuses what was made with other flags. */
const thisNode = () => [process.version, process.platform, process.arch].join(' ');

/**
 * The files that are compiled, without their endings, each with the line that is run for it. The last line is not plain,
 * so commander splits it.
 */
const lines = {
  program: ['post', 'warm', 'x', '--from', 'build'],
  owner: ['post', 'warm', 'x', '--from', 'build'],
  commands: ['post', 'warm', 'x', '--from=build'],
};
const compiledNames = /** @type {(keyof typeof lines)[]} */ (Object.keys(lines));

/**
 * Any Node from 12 on can read it, and prints one sentence if it is too old for the rest. `made`: what the build has
 * compiled; another Node compiles the files itself.
 * @param {{ by: string; sums: Record<string, number> } | undefined} made
 */
export const entry = (made) => `#!/usr/bin/env node
const fault = (${nodeFault})();
const made = ${JSON.stringify(made ?? {})};
const [, , command, option] = process.argv;
const words = process.argv.length - 2;
if (fault === undefined) {
  const isHook = command === 'wake' && option === '--for' && words === 3;
  const name = isHook ? 'wake' : command === 'mcp' && words === 1 ? 'mcp' : 'program';
  const run = name === 'program' && made.by === (${thisNode})() && compiled(name);
  if (run) {
    load.resolve = require.resolve;
    load.cache = require.cache;
    run(module, load, __dirname);
  } else require('./' + name + '.cjs');
} else {
  process.stderr.write('ipc: ' + fault + '\\n');
  process.exitCode = 1;
}

/* The \`require\` of program.cjs. */
function load(file) {
  const name = file.slice('./'.length, -'.cjs'.length);
  const run = name in made.sums && compiled(name);
  if (!run) return require(file);
  const loaded = {};
  run(loaded, load, __dirname);
  return loaded.exports;
}

/* undefined when a byte of the two files is not as it was made: V8 does not look, and would run what is there. */
function compiled(name) {
  const { readFileSync } = require('fs');
  const { crc32 } = require('zlib');
  const filename = __dirname + '/' + name + '.cjs';
  let source, cachedData;
  try {
    /* It comes first: a package has none. */
    cachedData = readFileSync(__dirname + '/' + name + '.cache');
    source = readFileSync(filename);
  } catch (error) {
    return undefined;
  }
  if (crc32(cachedData, crc32(source)) !== made.sums[name]) return undefined;
  return ${scriptOf('source')}.runInThisContext();
}
`;

/** The code that makes a script of one of the files. `source`: the variable with its bytes. */
function scriptOf(/** @type {string} */ source) {
  return `new (require('vm').Script)('(function (module, require, __dirname) {' + ${source} + '\\n})', {
    filename,
    cachedData,
  })`;
}

/**
 * The code that posts and compiles one file, because only functions that have run are in a cache.
 * @param {keyof typeof lines} compiled @param {string} folder
 * @param {string} finalFolder of it are the names that stack traces will have, which V8 keeps in the caches
 */
const warmUp = (compiled, folder, finalFolder) => `
const { readFileSync, writeFileSync } = require('fs');
const folder = ${JSON.stringify(folder)};
const finalFolder = ${JSON.stringify(finalFolder)};
const required = require('module').createRequire(folder + '/program.cjs');
let compiled;
function load(file) {
  const name = file.slice('./'.length, -'.cjs'.length);
  if (!${JSON.stringify(compiledNames)}.includes(name)) return required(file);
  const filename = finalFolder + '/' + name + '.cjs';
  const source = readFileSync(folder + '/' + name + '.cjs');
  const cachedData = undefined;
  const script = ${scriptOf('source')};
  if (name === '${compiled}') compiled = script;
  const loaded = {};
  script.runInThisContext()(loaded, load, folder);
  return loaded.exports;
}
load.resolve = required.resolve;
load.cache = required.cache;
process.on('exit', (code) => {
  if (code !== 0) return;
  writeFileSync(folder + '/${compiled}.cache', compiled.createCachedData());
});
process.argv.push(...${JSON.stringify(lines[compiled])});
load('./program.cjs');
`;

/** The warm-up takes a second on a busy machine. */
const warmUpMsMax = 20_000;

/**
 * Makes program.cache, owner.cache and commands.cache, which spare a process that posts the time to compile: posts are
 * made here, each with a state folder of its own. Where that is not possible, as in a sandbox without network, there are
 * no caches.
 * @param {string} folder @param {string} finalFolder its name after the build
 */
export async function compileProgram(folder, finalFolder) {
  /** @type {[string, number][]} */
  const sums = [];
  for (const name of compiledNames) {
    const code = warmUp(name, folder, finalFolder);
    const fault = await postTwice(code).catch(({ message }) => message);
    const [file, cache] = [join(folder, `${name}.cjs`), join(folder, `${name}.cache`)];
    if (!existsSync(cache)) {
      process.stderr.write(`no ${name}.cache was made: ${fault}\n`);
      return undefined;
    }
    sums.push([name, zlib.crc32(readFileSync(cache), zlib.crc32(readFileSync(file)))]);
  }
  return { by: thisNode(), sums: Object.fromEntries(sums) };
}

/**
 * Runs this code twice, so that the second post replays the first, and returns the reason if that fails.
 * @param {string} code
 */
async function postTwice(code) {
  // Not in the clone: the path of a socket must be short, and others may be able to write there.
  const home = mkdtempSync(join(tmpdir(), 'ipc-build-'));
  try {
    const run = join(home, 'warm-up.cjs');
    writeFileSync(run, code);
    const env = { HOME: home, IPC_HOME: join(home, 'state'), IPC_PORT: `${await freePort()}` };
    const post = () =>
      spawnSync(process.execPath, [run], {
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
        encoding: 'utf8',
        timeout: warmUpMsMax,
      });
    post();
    const { error, status, signal, stderr } = post();
    if (error !== undefined) throw error;
    return stderr.split('\n')[0] || `the warm-up ended with ${signal ?? status}`;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  return port;
}
