// A network of its own for a process: there "the" port is another one.
import { spawnSync } from 'node:child_process';

/** Words to put before a command. Undefined where the machine does not allow it; `why` says so then. */
export function networkApart(): { readonly prefix?: readonly string[]; readonly why: string } {
  const prefix = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
  const [command = '', ...words] = prefix;
  const { status, stderr, error } = spawnSync(command, [...words, 'true'], { encoding: 'utf8' });
  if (status === 0) return { prefix, why: '' };
  return { why: `no network namespaces here: ${error?.message ?? stderr.trim()}` };
}
