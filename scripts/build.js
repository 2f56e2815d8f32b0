// dist/       what ships: ipc.js, which checks the Node, then starts mcp.cjs for `ipc mcp`, wake.cjs for a host's hook,
//             program.cjs for all else; chunk-*.cjs, what these load; index.mjs, the library, in one file; top.mjs, the screen of `ipc top`,
//             and nats.mjs, the clients of NATS, which are loaded for that command or a NATS address alone; ui/, the page
//             of `ipc ui`, which a browser runs; types/, and the files of plugins/: a host may copy this folder and
//             nothing else
// dist-test/  src, test, bench and scripts compiled file by file, for running here
// Types are checked by `npm run check`, not here.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import zlib from 'node:zlib';
import { build as bundle, transform } from 'esbuild';
import { nodeFault } from './node-version.js';
import { compiled, root, shipped, stop } from './project.js';

const program = join(root, 'src/cli/main.ts');
const mcp = join(root, 'src/cli/mcp-main.ts');
const hook = join(root, 'src/cli/hook-main.ts');
const library = join(root, 'src/index.ts');
const screen = join(root, 'src/cli/top/screen.ts');
const nats = join(root, 'src/nats/nats-library.ts');
const page = join(root, 'src/ui/page');

/**
 * Any Node from 12 on can read it, and says one sentence if it is too old for the rest. `made`: what the build has
 * compiled; another Node compiles program.cjs itself, and so does one with other flags, which V8 sees.
 * @param {{ by: string; sum: number } | undefined} made
 */
const entry = (made) => `#!/usr/bin/env node
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

/** Modules are strict by themselves, what is made of them is not. */
const strict = '"use strict";';

/** CommonJS in a module wants a `require`. */
const requireHead = `import { createRequire as requireFrom } from 'node:module';
const require = requireFrom(import.meta.url);`;

/** Node 18 can read the library, and gets the same sentence as an error. */
const libraryHead = `const nodeFault = (${nodeFault})();
if (nodeFault !== undefined) throw new Error(nodeFault);`;

export async function build() {
  await replaceFolder(shipped, async (folder) => {
    cpSync(join(root, 'plugins'), folder, { recursive: true });
    const bundled = [
      ...(await bundleProgram(folder)),
      ...(await bundleScreen(join(folder, 'top.mjs'))),
      ...(await bundleNats(join(folder, 'nats.mjs'))),
      ...(await bundlePage(join(folder, 'ui'))),
    ];
    const made = await compileProgram(folder);
    writeFileSync(join(folder, 'ipc.js'), entry(made), { mode: 0o755 });
    writeFileSync(join(folder, 'LICENSES'), licensesOf([...new Set(bundled)].sort()));
    await bundleLibrary(join(folder, 'index.mjs'));
    const types = join(folder, 'types');
    compile('--project', 'tsconfig.types.json', '--outDir', types);
    keepReachable(types, join(types, 'index.d.ts'));
    writeFileSync(join(types, 'package.json'), '{"type":"module"}\n');
  });
  await replaceFolder(compiled, async (folder) => compile('--outDir', folder));
}

/**
 * The program in chunks: a process loads those that its command needs. They are CommonJS, which takes Node a third less
 * time to load than modules; but only modules can be split, so they are written first.
 * @param {string} folder @returns {Promise<string[]>} the folders of the packages in it
 */
async function bundleProgram(folder) {
  const { outputFiles, metafile } = await bundle({
    ...shared,
    ...readable,
    entryPoints: { program, mcp, wake: hook },
    outdir: folder,
    splitting: true,
    chunkNames: 'chunk-[hash]',
    define: { 'import.meta.dirname': '__dirname' },
    plugins: [screenApart, natsApart, noValidator, noSubprograms, plainAssert, lateBuiltins],
    metafile: true,
    write: false,
  });
  const chunks = new Map();
  for (const { path, text } of outputFiles)
    chunks.set(basename(path, '.js'), await toCommonJs(text));
  const everyday = Object.entries(metafile.outputs).find(
    ([, { entryPoint }]) => entryPoint === 'src/cli/commands/everyday.ts',
  );
  const together = neededBy(['program', basename(everyday?.[0] ?? '', '.js')], chunks);
  for (const [name, code] of chunks) {
    const text = name === 'program' ? inOneFile(together, chunks) : code;
    writeFileSync(join(folder, `${name}.cjs`), text);
  }
  return packagesIn(metafile);
}

/**
 * What esbuild would make of the imports and exports of a chunk are accessors, which call each other. No chunk changes
 * what it has exported, so values do.
 * @param {string} text @returns {Promise<string>}
 */
async function toCommonJs(text) {
  const pairs = (
    /** @type {string} */ list,
    /** @type {RegExp} */ as,
    /** @type {string} */ pair,
  ) =>
    list
      .split(',')
      .map((each) => each.replace(as, pair))
      .join(',');
  const plain = text
    .replaceAll(
      /\bimport\{([^}]*)\}from"\.\/(chunk-\w+)\.js";/g,
      (_line, list, name) =>
        `const{${pairs(list, /^(\S+) as (\S+)$/, '$1:$2')}}=require("./${name}.cjs");`,
    )
    .replaceAll(/\bimport"\.\/(chunk-\w+)\.js";/g, 'require("./$1.cjs");')
    .replace(
      /\bexport\{([^}]*)\};\s*$/,
      (_line, list) => `module.exports={${pairs(list, /^(\S+) as (\S+)$/, '$2:$1')}};`,
    );
  const { code } = await transform(plain, {
    ...readable,
    target,
    format: 'cjs',
    platform: 'node',
    banner: strict,
  });
  return code.replaceAll(
    /\bimport\("\.\/(chunk-\w+)\.js"\)/g,
    'Promise.resolve().then(()=>require("./$1.cjs"))',
  );
}

/**
 * The chunks that these load at once, each behind those that it needs itself.
 * @param {string[]} names @param {Map<string, string>} chunks @param {Set<string>} found @returns {Set<string>}
 */
function neededBy(names, chunks, found = new Set()) {
  for (const name of names.filter((each) => !found.has(each))) {
    const needs = (chunks.get(name) ?? '').matchAll(/=require\("\.\/(chunk-\w+)\.cjs"\)/g);
    neededBy(
      Array.from(needs, ([, each]) => each ?? ''),
      chunks,
      found,
    );
    found.add(name);
  }
  return found;
}

/**
 * Finding, reading and compiling a file takes Node longer than the code of most chunks. Other chunks get what is in this
 * file from the cache of `require`.
 * @param {Set<string>} names @param {Map<string, string>} chunks @returns {string}
 */
function inOneFile(names, chunks) {
  const parts = [...names].filter((name) => name !== 'program');
  const functions = parts.map((name) => `"./${name}.cjs"(module,require){${chunks.get(name)}}`);
  return `${strict}
const chunks={${functions.join(',\n')}};
const load=(name)=>{
  const file=__dirname+name.slice(1);
  if(!(file in require.cache)&&name in chunks){
    const made=require.cache[file]={id:file,filename:file,exports:{},loaded:true,children:[]};
    chunks[name](made,load);
  }
  return (require.cache[file]??{exports:require(name)}).exports;
};
((require)=>{${chunks.get('program')}})(load);
`;
}

/**
 * Makes program.cache, which spares a process that posts the time to compile program.cjs: a post is made here, with a
 * state folder of its own. Where that is not possible, as in a sandbox without network, there is no cache.
 * @param {string} folder
 */
async function compileProgram(folder) {
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

/**
 * Ink and React are as large as all of the program, so they are minified and in a file of their own.
 * @param {string} outfile @returns {Promise<string[]>} the folders of the packages in it
 */
async function bundleScreen(outfile) {
  const { metafile } = await bundle({
    ...shared,
    entryPoints: [screen],
    outfile,
    minify: true,
    legalComments: 'none', // they are in LICENSES
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: { js: requireHead },
    plugins: [noDevtools],
    metafile: true,
  });
  return packagesIn(metafile);
}

/** @param {string} outfile @returns {Promise<string[]>} the folders of the packages in it */
async function bundleNats(outfile) {
  const { metafile } = await bundle({
    ...shared,
    ...readable,
    entryPoints: [nats],
    outfile,
    banner: { js: requireHead },
    metafile: true,
  });
  return packagesIn(metafile);
}

/**
 * What is loaded only when it is wanted, and is too large for the rest, is in a file of its own. It is no chunk, because
 * it stays a module: the layout of Ink awaits at its top level, and the library, which is one, loads nats.mjs too.
 * @param {string} name @param {RegExp} filter @param {string} path
 * @returns {import('esbuild').Plugin}
 */
const apart = (name, filter, path) => ({
  name,
  setup(plugin) {
    plugin.onResolve({ filter }, () => ({ path, external: true }));
  },
});
const screenApart = apart('screen apart', /\/top\/screen\.ts$/, './top.mjs');
const natsApart = apart('nats apart', /\/nats-library\.ts$/, './nats.mjs');

/**
 * Bundles `contents` in the place of a module, for those that import it.
 * @param {string} name @param {RegExp} filter @param {string} contents @param {RegExp} by
 * @returns {import('esbuild').Plugin}
 */
const instead = (name, filter, contents, by = /.*/) => ({
  name,
  setup(plugin) {
    const namespace = name.replaceAll(' ', '-');
    plugin.onResolve({ filter }, ({ path, importer }) =>
      by.test(importer) ? { path, namespace } : undefined,
    );
    plugin.onLoad({ filter: /.*/, namespace }, () => ({ contents }));
  },
});
/** Ink would connect to a debugger on a port of this machine, if DEV is set to true. */
const noDevtools = instead('no devtools', /\/devtools\.js$/, '');
/** A third of the MCP packages validates a user's answers to a server's questions; ours asks none. */
const noValidator = instead(
  'no validator',
  /^@modelcontextprotocol\/server\/_shims$/,
  `export { default as process } from 'node:process';
  export class DefaultJsonSchemaValidator {}`,
);

/** commander can run a subcommand as a program of its own; ours has none. */
const noSubprograms = instead('no subprograms', /^node:child_process$/, '', /\/commander\//);
/** node:assert costs the start of a process 1 ms. */
const plainAssert = instead(
  'plain assert',
  /^node:assert\/strict$/,
  `export default function assert(value, message = 'this must not happen') {
    if (!value) throw Object.assign(new Error(message), { name: 'AssertionError', code: 'ERR_ASSERTION' });
  }`,
);
/** What few runs need, or late, is loaded by its first call. It takes the start of a process 1 ms each. */
/** @type {import('esbuild').Plugin} */
const lateBuiltins = {
  name: 'late builtins',
  setup(plugin) {
    const filter = /^node:(tls|fs\/promises|dns\/promises|readline)$/;
    plugin.onResolve({ filter }, ({ path, namespace }) =>
      namespace === 'late' ? { path, external: true } : { path, namespace: 'late' },
    );
    plugin.onLoad({ filter, namespace: 'late' }, async ({ path }) => {
      const functions = Object.entries(await import(path)).filter(
        ([name, value]) => name !== 'default' && typeof value === 'function',
      );
      const late = functions.map(
        ([name]) => `export function ${name}(...args) {
          const { ${name} } = require('${path}');
          return new.target ? new ${name}(...args) : ${name}(...args);
        }`,
      );
      return { contents: late.join('\n') };
    });
  },
};

/** @param {string} folder @returns {Promise<string[]>} the folders of the packages in it */
async function bundlePage(folder) {
  const { metafile } = await bundle({
    absWorkingDir: root,
    bundle: true,
    minify: true,
    platform: 'browser',
    // The first browsers with light-dark() and oklch(), of May 2024.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    format: 'esm',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    // Licences are in LICENSES.
    legalComments: 'none',
    logLevel: 'silent',
    entryPoints: [
      { in: join(page, 'main.tsx'), out: 'page' },
      { in: join(page, 'page.css'), out: 'page' },
    ],
    outdir: folder,
    metafile: true,
  });
  for (const file of ['index.html', 'icon.svg']) cpSync(join(page, file), join(folder, file));
  return packagesIn(metafile);
}

/** @param {import('esbuild').Metafile} metafile @returns {string[]} */
function packagesIn(metafile) {
  const folders = Object.keys(metafile.inputs).map(
    (input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0],
  );
  return folders.filter((folder) => folder !== undefined);
}

/** @param {string} outfile */
async function bundleLibrary(outfile) {
  await bundle({
    ...shared,
    entryPoints: [library],
    outfile,
    banner: { js: libraryHead },
    plugins: [natsApart],
  });
}

const target = 'node20.15';

/** @type {import('esbuild').BuildOptions} */
const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target,
  format: 'esm',
  // The UMD form of jsonc-parser cannot be bundled.
  mainFields: ['module', 'main'],
  logLevel: 'silent', // its errors are thrown as well
};

/** Node scans all of a file when it loads it. Names stay, so that a stack trace can be read. */
const readable = { minifyWhitespace: true, minifySyntax: true };

/** yoga-layout has no file of its licence, which is that of React: MIT, of Meta Platforms, as its sources say. */
const licenceFolders = new Map([['yoga-layout', 'node_modules/react']]);

/**
 * A bundle contains other packages, whose licences must be distributed with it.
 * @param {string[]} packages
 */
function licensesOf(packages) {
  const licences = ['.', ...packages].map((path) => {
    const folder = join(root, path);
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const place = join(root, licenceFolders.get(name) ?? path);
    const file = readdirSync(place).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no licence`);
    return `${name}\n\n${readFileSync(join(place, file), 'utf8').trim()}\n`;
  });
  // Of some packages there are several versions.
  return [...new Set(licences)].join(`\n${'-'.repeat(80)}\n\n`);
}

/** @param {string[]} args */
function compile(...args) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '--noCheck', ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error('tsc refuses a source file');
}

/**
 * Removes the declarations to which no exported type leads: most are of internal modules.
 * @param {string} folder
 * @param {string} first
 */
function keepReachable(folder, first) {
  const reached = new Set();
  const visit = (/** @type {string} */ path) => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const [, name] of readFileSync(path, 'utf8').matchAll(/'(\.[^']*)\.ts'/g)) {
      visit(join(dirname(path), `${name}.d.ts`));
    }
  };
  visit(first);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (name.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
  }
}

/**
 * Fills a temporary folder and renames it over the old one, so that a running program never sees half a
 * build. The folder's time is the time when its sources were read.
 * @param {string} folder @param {(aside: string) => Promise<void>} fill
 */
async function replaceFolder(folder, fill) {
  const started = new Date();
  const aside = `${folder}.${process.pid}`;
  mkdirSync(aside);
  try {
    await fill(aside);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    stop(`the build failed: ${error instanceof Error ? error.message : error}`);
  }
  utimesSync(aside, started, started);
  rmSync(folder, { recursive: true, force: true });
  renameSync(aside, folder);
}
