// Sessions that watch, in processes of their own: what they are told when others read, and die.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Notice } from '../../src/model/mail-ahead.ts';
import { place } from '../support/processes/remote.ts';

/** As the session says it when it watches again: for an hour it wants no notice of the same message. */
function toldOf(notice: Notice | undefined) {
  assert(notice);
  const { number, attempt } = notice;
  return { number, attempt, time: Date.now(), pauseMs: 3_600_000 };
}

/** The owner, and two others. */
async function startThree(context: TestContext) {
  const { session } = await place(context);
  const owner = session();
  await owner.status();
  return { owner, watcher: session(), other: session() };
}

test('a session that watches is told of the next mail after the owner was killed, at the next owner', async (context) => {
  const { owner, watcher, other } = await startThree(context);
  const told = watcher.watch('A');
  while ((await other.status()).sessionList.every(({ watches }) => watches.length === 0));
  await owner.kill();
  assert.equal((await other.post('A', 'one')).number, 1);
  const notice = await told;
  assert(notice);
  const { ageMs, ...message } = notice;
  assert.deepEqual(message, { mailbox: 'A', unread: 1, number: 1, attempt: 1 });
  assert.ok(ageMs >= 1_000);
  const [delivered] = (await watcher.fetch('A')).deliveries;
  assert.deepEqual([delivered?.body, delivered?.attempt], ['one', 1]);
});

test('a session that was told is told again when the reader was killed that had read the message', async (context) => {
  const { owner, watcher, other } = await startThree(context);
  await owner.post('A', 'one');
  const first = await watcher.watch('A');
  const again = watcher.watch('A', toldOf(first));
  assert.equal((await other.fetch('A')).deliveries.length, 1);
  await other.kill();
  const second = await again;
  assert.deepEqual([second?.number, second?.attempt], [1, 2]);
});

test('of four sessions that watch a mailbox one is told of a message, and the next one of the next', async (context) => {
  const { session } = await place(context);
  const poster = session();
  const told: number[] = [];
  for (let index = 0; index < 4; index++) {
    const watcher = session();
    await watcher.started();
    const watching = async () => (await poster.status()).mailboxes[0]?.watching ?? 0;
    const end = () => {};
    void watcher.watch('A').then(() => told.push(index), end);
    while ((await watching()) <= index);
  }
  for (const expected of [[0], [0, 1]]) {
    const { watched } = await poster.post('A', 'job');
    assert.equal(watched, true);
    while (told.length < expected.length) await poster.status();
    const { deliveries } = await poster.fetch('A');
    await poster.settle(...deliveries.map(({ number }) => number));
    assert.deepEqual(told, expected);
  }
});
