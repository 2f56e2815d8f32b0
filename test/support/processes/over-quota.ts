// A process for which the quota of its user is used up: a seccomp filter lets system calls fail with EDQUOT.
import { spawnSync } from 'node:child_process';

const script = `
import ctypes, os, struct, sys
numbers = {'x86_64': {'pwrite': 18, 'fdatasync': 75, 'pwritev': 296}, 'aarch64': {'pwrite': 68, 'fdatasync': 83, 'pwritev': 70}}
calls = [numbers[os.uname().machine][name] for name in sys.argv[1].split(',')]
rules = struct.pack('HBBI', 0x20, 0, 0, 0)
for call in calls: rules += struct.pack('HBBI', 0x15, 0, 1, call) + struct.pack('HBBI', 6, 0, 0, 0x50000 | 122)
rules += struct.pack('HBBI', 6, 0, 0, 0x7fff0000)
code = ctypes.create_string_buffer(rules)
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(rules) // 8, ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
`;

type Call = 'pwrite' | 'pwritev' | 'fdatasync';

/**
 * `prefix`: the words before a command, given by its path; undefined where the machine does not allow it, with
 * the reason in `why`.
 */
export function overQuota(...calls: Call[]): {
  readonly prefix?: readonly [string, ...string[]];
  readonly why: string;
} {
  const prefix = ['python3', '-c', script, calls.join(',')] as const;
  const { status, stderr, error } = spawnSync('python3', [...prefix.slice(1), '/bin/true'], {
    encoding: 'utf8',
  });
  if (status === 0) return { prefix, why: '' };
  return { why: `no seccomp filter by Python here: ${error?.message ?? stderr.trim()}` };
}
