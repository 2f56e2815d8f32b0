// dist/       what ships: ipc.js, which checks the Node, then starts mcp.cjs for `ipc mcp`, wake.cjs for a host's hook,
//             program.cjs for all else, with owner.cjs, the broker, and commands.cjs, which splits lines that are not
//             plain; chunk-*.cjs, what these load; index.mjs, the library, in one file; top.mjs, the screen of `ipc top`,
//             and nats.mjs, the clients of NATS, which are loaded for that command or a NATS address alone; ui/, the page
//             of `ipc ui`, which a browser runs; types/, and the files of plugins/: a host may copy this folder and
//             nothing else. program.cache, owner.cache and commands.cache, which are these three files as compiled by V8,
//             do not ship, nor do owner.cjs and commands.cjs
// dist-test/  src, test, bench and scripts compiled file by file, for running here
// Types are checked by `npm run check`, not here.
import { spawnSync } from 'node:child_process';
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
import { dirname, join } from 'node:path';
import { build as bundle } from 'esbuild';
import { compileProgram, entry } from './build/compiled-program.js';
import { natsApart, noDevtools, packagesIn, readable, shared } from './build/esbuild-options.js';
import { bundleProgram } from './build/program.js';
import { nodeFault } from './node-version.js';
import { compiled, root, shipped, stop } from './project.js';

const library = join(root, 'src/index.ts');
const screen = join(root, 'src/cli/top/screen.ts');
const nats = join(root, 'src/nats/nats-library.ts');
const page = join(root, 'src/ui/page');

/** Packages in CommonJS that are bundled into a module call `require`. */
const requireHead = `import { createRequire as requireFrom } from 'node:module';
const require = requireFrom(import.meta.url);`;

/** Node 18 can read the library, and gets the same sentence as an error. */
const libraryHead = `const nodeFault = (${nodeFault})();
if (nodeFault !== undefined) throw new Error(nodeFault);`;

const renamesMax = 10;

export async function build() {
  await replaceFolder(shipped, async (folder) => {
    cpSync(join(root, 'plugins'), folder, { recursive: true });
    const bundled = [
      ...(await bundleProgram(folder)),
      ...(await bundleScreen(join(folder, 'top.mjs'))),
      ...(await bundleNats(join(folder, 'nats.mjs'))),
      ...(await bundlePage(join(folder, 'ui'))),
    ];
    const made = await compileProgram(folder, shipped);
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
export async function replaceFolder(folder, fill) {
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
  for (let attempt = 1; ; attempt++) {
    const old = `${aside}.old`;
    try {
      if (existsSync(folder)) renameSync(folder, old);
      renameSync(aside, folder);
      return;
    } catch (error) {
      // Another build may have put its own folder there in between.
      if (attempt < renamesMax) continue;
      rmSync(aside, { recursive: true, force: true });
      throw error;
    } finally {
      rmSync(old, { recursive: true, force: true });
    }
  }
}
