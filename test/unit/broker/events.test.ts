// The stream of events of a real broker with a real disk: what its clients see of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../../../src/client/client.ts';
import { type Name, parseNamedId } from '../../../src/model/message.ts';
import { openBroker, startBroker } from '../../support/brokers.ts';
import { Following, now } from '../../support/events.ts';

const [ann, ben, dead] = ['ann', 'ben', 'dead-letters'] as [Name, Name, Name];

async function deliver(client: Client, mailbox: Name) {
  const delivery = await client.wait(mailbox, { timeoutMs: 5_000 });
  assert(delivery);
  return delivery;
}

/** One message whose life has everything, and others beside it. */
async function live(client: Client): Promise<void> {
  await client.post(ann, Buffer.from('one'), { from: ben });
  await client.release([await deliver(client, ann)]);
  const again = await deliver(client, ann);
  await client.post(ben, Buffer.from('answer'), {
    ...{ from: ann, answers: again.envelope.id, settles: [again], id: parseNamedId('a1') },
  });
  await client.post(ann, Buffer.from('two'), { alsoTo: [ben] });
  await client.drop(ben, { ids: [parseNamedId('a1')] });
  await client.release([await deliver(client, ann)], { rejected: true });
  await client.retry();
  await client.settle([await deliver(client, ann)]);
}

const life = [
  'stored #1 in ann "one"',
  'delivered #1 to ben, attempt 1',
  'requeued #1 in ann, attempt 2',
  'delivered #1 to ben, attempt 2',
  'stored #2 in ben "answer"',
  'settled #1 by a1',
  'stored #3 in ann "two"',
  'stored #4 in ben "two"',
  'dropped #2',
  'delivered #3 to ann, attempt 1',
  'deadLettered #3',
  'retried #3',
  'delivered #3 to ann, attempt 1',
  'settled #3 by ann',
];

test('a session that follows the events sees the life of each message, in order, and changes nothing', async (context) => {
  const { client } = await startBroker(context);
  const [agent, watcher] = [client(), client()];
  const following = new Following(watcher, await now(watcher));
  await live(agent);
  await agent.post(ann, Buffer.from('left'));
  const before = await agent.status();
  assert.deepEqual(await following.until(15), [...life, 'stored #5 in ann "left"']);
  assert.deepEqual(following.gaps, []);
  const after = await agent.status();
  const { sessionList: _, ...counts } = before;
  assert.deepEqual({ ...counts, sessionList: after.sessionList }, after);
  const { deliveries } = await agent.fetch(ann);
  assert.deepEqual(
    deliveries.map(({ attempt }) => attempt),
    [1],
  );
});

test('events from before the first request are read from the files, and go on in memory without one lost or doubled', async (context) => {
  const { client } = await startBroker(context);
  const [agent, watcher] = [client(), client()];
  await live(agent);
  const following = new Following(watcher, 'start');
  await following.next(1_000);
  await agent.post(ann, Buffer.from('left'));
  assert.deepEqual(await following.until(15), [...life, 'stored #5 in ann "left"']);
  assert.deepEqual(await following.all(), following.words);
  assert.deepEqual(following.gaps, []);
  const places = following.events.map(({ sequence }) => sequence);
  assert.deepEqual(
    places.toSorted((one, other) => one - other),
    places,
  );
});

test('a cursor of any event leads to the events behind it, from memory and from the files', async (context) => {
  const { client } = await startBroker(context);
  const [agent, watcher] = [client(), client()];
  const first = await now(watcher);
  await live(agent);
  const whole = new Following(watcher, first);
  await whole.until(life.length);
  for (const limits of ['memory', 'files']) {
    const session = client();
    for (const { sequence } of whole.events) {
      const after = { epoch: first.epoch, sequence };
      const rest = new Following(session, after);
      const expected = whole.events.filter((event) => event.sequence > sequence);
      await rest.all();
      assert.deepEqual(
        rest.events.map(({ sequence: place }) => place),
        expected.map(({ sequence: place }) => place),
        `${limits}, behind ${sequence}`,
      );
    }
  }
});

test('a session that follows some mailboxes sees the events of their messages alone', async (context) => {
  const { client } = await startBroker(context);
  const [agent, watcher] = [client(), client()];
  const cursor = await now(watcher);
  await live(agent);
  const ofBen = new Following(watcher, cursor, { mailboxes: [ben] });
  assert.deepEqual(await ofBen.all(), [
    'stored #2 in ben "answer"',
    'stored #4 in ben "two"',
    'dropped #2',
  ]);
  const ofDead = new Following(watcher, cursor, { mailboxes: [dead] });
  assert.deepEqual(await ofDead.all(), ['deadLettered #3', 'retried #3']);
});

test('a session that is slow gets a gap for what is not kept, and the mail goes on', async (context) => {
  const { client } = await startBroker(context, {
    limits: {
      ...{ eventRingEventsMax: 8, segmentBytesMax: 4_096, logBytesCompact: 4_096 },
      segmentsCompact: 1,
      segmentsMerge: 2,
    },
    history: { bytesMax: 0, ageMsMax: 0 },
  });
  const [agent, watcher] = [client(), client()];
  const following = new Following(watcher, await now(watcher));
  await agent.post(ann, Buffer.from('kept'));
  for (let count = 1; count <= 60; count++) {
    await agent.post(ben, Buffer.alloc(400, 'x'));
    await agent.settle([await deliver(agent, ben)]);
  }
  await agent.compact();
  await following.all();
  const [gap] = following.gaps;
  assert.equal(gap?.from, 1);
  const seen = following.events.map(({ sequence }) => sequence);
  assert(seen.every((sequence) => sequence > (gap?.to ?? 0)));
  assert.equal(following.words.at(-1), 'settled #61 by ben');
  assert.equal((await agent.status()).messages, 1);
});

test('the messages of one post share their body on the way', async (context) => {
  const { client } = await startBroker(context);
  const [agent, watcher] = [client(), client()];
  const alsoTo = Array.from({ length: 99 }, (_, index) => `to ${index}` as Name);
  const following = new Following(watcher, await now(watcher), { partBytesMax: 1_048_576 });
  const body = Buffer.alloc(1_000_000, 'y');
  await agent.post(ann, body, { alsoTo });
  const { events } = await following.next(10_000);
  assert.equal(events.length, 100);
  const parts = new Set(events.map((event) => event.kind === 'stored' && event.part));
  assert.deepEqual([...parts], [body]);
});

test('over a takeover a session that follows sees each event once', async (context) => {
  const first = await startBroker(context);
  const { folder } = first;
  const agent = first.client();
  await live(agent);
  await agent.post(ann, Buffer.from('left'));
  const watcher = first.client();
  const before = new Following(watcher, 'start');
  await before.until(5);
  assert(typeof before.after === 'object');
  await first.close();
  const second = await openBroker(folder);
  context.after(() => second.close());
  const following = new Following(second.client(), before.after);
  await second.client().post(ann, Buffer.from('later'));
  await following.until(15 - before.events.length + 1);
  assert.deepEqual(
    [...before.words, ...following.words],
    [...life, 'stored #5 in ann "left"', 'stored #6 in ann "later"'],
  );
  assert.deepEqual([before.gaps, following.gaps], [[], []]);
});

test('a cursor of a record that an earlier owner lost is set back to the beginning of this one', async (context) => {
  const first = await startBroker(context);
  const agent = first.client();
  await agent.post(ann, Buffer.from('one'));
  const { epoch, sequence } = await now(agent);
  await first.close();
  const second = await openBroker(first.folder);
  context.after(() => second.close());
  const following = new Following(second.client(), { epoch, sequence: sequence + 1_000 });
  await second.client().post(ann, Buffer.from('two'));
  assert.deepEqual(await following.until(1), ['stored #2 in ann "two"']);
});

test('a wait for events ends with its time, with a cancel, and with the ninth at once', async (context) => {
  const { client } = await startBroker(context);
  const watcher = client();
  const after = await now(watcher);
  const options = { after, partBytesMax: 0 };
  const ended = await watcher.events({ ...options, timeoutMs: 50 });
  assert.deepEqual(ended, { events: [], next: after, gap: undefined, hasMore: false });
  const stop = new AbortController();
  const { signal } = stop;
  const eight = Array.from({ length: 8 }, () => {
    return watcher.events({ ...options, timeoutMs: 60_000, signal });
  });
  const cancelled = Promise.all(eight.map((each) => assert.rejects(each, { code: 'cancelled' })));
  await assert.rejects(watcher.events({ ...options, timeoutMs: 60_000 }), {
    code: 'too_many_waits',
  });
  stop.abort();
  await cancelled;
  assert.deepEqual((await watcher.events({ ...options, timeoutMs: 0 })).events, []);
});

test('an older broker, which does not announce events, is not asked for them', async (context) => {
  const { client } = await startBroker(context, { isOld: true });
  await assert.rejects(client().events({ after: 'now', timeoutMs: 0, partBytesMax: 0 }), {
    code: 'version_mismatch',
    message: `the session that owns the broker (pid ${process.pid}) is older, and cannot tell what happens to mail`,
  });
});
