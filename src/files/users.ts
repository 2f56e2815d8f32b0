// The users and groups of this machine: their names for people, and whether an id or a group can be another
// user's.
import { readFileSync, statfsSync } from 'node:fs';

export const rootUser = 0;
/** The kernel reports a user or a group without an id in the user namespace of this process as this one. */
const unmapped = 65_534;
const allUsers = 4_294_967_295;
/** The type that statfs(2) reports. */
const nfsType = 0x6969;
/** Sources of accounts, in nsswitch.conf, that are files of this machine or made up by it. */
const localSources: readonly string[] = ['files', 'systemd', 'altfiles', 'extrausers'];

/** 'user ann (1000)', or the number alone for a user that /etc/passwd does not have. */
export function describeUser(id: number): string {
  if (id === unmapped && !seesAllUsers()) return 'a user outside this container';
  const account = accountOf(id);
  return `user ${account === undefined ? id : `${account} (${id})`}`;
}

/** undefined if /etc/passwd does not have it. */
export function accountOf(id: number): string | undefined {
  return rowsOf('/etc/passwd').find((fields) => fields[2] === `${id}`)?.[0];
}

/** 'group staff (50)', or the number alone for a group that /etc/group does not have. */
export function describeGroup(id: number): string {
  const name = rowsOf('/etc/group').find((fields) => fields[2] === `${id}`)?.[0];
  return `group ${name === undefined ? id : `${name} (${id})`}`;
}

/**
 * The id says nothing about the owner of the file: a user namespace does not have the owner, or NFS has no
 * id for it, or does not let root be root. `path`: the file.
 */
export function isUnknownOwner(id: number, path: string): boolean {
  return id === unmapped && (!seesAllUsers() || isOnNfs(path));
}

function isOnNfs(path: string): boolean {
  try {
    return statfsSync(path).type === nfsType;
  } catch {
    return false;
  }
}

/**
 * Whether a group has members beside the user, and root. A group with the id of the user is private to it
 * (user private groups), and one without an account, as of a volume in a container, is nobody's; but where
 * a directory service has accounts that no file shows, only the first of these is certain.
 */
export function hasOtherMembers(group: number, user: number): boolean {
  if (group === rootUser || (group === unmapped && !seesAllUsers())) return false;
  const accounts = rowsOf('/etc/passwd');
  const trusted = [`${rootUser}`, `${user}`];
  const names = accounts.filter(([, , id = '']) => trusted.includes(id)).map(([name]) => name);
  const listed = rowsOf('/etc/group').find(([, , id]) => id === `${group}`)?.[3] ?? '';
  const members = [
    ...accounts.filter((fields) => fields[3] === `${group}`).map(([name]) => name),
    ...listed.split(',').filter(Boolean),
  ];
  if (members.some((member) => !names.includes(member))) return true;
  return group !== user && !hasOnlyLocalAccounts();
}

function hasOnlyLocalAccounts(): boolean {
  if (process.platform !== 'linux') return false;
  const rows = (textOf('/etc/nsswitch.conf') ?? '').split('\n');
  const sources = rows.flatMap(
    (row) => /^\s*(?:passwd|group|initgroups):([^#]*)/.exec(row)?.[1] ?? [],
  );
  const words = sources
    .join(' ')
    .replace(/\[[^\]]*\]/g, ' ')
    .split(/\s+/)
    .filter(Boolean);
  return words.every((word) => localSources.includes(word));
}

/** The map is empty in a user namespace that has no ids. */
function seesAllUsers(): boolean {
  const map = textOf('/proc/self/uid_map') ?? `0 0 ${allUsers}`;
  return Number(map.trim().split(/\s+/)[2]) === allUsers;
}

/** The fields of each line. */
function rowsOf(path: string): string[][] {
  return (textOf(path) ?? '').split('\n').map((line) => line.split(':'));
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
