// The users of this machine, as /etc/passwd names them; for sentences to people.
import { readFileSync } from 'node:fs';

/** The kernel shows it for a user that has no id in the user namespace of this process. */
export const overflowUid = 65_534;

/** undefined for a user that /etc/passwd does not have. */
export function accountName(uid: number): string | undefined {
  try {
    const rows = readFileSync('/etc/passwd', 'utf8').split('\n');
    return rows.map((row) => row.split(':')).find((fields) => fields[2] === `${uid}`)?.[0];
  } catch {
    return undefined;
  }
}
