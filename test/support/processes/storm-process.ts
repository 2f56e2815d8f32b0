// One session of a storm. It posts to all mailboxes and reads all of them until it is killed. Each
// report has left the process before the next call that depends on it.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Name } from '../../../src/model/message.ts';
import { Session } from '../../../src/session/session.ts';
import { Random } from '../random.ts';
import { retryWhileRefused } from '../retry.ts';
import { type StormEvent, type StormWords, stormBody, stormKey } from './storm-protocol.ts';

const [home = '', port = '', name = '', boxes = '', seed = ''] = process.argv.slice(2);
const session = new Session({
  home,
  port: Number(port),
  origin: { program: 'storm', pid: process.pid, machine: 'here' },
  env: {},
});
const random = new Random(Number(seed));
let isQuiet = false;
let going = Promise.resolve();
let go = () => {};

process.on('disconnect', () => process.exit());
process.on('message', (words: StormWords) => {
  if (words === 'status') return void status();
  go();
  if (words === 'hold') hold();
  if (words === 'quiet') isQuiet = true;
});

await session.status();
await say({ kind: 'ready' });
const mailboxes = boxes.split(',') as Name[];
for (const mailbox of mailboxes) void read(mailbox);
await Promise.all(mailboxes.map(write));
await say({ kind: 'quiet' });

/** Posts one after the other, so that the order in the mailbox is known. */
async function write(mailbox: Name): Promise<void> {
  for (let count = 1; !isQuiet; count++) {
    const key = { stream: `${name}-${mailbox}`, count };
    const body = stormBody(key, random.oneIn(25) ? 1_048_576 : 1_024);
    await going;
    const { number, duplicate } = await tryOn(() => session.post(mailbox, body));
    await say({ kind: 'stored', ...key, number, duplicate });
  }
}

async function read(mailbox: Name): Promise<void> {
  for (;;) {
    const delivery = await tryOn(() => session.wait(mailbox, { timeoutMs: 300_000 }));
    if (!delivery) continue;
    const { attempt, body, envelope } = delivery;
    assert(body, 'no disk damages it here');
    const { number } = envelope;
    await say({ kind: 'got', mailbox, number, attempt, key: stormKey(body) });
    if (random.oneIn(3)) await sleep(random.below(30));
    const notHeld = await tryOn(() => session.settle([delivery]));
    if (notHeld.length === 0) await say({ kind: 'settled', number, attempt });
  }
}

function hold(): void {
  going = new Promise((resolve) => {
    go = resolve;
  });
}

async function status(): Promise<void> {
  const { messages } = await tryOn(() => session.status());
  await say({ kind: 'status', messages });
}

function tryOn<Result>(act: () => Promise<Result>): Promise<Result> {
  return retryWhileRefused(act, ({ code }) => say({ kind: 'refused', code }));
}

/** Resolves when the kernel has the report, so that a kill cannot lose it. */
function say(event: StormEvent): Promise<void> {
  return new Promise((resolve) => process.send?.(event, () => resolve()));
}
