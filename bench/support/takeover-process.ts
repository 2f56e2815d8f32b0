// Survivors of an owner: a reader whose wait is parked, and a poster; arguments: HOME PORT. For the pid of the owner it
// kills that process, posts at once, and reports the microseconds from the kill to the end of the wait. One of the two
// sessions takes over.
import { open } from '../../src/index.ts';
import { bodyOf, mailbox, waitMs } from './mail.ts';
import { nowUs } from './measure.ts';

const [home = '', port = ''] = process.argv.slice(2);
const options = { home, port: Number(port), env: {}, program: 'bench' };
const [poster, reader] = [await open(options), await open(options)];
await poster.fetch(mailbox);
const waiting = reader.wait(mailbox, { timeoutMs: 5 * waitMs });
// Sent on the same connection, so the response follows the parking of the wait.
await reader.fetch('empty');
process.once('disconnect', () => void Promise.all([poster.close(), reader.close()]));
process.once('message', (pid: number) => void takeOver(pid));
process.send?.('parked');

async function takeOver(pid: number): Promise<void> {
  const startUs = nowUs();
  process.kill(pid, 'SIGKILL');
  const stored = poster.post(mailbox, bodyOf(256));
  const message = await waiting;
  const arrivedUs = nowUs();
  await stored;
  await message?.settle();
  process.send?.(arrivedUs - startUs);
}
