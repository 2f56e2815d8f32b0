// The first step of start, test and bench: install missing packages, rebuild stale output. Plain JavaScript
// without dependencies, so that it runs in a fresh clone. npm runs it, too, as `prepare`: after `npm ci` in the
// clone, for `npm install CLONE` and for an install from git, but not for an install of the published package.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { compiled, root, shipped, stop } from './project.js';

const settings = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.types.json'];

export async function prepare({ force = false } = {}) {
  if (omitsDevPackages()) return;
  const installedMs = changedMs(join(root, 'node_modules/.package-lock.json'));
  if (installedMs < changedMs(join(root, 'package-lock.json'))) install();
  // The older of the two outputs counts.
  const builtMs = Math.min(changedMs(shipped), changedMs(compiled));
  if (force || builtMs < Math.max(...sources().map(changedMs))) {
    const { build } = await import('./build.js');
    await build();
  }
}

/** `npm ci --omit=dev` in the clone has asked for no packages to build with, so it gets no build. */
function omitsDevPackages() {
  const {
    npm_lifecycle_event: event,
    npm_config_omit: omit = '',
    INIT_CWD: cwd = '',
  } = process.env;
  if (event !== 'prepare' || !omit.includes('dev') || resolve(cwd) !== resolve(root)) return false;
  process.stderr.write('not built, because there are no dev dependencies: run `npm run build`\n');
  return true;
}

function install() {
  process.stderr.write('installing the packages of package-lock.json ...\n');
  // No package here needs its install script.
  const args = ['ci', '--include=dev', '--ignore-scripts', '--loglevel=error'];
  const { status } = spawnSync('npm', args, {
    cwd: root,
    // Under `npm install -g CLONE` these are set for the npm that runs this script.
    env: { ...process.env, npm_config_global: 'false', npm_config_location: 'project' },
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32', // where npm is a batch file
  });
  if (status !== 0) stop('npm ci failed');
}

/** With folders, because a folder's time changes when a file in it is removed. */
function sources() {
  const folders = ['src', 'test', 'bench', 'scripts', 'plugins'].map((name) => join(root, name));
  const contents = folders
    .filter(existsSync)
    .flatMap((folder) =>
      readdirSync(folder, { encoding: 'utf8', recursive: true }).map((name) => join(folder, name)),
    );
  return [...settings.map((name) => join(root, name)), ...folders, ...contents];
}

/** @param {string} path @returns {number} 0 if there is no such file */
function changedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

if (basename(process.argv[1] ?? '') === 'prepare.js') {
  await prepare({ force: process.argv.includes('--force') });
}
