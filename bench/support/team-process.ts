// Idle sessions; arguments: HOME PORT SESSIONS WAITS, and how many mailboxes the waits are on: one for each wait unless
// it is given. Reports when all are connected and each has as many waits parked. For a message it parks as many again,
// on the mailboxes that follow, and reports that. Ends with its channel.

import type { MailService } from '../../src/model/mail-service.ts';
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
const opened: MailService[] = [];
let parked = 0;
await Promise.all(Array.from({ length: atOnce }, openOnAndOn));
process.on(
  'message',
  () => void Promise.all(opened.map(park)).then(() => process.send?.('parked')),
);
process.send?.('connected');

async function open(index: number): Promise<void> {
  const session = openSession(home, Number(port));
  opened[index] = session;
  await park(session);
}

async function park(session: MailService): Promise<void> {
  for (let wait = 0; wait < Number(waitsEach); wait++) {
    const mailbox = `reader-${parked++ % mailboxCount}` as Name;
    void session.wait(mailbox, { timeoutMs: 5 * waitMs }).catch(() => undefined);
  }
  // Sent on the same connection, so the response follows the parking of the waits. A status would list them all.
  await session.fetch('empty' as Name);
}
