// `node scripts/run.js NAME [ARGUMENT...]`: the script NAME.js, if this Node is new enough to read it.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeFault } from './node-version.js';

const fault = nodeFault();
if (fault === undefined) {
  const name = `${process.argv[2]}.js`;
  process.argv.splice(1, 2, join(dirname(fileURLToPath(import.meta.url)), name));
  import(`./${name}`);
} else {
  process.stderr.write(`${fault}\n`);
  process.exitCode = 1;
}
