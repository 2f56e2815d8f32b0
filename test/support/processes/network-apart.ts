// A separate network namespace for a process, in which the same port number is another port.
import { spawnSync } from 'node:child_process';

/**
 * `prefix`: the words before a command; undefined where the machine does not allow it, with the reason
 * in `why`.
 */
export function networkApart(): { readonly prefix?: readonly string[]; readonly why: string } {
  const prefix = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
  const [command = '', ...words] = prefix;
  const { status, stderr, error } = spawnSync(command, [...words, 'true'], { encoding: 'utf8' });
  if (status === 0) return { prefix, why: '' };
  return { why: `no network namespaces here: ${error?.message ?? stderr.trim()}` };
}
