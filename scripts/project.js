// Shared by all scripts.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** The files that ship. */
export const shipped = join(root, 'dist');
/** Everything compiled for running here: src, test, bench and scripts. */
export const compiled = join(root, 'dist-test');

/** @param {string} message @returns {never} */
export function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
