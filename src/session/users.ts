// The users of this machine, for sentences to people.
import { readFile } from 'node:fs/promises';

/** 'ann (1000)', or the number alone for a user that /etc/passwd does not have. */
export async function userName(id: number): Promise<string> {
  const table = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const [name] =
    table
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[2] === `${id}`) ?? [];
  return name ? `${name} (${id})` : `${id}`;
}
