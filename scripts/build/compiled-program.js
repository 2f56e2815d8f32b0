// ipc.js, which starts the program, and program.cache: program.cjs as V8 has compiled it for the Node that runs the build.
// The cache does not ship.
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
 * Any Node from 12 on can read it, and prints one sentence if it is too old for the rest. `made`: what the build has
 * compiled; another Node compiles program.cjs itself.
 * @param {{ by: string; sum: number } | undefined} made
 */
export const entry = (made) => `#!/usr/bin/env node
const fault = (${nodeFault})();
const made = ${JSON.stringify(made ?? {})};
const [, , command, option] = process.argv;
const words = process.argv.length - 2;
if (fault === undefined) {
  const isHook = command === 'wake' && option === '--for' && words === 3;
  const name = isHook ? 'wake' : command === 'mcp' && words === 1 ? 'mcp' : 'program';
  const file = __dirname + '/' + name + '.cjs';
  const run = name === 'program' && made.by === (${thisNode})() && compiled(file);
  if (run) run(require('module').createRequire(file), __dirname);
  else require(file);
} else {
  process.stderr.write('ipc: ' + fault + '\\n');
  process.exitCode = 1;
}

/* undefined when a byte of the two files is not as it was made: V8 does not look, and would run what is there. */
function compiled(filename) {
  const { readFileSync } = require('fs');
  const { crc32 } = require('zlib');
  let source, cachedData;
  try {
    /* It comes first: a package has none. */
    cachedData = readFileSync(__dirname + '/program.cache');
    source = readFileSync(filename);
  } catch (error) {
    return undefined;
  }
  if (crc32(cachedData, crc32(source)) !== made.sum) return undefined;
  return ${scriptOf('source')}.runInThisContext();
}
`;

/** The code that makes a script of program.cjs. `source`: the variable with its bytes. */
function scriptOf(/** @type {string} */ source) {
  return `new (require('vm').Script)('(function (require, __dirname) {' + ${source} + '\\n})', {
    filename,
    cachedData,
  })`;
}

/**
 * The code that posts once, because only functions that have run are in the cache. `filename`: the name that stack traces
 * will have, which V8 keeps in the cache.
 */
const warmUp = (/** @type {string} */ folder, /** @type {string} */ filename) => `
const { readFileSync, writeFileSync } = require('fs');
const folder = ${JSON.stringify(folder)};
const filename = ${JSON.stringify(filename)};
const file = folder + '/program.cjs';
const cachedData = undefined;
const script = ${scriptOf('readFileSync(file)')};
process.on('exit', (code) => {
  if (code === 0) writeFileSync(folder + '/program.cache', script.createCachedData());
});
process.argv.push('post', 'warm', 'x', '--from', 'build');
script.runInThisContext()(require('module').createRequire(file), folder);
`;

/** The warm-up takes a second on a busy machine. */
const warmUpMsMax = 20_000;

/**
 * Makes program.cache, which spares a process that posts the time to compile program.cjs: a post is made here, with a
 * state folder of its own. Where that is not possible, as in a sandbox without network, there is no cache.
 * @param {string} folder @param {string} finalFolder its name after the build
 */
export async function compileProgram(folder, finalFolder) {
  const file = join(folder, 'program.cjs');
  const cache = join(folder, 'program.cache');
  const fault = await postOnce(warmUp(folder, join(finalFolder, 'program.cjs'))).catch(
    ({ message }) => message,
  );
  if (!existsSync(cache)) {
    process.stderr.write(`no program.cache was made: ${fault}\n`);
    return undefined;
  }
  const sum = zlib.crc32(readFileSync(cache), zlib.crc32(readFileSync(file)));
  return { by: thisNode(), sum };
}

/** Runs this code, and returns the reason if it fails. @param {string} code */
async function postOnce(code) {
  // Not in the clone: the path of a socket must be short, and others may be able to write there.
  const home = mkdtempSync(join(tmpdir(), 'ipc-build-'));
  try {
    const run = join(home, 'warm-up.cjs');
    writeFileSync(run, code);
    const env = { HOME: home, IPC_HOME: join(home, 'state'), IPC_PORT: `${await freePort()}` };
    const { error, status, signal, stderr } = spawnSync(process.execPath, [run], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      timeout: warmUpMsMax,
    });
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
