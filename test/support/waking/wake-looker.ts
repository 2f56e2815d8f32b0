// Looks for all ways to wake the agent of the host above this process, and rings by the best, if it is given a text.
import { wakePaths } from '../../../src/hosts/wake/wake-paths.ts';
import type { Look, Seen } from './standing-host.ts';

const { host, thread = '', text } = JSON.parse(process.argv[2] ?? '') as Look;
const paths: string[] = [];
let error: string | undefined;
for (const path of wakePaths) {
  const waker = await path.find({ host, env: process.env, thread });
  if (!waker) continue;
  paths.push(path.name);
  if (text === undefined || paths.length > 1 || waker.kind !== 'rings') continue;
  await waker.ring(text).catch((failed: Error) => {
    error = failed.message;
  });
}
const seen: Seen = error === undefined ? { paths } : { paths, error };
process.stdout.write(JSON.stringify(seen));
