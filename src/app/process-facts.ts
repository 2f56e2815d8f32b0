// Facts about this process that only the system knows. Node throws if there is none, as without HOME and an entry in
// the password file, or in a folder that was removed. These functions return undefined, and the caller decides what
// follows. A repository test keeps these calls out of all other files.
import { homedir, hostname, userInfo } from 'node:os';

/** The user's home: HOME, or the folder in the password file. */
export function userHome(): string | undefined {
  return known(() => homedir() || userInfo().homedir);
}

/** undefined when the folder was removed. */
export function workingFolder(): string | undefined {
  return known(() => process.cwd());
}

export function machineName(): string {
  return known(hostname) ?? 'unknown';
}

/** For messages to people. */
export function ownUser(): string {
  return known(() => userInfo().username) ?? `uid ${process.getuid?.() ?? 'unknown'}`;
}

function known(ask: () => string): string | undefined {
  try {
    return ask() || undefined;
  } catch {
    return undefined;
  }
}
