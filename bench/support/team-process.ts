// Idle sessions; arguments: HOME PORT SESSIONS WAITS, and how many mailboxes the waits are on: one for each wait unless
// it is given. Reports when all are connected and each has as many waits parked, and ends with its channel.
import type { Name } from '../../src/model/message.ts';
import { openSession, waitMs } from './mail.ts';

const [home = '', port = '', sessions = '', waitsEach = '', mailboxes = ''] = process.argv.slice(2);
const mailboxCount = Number(mailboxes || Number(sessions) * Number(waitsEach));
process.once('disconnect', () => process.exit());

/** Connected some at a time, as the listen backlog is short. */
const atOnce = 50;
let next = 0;
const openOnAndOn = async () => {
  while (next < Number(sessions)) await open(next++);
};
await Promise.all(Array.from({ length: atOnce }, openOnAndOn));
process.send?.('connected');

async function open(index: number): Promise<void> {
  const session = openSession(home, Number(port));
  for (let wait = 0; wait < Number(waitsEach); wait++) {
    const mailbox = `reader-${(index * Number(waitsEach) + wait) % mailboxCount}` as Name;
    void session.wait(mailbox, { timeoutMs: 5 * waitMs }).catch(() => undefined);
  }
  // Sent on the same connection, so the response follows the parking of the waits.
  await session.status();
}
