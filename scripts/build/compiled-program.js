// ipc.js, which starts the program, and program.cache: program.cjs as V8 has compiled it for the Node that runs the build.
// The cache does not ship.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { nodeFault } from '../node-version.js';

/**
 * Any Node from 12 on can read it, and says one sentence if it is too old for the rest. `made`: what the build has
 * compiled; another Node compiles program.cjs itself, and so does one with other flags, which V8 sees.
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
  const run = name === 'program' && made.by === process.version + process.arch && compiled(file);
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
    source = readFileSync(filename);
    cachedData = readFileSync(__dirname + '/program.cache');
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
    importModuleDynamically: require('vm').constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })`;
}

/** Functions that have run are in the cache, so a post is made. */
const warmUp = (/** @type {string} */ filename, /** @type {string} */ cache) => `
const { readFileSync, writeFileSync } = require('fs');
const filename = ${JSON.stringify(filename)};
const cachedData = undefined;
const script = ${scriptOf('readFileSync(filename)')};
process.on('exit', (code) => {
  if (code === 0) writeFileSync(${JSON.stringify(cache)}, script.createCachedData());
});
process.argv.push('post', 'warm', 'x', '--from', 'build');
script.runInThisContext()(require('module').createRequire(filename), require('path').dirname(filename));
`;

/** On a busy machine it takes a second. */
const warmUpMsMax = 20_000;

/**
 * Makes program.cache, which spares a process that posts the time to compile program.cjs: a post is made here, with a
 * state folder of its own. Where that is not possible, as in a sandbox without network, there is no cache.
 * @param {string} folder
 */
export async function compileProgram(folder) {
  const file = join(folder, 'program.cjs');
  const cache = join(folder, 'program.cache');
  const run = join(folder, 'warm-up.cjs');
  const home = join(folder, 'warm-up');
  const env = { HOME: home, IPC_HOME: home, IPC_PORT: `${await freePort()}` };
  writeFileSync(run, warmUp(file, cache));
  spawnSync(process.execPath, [run], { env, stdio: 'ignore', timeout: warmUpMsMax });
  rmSync(run);
  rmSync(home, { recursive: true, force: true });
  if (!existsSync(cache)) return undefined;
  const sum = zlib.crc32(readFileSync(cache), zlib.crc32(readFileSync(file)));
  return { by: process.version + process.arch, sum };
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  return port;
}
