// What the system knows about this process. Node throws where it knows nothing: without HOME and without an
// entry in the password file, in a folder that was removed. Here that is undefined, and the caller decides
// what follows. A repository test keeps these calls out of all other files.
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
