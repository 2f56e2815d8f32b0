// The users of this machine, for sentences to people.
import { readFile } from 'node:fs/promises';
import { accountName, overflowUid } from '../net/accounts.ts';

const allUsers = 4_294_967_295;

/** 'user ann (1000)', or the number alone for a user that /etc/passwd does not have. */
export async function describeUser(id: number): Promise<string> {
  if (id === overflowUid && !(await seesAllUsers())) return 'a user outside this container';
  const name = accountName(id);
  return `user ${name ? `${name} (${id})` : id}`;
}

async function seesAllUsers(): Promise<boolean> {
  const map = await readFile('/proc/self/uid_map', 'utf8').catch(() => `0 0 ${allUsers}`);
  return Number(map.trim().split(/\s+/)[2]) === allUsers;
}
