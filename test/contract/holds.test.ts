// The contract of messages in hand: settle, release, reject, dead letters, and what becomes of them when a session ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '../../src/model/message.ts';
import { engines } from './engines.ts';
import { left, team } from './team.ts';

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: a message in hand is delivered to nobody else, and settled it is gone`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, other] = [await session(), await session()];
    await mail.post('box', 'x');
    const message = await mail.wait('box');
    assert.equal(await other.wait('box', { timeoutMs: 0 }), undefined);
    await message?.settle();
    await message?.settle();
    assert.equal((await other.status()).messages, 0);
  });

  test(`${name}: a release returns a message to its place with one more attempt, an unread one with the same`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session({ name: 'ann' });
    for (const text of ['one', 'two']) await mail.post('box', text);
    const first = await mail.wait('box');
    await first?.release({ unread: true });
    assert.deepEqual(await left(mail, 'box'), [
      ['one', 1],
      ['two', 1],
    ]);
    await (await mail.wait('box'))?.release();
    const again = await mail.wait('box');
    assert.deepEqual([again?.text, again?.attempt, again?.id], ['one', 2, first?.id]);
    assert.deepEqual([again?.lastHold?.name, again?.lastHold?.ended], ['ann', 'released']);
  });

  test(`${name}: a settle of a message that another session holds is refused with not_held`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, other] = [await session(), await session()];
    await mail.post('box', 'x');
    const message = await mail.wait('box');
    await message?.release();
    const taken = await other.wait('box');
    await assert.rejects(async () => message?.settle(), { code: 'not_held' });
    await taken?.settle();
    assert.equal((await mail.status()).messages, 0);
  });

  test(`${name}: a loop settles a message when its body is done, and releases it when the body throws`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, other] = [await session(), await session()];
    for (const text of ['one', 'two', 'three']) await mail.post('jobs', text);
    const loop = async () => {
      for await (const { text } of mail.messages('jobs')) {
        if (text === 'two') throw new Error('no idea');
      }
    };
    await assert.rejects(loop, { message: 'no idea' });
    assert.deepEqual(await left(other, 'jobs'), [
      ['two', 2],
      ['three', 1],
    ]);
  });

  test(`${name}: after 20 attempts a message waits in dead-letters, and a retry moves it back with attempts from 1`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    const { id } = await mail.post('jobs', 'poison', { id: 'job-7' });
    await mail.post('jobs', 'good');
    for (let attempt = 1; attempt <= 20; attempt++) {
      const message = await mail.wait('jobs');
      assert.deepEqual([message?.id, message?.attempt], [id, attempt]);
      await message?.release();
    }
    assert.deepEqual(await left(mail, 'jobs'), [['good', 1]]);
    const { deadLetterCount, deadLetters } = await mail.status();
    assert.deepEqual([deadLetterCount, deadLetters], [1, [{ to: 'jobs', messages: 1 }]]);
    const dead = await mail.wait('dead-letters');
    assert.deepEqual([dead?.to, dead?.mailbox, dead?.attempt], ['jobs', 'dead-letters', 21]);
    await dead?.release({ unread: true });
    assert.deepEqual(await mail.retry({ to: 'others' }), { moved: [], stayed: [] });
    const { moved, stayed } = await mail.retry({ ids: ['job-7', 'nobody'] });
    assert.deepEqual([moved.map((each) => each.id), stayed], [['job-7'], []]);
    assert.deepEqual(await left(mail, 'jobs'), [
      ['poison', 1],
      ['good', 1],
    ]);
    assert.equal((await mail.status()).deadLetterCount, 0);
  });

  test(`${name}: a rejected message waits in dead-letters at once, and says who rejected it`, async (context) => {
    const { session, service } = await team(context, engine);
    const [mail, worker] = [await session(), await service()];
    await mail.post('jobs', 'nonsense');
    const delivery = await worker.wait('jobs' as Name, { timeoutMs: 10_000 });
    assert(delivery);
    await worker.release([delivery], { rejected: true });
    assert.deepEqual(await left(mail, 'jobs'), []);
    const dead = await mail.wait('dead-letters');
    assert.deepEqual(
      [dead?.text, dead?.to, dead?.lastHold?.ended],
      ['nonsense', 'jobs', 'rejected'],
    );
  });

  test(`${name}: close releases what a session holds, and the next reader learns that it ended`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, reader] = [await session(), await session()];
    await mail.post('box', 'kept');
    assert.equal((await reader.wait('box'))?.text, 'kept');
    await reader.close();
    const again = await mail.wait('box', { timeoutMs: 10_000 });
    assert.deepEqual([again?.text, again?.attempt], ['kept', 2]);
    assert.deepEqual([again?.lastHold?.name, again?.lastHold?.ended], ['box', 'disconnected']);
  });

  test(`${name}: a session that is killed has its messages redelivered under their ids, each with one more attempt`, async (context) => {
    const { session, child } = await team(context, engine);
    const mail = await session();
    const { id } = await mail.post('box', 'work');
    for (const attempt of [1, 2, 3]) {
      const reader = child();
      const delivery = await reader.wait('box', 20_000);
      assert.deepEqual([delivery?.id, delivery?.attempt], [id, attempt]);
      await reader.kill();
    }
    const last = await mail.wait('box', { timeoutMs: 30_000 });
    assert.deepEqual([last?.id, last?.attempt, last?.text], [id, 4, 'work']);
    assert.equal(last?.lastHold?.ended, 'disconnected');
  });
}
