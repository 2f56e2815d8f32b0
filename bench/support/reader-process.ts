// Waits for messages; arguments: HOME PORT, and the URL of a NATS server if it keeps the mail. Each time a wait is
// parked it reports the time at which the previous message arrived, 0 at first. Under a flood a call may fail because
// the broker is silent: then it is made again.
import { retryWhileRefused } from '../../test/support/retry.ts';
import { mailbox, openSession, waitMs } from './mail.ts';
import { nowUs } from './measure.ts';

const [home = '', port = '', url = ''] = process.argv.slice(2);
const session = openSession(home, Number(port), url);
process.once('disconnect', () => process.exit());

for (let arrivedUs = 0; ; ) {
  const waiting = retryWhileRefused(() => session.wait(mailbox, { timeoutMs: waitMs }));
  // Sent on the same connection, so the response follows the parking of the wait.
  await retryWhileRefused(() => session.status());
  process.send?.(arrivedUs);
  const delivery = await waiting;
  arrivedUs = nowUs();
  if (delivery) await retryWhileRefused(() => session.settle([delivery]));
}
