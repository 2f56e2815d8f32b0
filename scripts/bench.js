// `npm run bench [-- NAME... [--OPTION ...]]`: runs bench/*.ts one after the other, those named, or all but those
// that take long. Each prints lines of JSON, and gets the options. `--quick` without names runs those that know it.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { prepare } from './prepare.js';
import { compiled, stop } from './project.js';

const args = process.argv.slice(2);
const firstOption = args.findIndex((arg) => arg.startsWith('--'));
const names = firstOption === -1 ? args : args.slice(0, firstOption);
const options = args.slice(names.length);
const long = ['floods', 'nats-memory', 'nats-takeover'];
const quick = ['systems'];

await prepare();
const folder = join(compiled, 'bench');
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.js'))
  .filter((file) => isWanted(file.slice(0, -'.js'.length)))
  .sort();
if (files.length === 0) stop('no such benchmark');
// Each adds to the start of every Node process: certificates 40 ms, so that a ratio of two starts says little.
const { NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...env } = process.env;
for (const file of files) {
  const { status } = spawnSync(process.execPath, [join(folder, file), ...options], {
    stdio: 'inherit',
    env,
  });
  if (status !== 0) stop(`${file} failed`);
}

/** @param {string} name */
function isWanted(name) {
  if (names.length > 0) return names.includes(name);
  return options.includes('--quick') ? quick.includes(name) : !long.includes(name);
}
