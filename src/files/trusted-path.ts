// The rule for the state folder and what is in it, as ssh has it for its own files (StrictModes): only this user
// and root can change what a path leads to. Root is trusted, since it can read everything anyway, and volumes of
// containers belong to it.
// 1. Each folder on the path belongs to one of them, and so does each symbolic link, which is followed. The folders
//    above the home folder of the user are the administrator's, as for ssh, and are not examined; where the path is
//    elsewhere, all from / on are.
// 2. Others can write to none of them, unless it is sticky, as the temporary folder is: then they can make names
//    in it, but not replace any. A group without other members does not count as others.
// 3. The last folder is not written by others at all, since names are made in it.
// 4. Root does not use what belongs to another user: that user could read what root writes.
// POSIX ACLs are seen only as far as they show in the mode. Windows has no modes: nothing is checked there.
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { IpcError } from '../base/errors.ts';
import { shellWord } from '../base/shell.ts';
import {
  accountOf,
  describeGroup,
  describeUser,
  hasOtherMembers,
  isUnknownOwner,
  rootUser,
} from './users.ts';

const othersMayWrite = 0o002;
const groupMayWrite = 0o020;
const sticky = 0o1000;
/** As many as Linux follows. */
const linksMax = 40;

type Code = 'home_unusable' | 'key_unusable';

interface Place {
  readonly path: string;
  readonly stat: Stats;
}

/** A part that does not exist yet, or that this user may not look at, is left to the call that uses it. */
export function requireTrustedFolder(folder: string): void {
  const uid = process.geteuid?.();
  if (uid === undefined) return;
  const place = follow(folder, uid, 'home_unusable');
  if (place?.stat.isDirectory() && othersWith(place.stat, uid)) {
    throw writable(place, uid, 'home_unusable', 'chmod 700');
  }
}

/** The same of the folder of a store, and of the state folder, which is above it. */
export function requireTrustedStore(folder: string): void {
  requireTrustedFolder(dirname(folder));
  requireTrustedFolder(folder);
}

/** The same of a file, which may be in a folder that is sticky. */
export function requireTrustedFile(path: string): void {
  const uid = process.geteuid?.();
  if (uid !== undefined) follow(path, uid, 'key_unusable');
}

/** Throws for a part of the path that others can change. undefined if the path does not lead to anything. */
function follow(path: string, uid: number, code: Code): Place | undefined {
  const parts = partsOf(resolve(path));
  const { HOME } = process.env;
  const isAboveHome = isAbove(HOME ? resolve(HOME) : '');
  let place = lookAt('/');
  for (let links = 0; place; ) {
    const { stat } = place;
    const isExamined = !isAboveHome(place.path);
    if (isExamined) requireOwn(place, uid, code);
    const part = parts.shift();
    if (part === undefined) return place;
    if (isExamined && stat.isDirectory() && (stat.mode & sticky) === 0 && othersWith(stat, uid)) {
      throw writable(place, uid, code, 'chmod go-w');
    }
    const next = lookAt(join(place.path, part));
    if (!next?.stat.isSymbolicLink()) {
      place = next;
      continue;
    }
    requireOwn(next, uid, code);
    if (++links > linksMax) return undefined;
    const target = readlinkSync(next.path);
    parts.unshift(...partsOf(target));
    if (isAbsolute(target)) place = lookAt('/');
  }
  return undefined;
}

/** `home`: '' if it is not known. */
function isAbove(home: string): (path: string) => boolean {
  const start = home === '' ? '' : `${home}/`;
  return (path) => path !== home && start.startsWith(path === '/' ? path : `${path}/`);
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function lookAt(path: string): Place | undefined {
  try {
    return { path, stat: lstatSync(path) };
  } catch {
    return undefined;
  }
}

function requireOwn({ path, stat }: Place, uid: number, code: Code): void {
  if (stat.uid === uid || stat.uid === rootUser || isUnknownOwner(stat.uid, path)) return;
  const owner = describeUser(stat.uid);
  const isFolder = stat.isDirectory();
  const what = `${path} ${stat.isSymbolicLink() ? 'is a symbolic link that ' : ''}belongs to ${owner}`;
  if (uid !== rootUser) {
    const own = `${what}, and this process is of ${describeUser(uid)}`;
    throw new IpcError(code, own, { hint: `set ${variables[code]} of yours` });
  }
  const why = isFolder
    ? '; files that root makes in it would lock that user out'
    : ', and this process is of user root (0)';
  const user = accountOf(stat.uid) ?? `'#${stat.uid}'`;
  const hint = `run it without sudo, or as that user (sudo -u ${user}), or set ${variables[code]} of root`;
  throw new IpcError(code, `${what}${why}`, { hint });
}

/** `mend`: the command for a folder of this user. */
function writable({ path, stat }: Place, uid: number, code: Code, mend: string): IpcError {
  const what = `${path} can be written by ${othersWith(stat, uid)}, so what is in it cannot be trusted`;
  // A folder for all users, as the temporary folder is: a command that closes it would do harm.
  if ((stat.mode & sticky) !== 0) {
    const hint = `set IPC_HOME to a folder of its own, such as ${join(path, 'ipc')}`;
    return new IpcError(code, what, { hint });
  }
  const another = `set ${variables[code]} that others cannot replace`;
  const hint = stat.uid === uid ? `\`${mend} ${shellWord(path)}\`, or ${another}` : another;
  return new IpcError(code, what, { hint });
}

const variables: Readonly<Record<Code, string>> = {
  home_unusable: 'IPC_HOME to a folder',
  key_unusable: 'IPC_KEY_FILE to a file',
};

/** The others who can write to it, in words. */
function othersWith({ mode, gid }: Stats, uid: number): string | undefined {
  if ((mode & othersMayWrite) !== 0) return 'all users';
  return (mode & groupMayWrite) !== 0 && hasOtherMembers(gid, uid) ? describeGroup(gid) : undefined;
}
