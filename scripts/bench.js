// `npm run bench [-- NAME...]`: runs bench/*.ts one after the other, all or those named. Each prints
// one line of JSON.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { prepare } from './prepare.js';
import { compiled, stop } from './project.js';

const names = process.argv.slice(2);

await prepare();
const folder = join(compiled, 'bench');
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.js'))
  .filter((file) => names.length === 0 || names.includes(file.slice(0, -'.js'.length)))
  .sort();
if (files.length === 0) stop('no such benchmark');
for (const file of files) {
  const { status } = spawnSync(process.execPath, [join(folder, file)], { stdio: 'inherit' });
  if (status !== 0) stop(`${file} failed`);
}
