// Looks for all ways to wake the agent of the host above this process, and rings by the best, if it is given a text.
import { findWakers } from '../../../src/hosts/wake/wake-paths.ts';
import type { Look, Seen } from './standing-host.ts';

const { host, thread = '', text } = JSON.parse(process.argv[2] ?? '') as Look;
const wakers = await findWakers({ host, env: process.env, thread });
const paths = wakers.map(({ name }) => name);
const [best] = wakers;
let error: string | undefined;
if (text !== undefined && best?.kind === 'rings') {
  await best.ring(text).catch((failed: Error) => {
    error = failed.message;
  });
}
const seen: Seen = error === undefined ? { paths } : { paths, error };
process.stdout.write(JSON.stringify(seen));
