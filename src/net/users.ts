// The users of this machine, for sentences to people.
import { readFileSync } from 'node:fs';

/** The kernel reports a user that has no id in the user namespace of this process as this one. */
export const unmappedUser = 65_534;
const allUsers = 4_294_967_295;

/** 'user ann (1000)', or the number alone for a user that /etc/passwd does not have. */
export function describeUser(id: number): string {
  if (id === unmappedUser && !seesAllUsers()) return 'a user outside this container';
  const account = accountOf(id);
  return `user ${account === undefined ? id : `${account} (${id})`}`;
}

/** undefined if /etc/passwd does not have it. */
export function accountOf(id: number): string | undefined {
  const rows = (textOf('/etc/passwd') ?? '').split('\n').map((line) => line.split(':'));
  return rows.find((fields) => fields[2] === `${id}`)?.[0];
}

/** The map is empty in a user namespace that has no ids. */
function seesAllUsers(): boolean {
  const map = textOf('/proc/self/uid_map') ?? `0 0 ${allUsers}`;
  return Number(map.trim().split(/\s+/)[2]) === allUsers;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
