// Sessions that follow the events of a broker; arguments: HOME PORT COUNT. Reports 'ready', and answers 'seen' with the
// number of events that one of them has seen.
import { setPriority } from 'node:os';
import { openSession } from './mail.ts';

const [home = '', port = '', count = ''] = process.argv.slice(2);
/** The lowest. */
setPriority(19);
const partBytesMax = 2_000;
let seen = 0;
const sessions = Array.from({ length: Number(count) }, () => openSession(home, Number(port)));
const places = await Promise.all(
  sessions.map((session) => session.events({ after: 'now', timeoutMs: 0, partBytesMax })),
);
process.once('disconnect', () => process.exit());
process.on('message', () => process.send?.(seen));
process.send?.('ready');
for (const [index, session] of sessions.entries()) void follow(session, index);

async function follow(session: (typeof sessions)[number], index: number): Promise<void> {
  let after = places[index]?.next;
  while (after) {
    const batch = await session.events({ after, timeoutMs: 60_000, partBytesMax });
    if (index === 0) seen += batch.events.length;
    after = batch.next;
  }
}
