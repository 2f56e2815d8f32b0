// Waits for messages: HOME PORT. Sends a number each time that a wait of it is parked: when the
// message before it arrived, 0 at first.
import { mailbox, openSession, waitMs } from './mail.ts';
import { nowUs } from './measure.ts';

const [home = '', port = ''] = process.argv.slice(2);
const session = openSession(home, Number(port));
process.once('disconnect', () => process.exit());

for (let arrivedUs = 0; ; ) {
  const waiting = session.wait(mailbox, { timeoutMs: waitMs });
  // On the same connection, so it is answered after the wait was parked.
  await session.status();
  process.send?.(arrivedUs);
  const delivery = await waiting;
  arrivedUs = nowUs();
  if (delivery) await session.settle([delivery]);
}
