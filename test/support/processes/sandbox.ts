// A sandbox without network or without writes, as hosts of agents put around the commands of an agent: a filter of system calls
// (seccomp) or of paths (Landlock). Node cannot set it, so Python does and then becomes the program.
import { spawnSync } from 'node:child_process';

/**
 * `calls`: connect, bind and listen are refused, for Unix sockets too. `bind`: bind and listen alone. `inet`: no
 * socket of TCP can be made, but Unix sockets work.
 */
export type Forbidden = 'calls' | 'bind' | 'inet';

const script = `
import ctypes, errno, os, platform, struct, sys
kind, code, words = sys.argv[1], getattr(errno, sys.argv[2]), sys.argv[3:]
numbers = {'x86_64': (41, 42, 49, 50), 'aarch64': (198, 203, 200, 201)}[platform.machine()]
socket, connect, bind, listen = numbers
load, equal, give = 0x20, 0x15, 0x06
refuse = (give, 0, 0, 0x00050000 | code)
allow = (give, 0, 0, 0x7fff0000)
if kind == 'inet':
    steps = [(load, 0, 0, 0), (equal, 0, 4, socket), (load, 0, 0, 16),
             (equal, 1, 0, 2), (equal, 0, 1, 10), refuse, allow]
else:
    calls = [bind, listen] + ([connect] if kind == 'calls' else [])
    steps = [(load, 0, 0, 0)] + [(equal, len(calls) - at, 0, nr) for at, nr in enumerate(calls)]
    steps += [allow, refuse]
code_bytes = b''.join(struct.pack('HBBI', *step) for step in steps)
kept = ctypes.create_string_buffer(code_bytes)
class Program(ctypes.Structure):
    _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
program = Program(len(steps), ctypes.cast(kept, ctypes.c_void_p))
libc = ctypes.CDLL(None, use_errno=True)
for given in ((38, 1, 0, 0, 0), (22, 2, ctypes.byref(program), 0, 0)):
    if libc.prctl(*given) != 0:
        sys.exit('no filter: ' + os.strerror(ctypes.get_errno()))
os.execvp(words[0], words)
`;

const readOnlyScript = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
# All rights to write, of Landlock's first version: no path gets them back.
rights = 0x1ff2
given = ctypes.create_string_buffer(struct.pack('Q', rights))
rules = libc.syscall(444, given, 8, 0)
if rules < 0 or libc.prctl(38, 1, 0, 0, 0) != 0 or libc.syscall(446, rules, 0) != 0:
    sys.exit('no Landlock: ' + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
`;

/** The words before a command that may then write no file. */
export const readOnly: readonly string[] = ['python3', '-c', readOnlyScript];

/** The words before a command that put it into the sandbox; refused calls fail with `code`. */
export function sandboxed(kind: Forbidden, code = 'EPERM'): readonly string[] {
  return ['python3', '-c', script, kind, code];
}

/** The reason for the `skip` of a test. */
export const noSandbox = check(sandboxed('calls'));
/** The same for `readOnly`. */
export const noReadOnly = check(readOnly);

function check(prefix: readonly string[]): false | string {
  const [command = '', ...words] = [...prefix, 'true'];
  const { status, stderr, error } = spawnSync(command, words, { encoding: 'utf8' });
  return status === 0 ? false : `no sandbox can be made: ${error?.message ?? stderr}`;
}
