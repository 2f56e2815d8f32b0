// Many mailboxes, and many sessions at one mailbox, with the mail on a NATS server.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AgentMail } from '../../../src/index.ts';
import { libraryPlace } from '../../support/library.ts';
import { residentMiB } from '../../support/memory.ts';
import { natsServer } from '../../support/nats/nats-server.ts';
import { freePort } from '../../support/places.ts';

const callsAtOnce = 128;
const mailboxes = process.env.IPC_TEST_LONG === '1' ? 10_000 : 2_000;

async function setUp(context: TestContext) {
  const server = await natsServer(context);
  if (!server) return undefined;
  const env = { IPC_BROKER: server.url, IPC_PORT: `${await freePort()}` };
  const { session } = await libraryPlace(context, { port: undefined, env });
  const sessions = async (count: number): Promise<AgentMail[]> => {
    const opened: AgentMail[] = [];
    for (let index = 0; index < count; index++) opened.push(await session());
    return opened;
  };
  return { server, sessions };
}

/** Calls for each number below `count`, some at a time. */
async function forEach(count: number, call: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const run = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: callsAtOnce }, run));
}

test(`${mailboxes} mailboxes with one message each are posted and read by two sessions within 60 s; 200 MB are enough`, async (context) => {
  const team = await setUp(context);
  if (!team) return;
  const [owner, guest] = (await team.sessions(2)) as [AgentMail, AgentMail];
  await owner.start();
  await guest.status();
  const processes = [process.pid, team.server.pid];
  const before = await Promise.all(processes.map(residentMiB));
  const began = performance.now();
  await forEach(mailboxes, (index) => guest.post(`box ${index}`, `message ${index}`));
  const posted = performance.now();
  const { messages } = await owner.status();
  assert.equal(messages, mailboxes);
  let wrong = 0;
  await forEach(mailboxes, async (index) => {
    const reader = index % 2 === 0 ? owner : guest;
    const { messages: read } = await reader.fetch(`box ${index}`);
    if (read.length !== 1 || read[0]?.text !== `message ${index}`) wrong++;
    await read[0]?.settle();
  });
  const ended = performance.now();
  const after = await Promise.all(processes.map(residentMiB));
  assert.equal(wrong, 0);
  assert.equal((await guest.status()).messages, 0);
  const grown = after.map((each, index) => each - (before[index] ?? 0));
  context.diagnostic(`posted in ${posted - began} ms, read in ${ended - posted} ms, MiB ${grown}`);
  assert.ok(ended - began < 60_000, `${ended - began} ms`);
  for (const each of grown) assert.ok(each < 200, `${each} MiB`);
});

test('50 sessions wait on one mailbox, and each of 500 messages arrives once', async (context) => {
  const team = await setUp(context);
  if (!team) return;
  const [boss, ...workers] = (await team.sessions(51)) as [AgentMail, ...AgentMail[]];
  await boss.start();
  const count = 500;
  const arrived: string[] = [];
  const work = async (mail: AgentMail) => {
    let own = 0;
    for await (const message of mail.messages('jobs')) {
      const { text } = message;
      await message.settle();
      if (text === 'shutdown') return own;
      arrived.push(text);
      own++;
    }
    return own;
  };
  const working = workers.map(work);
  let waiting = 0;
  while (waiting < workers.length) {
    const { mailboxes } = await boss.status();
    waiting = mailboxes.find(({ mailbox }) => mailbox === 'jobs')?.waiting ?? 0;
  }
  const began = performance.now();
  await forEach(count, (index) => boss.post('jobs', `job ${index}`));
  for (const _ of workers) await boss.post('jobs', 'shutdown');
  const shares = await Promise.all(working);
  context.diagnostic(`${performance.now() - began} ms`);
  const expected = Array.from({ length: count }, (_, index) => `job ${index}`);
  assert.deepEqual(arrived.sort(), expected.sort());
  assert.equal((await boss.status()).messages, 0);
  assert.ok(Math.min(...shares) > 0, 'each of them got work');
});
