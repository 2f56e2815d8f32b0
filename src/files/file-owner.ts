// Another user's files. An error that only says EACCES leaves a user without a remedy: here it names the user to
// whom the file belongs, and the line that gives it back. Where the mode allows what the system refuses, a sandbox
// is named.
import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { shellWord } from '../base/shell.ts';
import { describeUser, rootUser } from './users.ts';

interface Found {
  readonly path: string;
  readonly stat: Stats;
}

const modeOfFolder = 0o300;
const modeOfFile = 0o600;
const outside =
  'run it outside the sandbox, or allow it to write there; an agent calls the tool `ipc`, whose server its host starts outside';

/**
 * For EACCES, EPERM and EROFS, an error that names the owner of the file or a sandbox; others stay as they are. `path`: the
 * file, unless the system's error names one. `home`: the state folder, which is given back as a whole.
 */
export function withOwner(error: unknown, path: string, home: string): unknown {
  const isOfFile = error instanceof IpcError && /^(home|key)_unusable$/.test(error.code);
  if (!isOfFile) return error;
  const { cause } = error;
  const code = systemErrorCode(cause);
  const uid = process.geteuid?.();
  if (!['EACCES', 'EPERM', 'EROFS'].includes(code) || uid === undefined) return error;
  const found = nearest(pathIn(cause) ?? path);
  if (!found) return error;
  const { path: at, stat } = found;
  if (code === 'EROFS' || (stat.uid === uid && mayWrite(stat))) {
    const why = code === 'EROFS' ? 'is on a read-only file system' : 'may not be written';
    const what = `${at} ${why} (${code}), as in a sandbox`;
    return new IpcError(error.code, what, { cause, hint: outside });
  }
  if (stat.uid === uid) {
    const hint = `chmod u+rwX ${shellWord(at)}`;
    return new IpcError(error.code, `${at} does not let its own user in (${code})`, {
      cause,
      hint,
    });
  }
  const what = `${at} belongs to ${describeUser(stat.uid)}, and this process is of ${describeUser(uid)} (${code})`;
  const hint = remedy(found, path, home, uid);
  return new IpcError(error.code, what, { cause, hint });
}

function mayWrite(stat: Stats): boolean {
  const needed = stat.isDirectory() ? modeOfFolder : modeOfFile;
  return (stat.mode & needed) === needed;
}

/** A folder above the state folder is the system's, or another user's, and stays so; so does another user's key. */
function remedy({ path: at, stat }: Found, path: string, home: string, uid: number): string {
  const isBelow = home !== dirname(home) && (at === home || at.startsWith(`${home}/`));
  if (isBelow) {
    const giveBack = `\`sudo chown -R ${uid} ${shellWord(home)}\``;
    return `if only agent-ipc uses that folder, ${giveBack}; or set IPC_HOME to a folder of yours`;
  }
  if (at !== path) return 'set IPC_HOME to a folder of yours';
  if (stat.uid !== rootUser) return 'set IPC_KEY_FILE to a file of yours';
  return `\`sudo chown ${uid} ${shellWord(at)}\``;
}

/** A file, or the Unix socket that could not be reached. */
function pathIn(cause: unknown): string | undefined {
  const { path, address } = (cause ?? {}) as { path?: unknown; address?: unknown };
  return [path, address].find((each) => typeof each === 'string');
}

/** The path itself, or the nearest folder above it that there is and that may be looked at. */
function nearest(path: string): Found | undefined {
  for (let at = path; ; at = dirname(at)) {
    try {
      return { path: at, stat: statSync(at) };
    } catch {
      if (dirname(at) === at) return undefined;
    }
  }
}
