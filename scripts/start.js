// `npm start`: the demo, scripts/demo/demo.ts.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare } from './prepare.js';
import { compiled } from './project.js';

await prepare();
await import(pathToFileURL(join(compiled, 'scripts/demo/demo.js')).href);
