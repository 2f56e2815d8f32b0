// dist/       what ships: ipc.js, which checks the Node, then starts mcp.cjs for `ipc mcp`, wake.cjs for a host's hook,
//             program.cjs for all else; chunk-*.cjs, what these load; index.mjs, the library, in one file; top.mjs, the screen of `ipc top`,
//             and nats.mjs, the clients of NATS, which are loaded for that command or a NATS address alone; ui/, the page
//             of `ipc ui`, which a browser runs; types/, and the files of plugins/: a host may copy this folder and
//             nothing else
// dist-test/  src, test, bench and scripts compiled file by file, for running here
// Types are checked by `npm run check`, not here.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
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

/** Any Node from 12 on can read it, and says one sentence if it is too old for the rest. */
const entry = `#!/usr/bin/env node
const fault = (${nodeFault})();
const [, , command, option] = process.argv;
const words = process.argv.length - 2;
if (fault === undefined) {
  const isHook = command === 'wake' && option === '--for' && words === 3;
  const name = isHook ? 'wake' : command === 'mcp' && words === 1 ? 'mcp' : 'program';
  require('./' + name + '.cjs');
} else {
  process.stderr.write('ipc: ' + fault + '\\n');
  process.exitCode = 1;
}
`;

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
    writeFileSync(join(folder, 'ipc.js'), entry, { mode: 0o755 });
    const bundled = [
      ...(await bundleProgram(folder)),
      ...(await bundleScreen(join(folder, 'top.mjs'))),
      ...(await bundleNats(join(folder, 'nats.mjs'))),
      ...(await bundlePage(join(folder, 'ui'))),
    ];
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
    plugins: [screenApart, natsApart, noValidator],
    metafile: true,
    write: false,
  });
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, {
      ...readable,
      target,
      format: 'cjs',
      platform: 'node',
      banner: strict,
    });
    const required = code
      .replaceAll(/\bimport\(("\.\/chunk-\w+\.js")\)/g, 'Promise.resolve().then(()=>require($1))')
      .replaceAll(/(?<="\.\/chunk-\w+)\.js(?=")/g, '.cjs');
    writeFileSync(path.replace(/\.js$/, '.cjs'), required);
  }
  return packagesIn(metafile);
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
 * Bundles `contents` in the place of a module.
 * @param {string} name @param {RegExp} filter @param {string} contents
 * @returns {import('esbuild').Plugin}
 */
const instead = (name, filter, contents) => ({
  name,
  setup(plugin) {
    const namespace = name.replaceAll(' ', '-');
    plugin.onResolve({ filter }, ({ path }) => ({ path, namespace }));
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
