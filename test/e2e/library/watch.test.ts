// `mail.watch`: notices of unread mail, which stays where it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentMail, Notice } from '../../../src/index.ts';
import { libraryPlace } from '../../support/library.ts';

/** Returns when `count` sessions watch the mailbox. */
async function watched(mail: AgentMail, mailbox: string, count = 1): Promise<void> {
  for (;;) {
    const { mailboxes } = await mail.status();
    const found = mailboxes.find((each) => each.mailbox === mailbox);
    if ((found?.watching ?? 0) === count) return;
    await sleep(20);
  }
}

test('a loop over notices reports unread mail once, and again when it was read and released', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const boss = await session({ name: 'boss' });
  const ann = await session({ name: 'ann' });
  await boss.post('ann', 'one');
  const seen: Notice[] = [];
  for await (const notice of ann.watch('ann')) {
    seen.push(notice);
    const message = await ann.wait('ann');
    assert(message);
    if (seen.length === 2) {
      await message.settle();
      break;
    }
    await message.release();
  }
  assert.deepEqual(
    seen.map(({ mailbox, unread, number, attempt }) => [mailbox, unread, number, attempt]),
    [
      ['ann', 1, 1, 1],
      ['ann', 1, 1, 2],
    ],
  );
  assert(seen.every(({ ageMs }) => ageMs >= 1_000 && ageMs < 60_000));
  await watched(boss, 'ann', 0);
});

test('a poster is told that a session will be woken, and a status which one and how', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const boss = await session({ name: 'boss' });
  const ann = await session({ name: 'ann' });
  const notices = ann.watch(['ann', 'jobs']);
  const first = notices.next();
  await watched(boss, 'jobs');
  const { reader, watched: isWatched } = await boss.post('jobs', 'one');
  assert.deepEqual([reader, isWatched], [false, true]);
  assert.equal((await first).value?.mailbox, 'jobs');
  const second = notices.next();
  await watched(boss, 'jobs');
  const state = async () => {
    const { sessionList } = await boss.status();
    const { watches, wakePath, lastNotice } = sessionList.find(({ name }) => name === 'ann') ?? {};
    return { watches, wakePath, isRead: lastNotice?.isRead };
  };
  assert.deepEqual(await state(), {
    ...{ watches: ['ann', 'jobs'], wakePath: 'library', isRead: false },
  });
  await (await boss.wait('jobs'))?.settle();
  assert.equal((await state()).isRead, true);
  await boss.post('ann', 'two');
  assert.equal((await second).value?.mailbox, 'ann');
});

test('the timeout ends a watch, and so does a signal, with `cancelled`', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const mail = await session();
  const seen: Notice[] = [];
  for await (const notice of mail.watch('ann', { timeoutMs: 300 })) seen.push(notice);
  assert.deepEqual(seen, []);
  const ended = new AbortController();
  const watching = mail.watch('ann', { signal: ended.signal }).next();
  await watched(mail, 'ann');
  ended.abort();
  await assert.rejects(watching, { code: 'cancelled' });
  await watched(mail, 'ann', 0);
});

test('a watch takes up to a week or no end, and names what it does not take', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const mail = await session();
  await assert.rejects(mail.watch('ann', { timeoutMs: 604_800_001 }).next(), {
    code: 'bad_timeout',
    message: 'timeoutMs is 604800001; it must be from 0 to 604800000, or Infinity',
  });
  await assert.rejects(mail.watch('ann', { follow: true } as never).next(), {
    code: 'unknown_parameter',
  });
  await assert.rejects(mail.watch([]).next(), { code: 'bad_parameter' });
});
