// `npm test [-- NAME...]`: runs the compiled test files, the fast folders first. A NAME is a folder
// or any other part of a path, as in `npm test -- unit fault/takeover`. `--long`: see testLong below.
import { readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { prepare } from './prepare.js';
import { compiled, stop } from './project.js';

const foldersInOrder = [
  'repository',
  'unit',
  'transcripts',
  'property',
  'simulation',
  'contract',
  'fault',
  'e2e',
];
/** Files that run at the same time. Those from contract/ on mostly wait, for processes and for times. */
const filesAtOnce = 4;

const args = process.argv.slice(2);
const names = args.filter((arg) => arg !== '--long');
const wrong = names.find((name) => name.startsWith('-'));
if (wrong !== undefined) stop(`unknown option ${wrong}; use [--long] [NAME...]`);

await prepare();
// Tests read it to run longer histories and larger stores.
if (args.includes('--long')) process.env.IPC_TEST_LONG = '1';

const files = testFiles();
if (files.length === 0) stop(`no test file matches ${names.join(' ')}`);

// Node 20 hands its own flags to the test files, later lines take the option.
const execArgv = [
  '--enable-source-maps',
  '--import',
  new URL('test-limits.js', import.meta.url).href,
];
process.execArgv.push(...execArgv);
const options = {
  files: files.map((file) => join(compiled, 'test', file)),
  concurrency: filesAtOnce,
  execArgv,
};
run(options)
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);

/** Paths below test/, sorted by folder and then by name. */
function testFiles() {
  return readdirSync(join(compiled, 'test'), { encoding: 'utf8', recursive: true })
    .map((file) => file.split(sep).join('/'))
    .filter((file) => file.endsWith('.test.js'))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
}

/** @param {string} file */
function rank(file) {
  const place = foldersInOrder.findIndex((folder) => file.startsWith(`${folder}/`));
  return place === -1 ? foldersInOrder.length : place;
}
