// A writer or reader of a fleet, started by fleet.ts. A writer posts as fast as it gets responses; a
// reader checks the order of the messages of each writer.

import type { Name } from '../../../src/model/message.ts';
import { Session } from '../../../src/session/session.ts';
import { retryWhileRefused } from '../retry.ts';
import type { FleetReport } from './fleet.ts';

const [home = '', port = '', role = '', name = '', boxes = '', total = ''] = process.argv.slice(2);
const session = new Session({
  home,
  port: Number(port),
  origin: { program: 'fleet', pid: process.pid, machine: 'here' },
  env: {},
});
const postsAtOnce = 128;

process.on('disconnect', () => process.exit());
process.once('message', () => void (role === 'writer' ? write() : read()));
await session.status();
process.send?.('ready');

/** Message N goes to mailbox N modulo the number of mailboxes. */
async function write(): Promise<void> {
  const mailboxes = boxes.split(',') as Name[];
  const open = new Set<Promise<unknown>>();
  for (let count = 0; count < Number(total); count++) {
    const mailbox = mailboxes[count % mailboxes.length] as Name;
    const body = Buffer.from(`${name} ${count}`);
    // A repeated identical post joins the one that is still in flight, so the order is kept.
    const posted = retryWhileRefused(() => session.post(mailbox, body));
    open.add(posted);
    void posted.then(() => open.delete(posted));
    if (open.size >= postsAtOnce) await Promise.race(open);
  }
  await Promise.all(open);
  report({ messages: Number(total), wrong: [] });
}

async function read(): Promise<void> {
  const mailbox = name as Name;
  const step = boxes.split(',').length;
  const first = boxes.split(',').indexOf(name);
  const next = new Map<string, number>();
  const wrong: string[] = [];
  let messages = 0;
  let lastNumber = 0;
  while (messages < Number(total)) {
    const delivery = await retryWhileRefused(() => session.wait(mailbox, { timeoutMs: 60_000 }));
    const { deliveries } = await retryWhileRefused(() => session.fetch(mailbox));
    const all = delivery ? [delivery, ...deliveries] : deliveries;
    for (const { body, envelope, attempt } of all) {
      const [writer = '', count = ''] = String(body).split(' ');
      const expected = next.get(writer) ?? first;
      next.set(writer, expected + step);
      const isRight = Number(count) === expected && attempt === 1 && envelope.number > lastNumber;
      if (!isRight) wrong.push(`${writer} ${count} attempt ${attempt} as #${envelope.number}`);
      lastNumber = envelope.number;
    }
    messages += all.length;
    await retryWhileRefused(() => session.settle(all));
  }
  report({ messages, wrong });
}

function report(counts: FleetReport): void {
  process.send?.(counts);
}
