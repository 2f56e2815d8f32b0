// Messages that no reader settles: they wait in dead-letters, the status reports them, a retry returns
// them.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Client } from '../../src/client/client.ts';
import type { Name } from '../../src/model/message.ts';
import { startBroker } from '../support/brokers.ts';
import { McpHost } from '../support/mcp-host.ts';
import { place, Remote } from '../support/processes/remote.ts';
import { type Shell, shell } from '../support/processes/shell.ts';

const box = 'box' as Name;

/** MCP hosts and shell commands on the same state folder. */
async function shellWithHosts(context: TestContext) {
  const hosts: McpHost[] = [];
  context.after(async () => {
    for (const host of hosts) await host.destroy();
  });
  const commands = await shell(context);
  const host = async () => {
    const made = await McpHost.start(commands);
    hosts.push(made);
    return made;
  };
  return { ...commands, host };
}

async function statusOf({ run }: Pick<Shell, 'run'>) {
  const { text } = await run(['status', '--json']);
  const { deadLetterCount, deadLetters } = JSON.parse(text);
  return { deadLetterCount, deadLetters };
}

test('a message that kills its reader 20 times waits in dead-letters, other messages proceed, and a retry returns it', async (context) => {
  const world = await shellWithHosts(context);
  const owner = await world.host();
  await owner.call({ operation: 'post', to: 'work', message: 'poison' });
  await owner.call({ operation: 'post', to: 'work', message: 'harmless' });
  for (let attempt = 1; attempt <= 20; attempt++) {
    const receiver = await world.host();
    const { head, bodies } = await receiver.call({ operation: 'wait', mailbox: 'work' });
    assert.deepEqual(bodies, ['poison']);
    assert.equal(/attempt (\d+)/.exec(head)?.[1], attempt === 1 ? undefined : `${attempt}`);
    await receiver.kill('SIGKILL');
    // The broker has seen the death when no session holds the message.
    while (/[1-9]\d* held/.test((await owner.call({ operation: 'broker_status' })).text));
  }
  const status = await owner.call({ operation: 'broker_status' });
  assert.match(
    status.text,
    /\n1 message is a dead letter, given up: 1 for "work"\. `ipc store retry` moves them back\.\n/,
  );
  assert.match((await world.run(['status'])).text, /\n1 message is a dead letter.* for "work"\./);
  assert.deepEqual(await statusOf(world), {
    deadLetterCount: 1,
    deadLetters: [{ to: 'work', messages: 1 }],
  });
  const next = await owner.call({ operation: 'wait', mailbox: 'work' });
  assert.deepEqual(next.bodies, ['harmless']);
  await owner.call({ operation: 'ping', host: `127.0.0.1:${world.port}`, after: next.ticket });

  const retried = await world.run(['store', 'retry']);
  assert.deepEqual(
    [retried.code, retried.text],
    [0, 'Moved back, with new attempts: 1 in "work".\n'],
  );
  const again = await owner.call({ operation: 'wait', mailbox: 'work' });
  assert.deepEqual(again.bodies, ['poison']);
  assert.doesNotMatch(again.head, /attempt/);
  assert.deepEqual(await statusOf(world), { deadLetterCount: 0, deadLetters: [] });
});

test('a cancelled wait counts no attempt, however often it is repeated', async (context) => {
  const world = await shellWithHosts(context);
  const [poster, reader] = [await world.host(), await world.host()];
  await poster.call({ operation: 'post', to: 'work', message: 'once' });
  for (let round = 1; round <= 25; round++) {
    // Sent in one write, so that no result is written in between.
    reader.child.stdin?.cork();
    reader.cancel(reader.begin({ operation: 'wait', mailbox: 'work' }).id);
    reader.child.stdin?.uncork();
    await reader.call({ operation: 'broker_status' });
  }
  const { bodies, head } = await poster.call({ operation: 'wait', mailbox: 'work' });
  assert.deepEqual(bodies, ['once']);
  assert.doesNotMatch(head, /attempt/);
});

test('store retry retries the given ids or mailbox, and reports the ids that it could not retry', async (context) => {
  const world = await shellWithHosts(context);
  const { run } = world;
  const post = async (to: string, body: string): Promise<string> =>
    JSON.parse((await run(['post', to, body, '--json'])).text).id;
  await post('ann', 'one');
  const two = await post('ann', 'two');
  await post('ben', 'three');
  const reader = new Remote(world.home, world.port);
  context.after(() => reader.kill());
  for (const mailbox of ['ann', 'ben']) await useUp(reader, mailbox);
  assert.deepEqual(await statusOf(world), {
    deadLetterCount: 3,
    deadLetters: [
      { to: 'ann', messages: 2 },
      { to: 'ben', messages: 1 },
    ],
  });

  const one = await run(['store', 'retry', two, 'nobody', '--json']);
  assert.equal(one.code, 1);
  assert.deepEqual(JSON.parse(one.text), {
    moved: [{ id: two, to: 'ann' }],
    stayed: [],
    missing: ['nobody'],
  });
  const missing = await run(['store', 'retry', 'nobody']);
  assert.deepEqual(
    [missing.code, missing.text],
    [1, 'No dead letter was moved.\n"nobody" is no dead letter, or a session holds it\n'],
  );
  const ben = await run(['store', 'retry', '--to', 'ben']);
  assert.deepEqual([ben.code, ben.text], [0, 'Moved back, with new attempts: 1 in "ben".\n']);
  assert.equal((await run(['wait', 'ben'])).text, 'three');
  assert.equal((await run(['fetch', 'ann'])).text, 'two\n');
  assert.equal((await run(['store', 'retry'])).code, 0);
  assert.equal((await run(['fetch', 'ann'])).text, 'one\n');
  const none = await run(['store', 'retry']);
  assert.deepEqual([none.code, none.text], [0, 'No dead letter was moved.\n']);
});

test('one retry returns more than a thousand dead letters, and leaves those whose mailbox is full', async (context) => {
  const limits = { attemptsMax: 1, mailboxMessagesMax: 1_150 };
  const { client } = await startBroker(context, { limits });
  const session = client();
  await postAll(session, 1_100);
  await killAll(session);
  assert.equal((await session.status()).deadLetterCount, 1_100);
  await postAll(session, 100);
  const result = await session.retry();
  assert.deepEqual([result.moved.length, result.stayed.length], [1_050, 50]);
  const { deadLetterCount, messages } = await session.status();
  assert.deepEqual([deadLetterCount, messages], [50, 1_200]);
});

test('a retry accepts more than a thousand ids, and ignores repeated ones', async (context) => {
  const limits = { attemptsMax: 1, mailboxMessagesMax: 2_050 };
  const { client } = await startBroker(context, { limits });
  const session = client();
  for (const count of [2_000, 100]) {
    await postAll(session, count);
    await killAll(session);
  }
  await postAll(session, 100);
  const { deliveries } = await session.fetch('dead-letters' as Name);
  const first = deliveries.map(({ envelope }) => envelope.id);
  const { deliveries: more } = await session.fetch('dead-letters' as Name);
  const ids = [...first, ...more.map(({ envelope }) => envelope.id)];
  await session.release([...deliveries, ...more], { unread: true });
  assert.equal(ids.length, 2_000);
  const result = await session.retry({ ids: [...ids, ...ids] });
  assert.deepEqual([result.moved.length, result.stayed.length], [1_950, 50]);
  assert.deepEqual([...result.moved, ...result.stayed].map(({ id }) => id).sort(), ids.sort());
  // The hundred dead letters whose ids were not given.
  assert.equal((await session.status()).deadLetterCount, 150);
});

test('when the owner is killed during a retry, each dead letter exists once, in dead-letters or in its mailbox', async (context) => {
  const { session } = await place(context);
  const [first, second, reader] = [session(), session(), session()];
  const total = 40;
  for (let count = 0; count < total; count++) await first.post('box', `${count}`);
  await reader.status();
  await useUp(reader, 'box');
  assert.equal((await second.status()).deadLetterCount, total);
  const retrying = second.retry();
  await first.kill();
  await retrying;
  const back = await second.fetch('box');
  const dead = await second.fetch('dead-letters');
  const bodies = [...back.deliveries, ...dead.deliveries].map(({ body }) => Number(body));
  assert.deepEqual(
    bodies.toSorted((one, other) => one - other),
    Array.from({ length: total }, (_, index) => index),
  );
  assert.deepEqual(dead.deliveries, []);
  assert.deepEqual(new Set(back.deliveries.map(({ attempt }) => attempt)), new Set([1]));
});

/** Uses up all attempts of the messages in a mailbox. */
async function useUp(reader: Remote, mailbox: string): Promise<void> {
  for (let attempt = 1; attempt <= 20; attempt++) {
    const { deliveries } = await reader.fetch(mailbox);
    await reader.release(deliveries.map(({ number }) => number));
  }
}

async function postAll(session: Client, count: number): Promise<void> {
  const one = () => session.post(box, Buffer.from('x'));
  await Promise.all(Array.from({ length: count }, one));
}

/** Turns all messages into dead letters; the broker of this test allows one attempt. */
async function killAll(session: Client): Promise<void> {
  for (;;) {
    const { deliveries, remaining } = await session.fetch(box);
    await session.release(deliveries);
    if (remaining === 0) return;
  }
}
