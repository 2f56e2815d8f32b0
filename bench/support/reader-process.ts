// Waits for messages; arguments: HOME PORT. Each time a wait is parked it reports the time at which the
// previous message arrived, 0 at first.
import { mailbox, openSession, waitMs } from './mail.ts';
import { nowUs } from './measure.ts';

const [home = '', port = ''] = process.argv.slice(2);
const session = openSession(home, Number(port));
process.once('disconnect', () => process.exit());

for (let arrivedUs = 0; ; ) {
  const waiting = session.wait(mailbox, { timeoutMs: waitMs });
  // Sent on the same connection, so the response follows the parking of the wait.
  await session.status();
  process.send?.(arrivedUs);
  const delivery = await waiting;
  arrivedUs = nowUs();
  if (delivery) await session.settle([delivery]);
}
