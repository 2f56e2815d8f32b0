// The contract of pauses, of notices of unread mail, and of the events of all that happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentMail, Notice, WatchEvent } from '../../src/index.ts';
import type { Name } from '../../src/model/message.ts';
import { engines } from './engines.ts';
import { left, team, untilWaiting, untilWatched } from './team.ts';

/** An event in a few words. */
function inWords(event: WatchEvent): string {
  switch (event.kind) {
    case 'gap':
      return `gap ${event.from} to ${event.to}`;
    case 'paused':
    case 'resumed':
      return `${event.kind} ${event.mailbox || 'all'}`;
    case 'stored':
      return `stored ${event.message.to} "${event.line}"`;
    case 'delivered':
      return `delivered #${event.message.number}, attempt ${event.attempt}`;
    case 'requeued':
      return `requeued #${event.message.number}, attempt ${event.attempt}`;
    default:
      return `${event.kind} #${event.message.number}`;
  }
}

/** All that happened until now. */
async function past(mail: AgentMail, options: object = {}): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const event of mail.watch({ since: new Date(0), timeoutMs: 0, ...options })) {
    events.push(event);
  }
  return events;
}

/** Events from now on. The watch has begun when it has yielded an event of the mailbox `start`. */
async function live(mail: AgentMail, poster: AgentMail, options: object = {}) {
  const loop = mail.watch(options) as AsyncGenerator<WatchEvent, void>;
  let hasBegun = false;
  const first = loop.next().then(() => {
    hasBegun = true;
  });
  while (!hasBegun) await poster.post('start', 'x');
  await first;
  return async (count: number) => {
    const events: WatchEvent[] = [];
    while (events.length < count) {
      const { value } = await loop.next();
      assert(value);
      if (!('message' in value) || value.message.to !== 'start') events.push(value);
    }
    return events;
  };
}

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: a paused mailbox stores and delivers nothing until it is resumed, and a parked wait goes on`, async (context) => {
    const { session, service } = await team(context, engine);
    const [mail, reader, person] = [await session(), await session(), await service()];
    const waiting = reader.wait('ann');
    await untilWaiting(mail, 'ann');
    assert.deepEqual(await person.pause(['ann' as Name]), ['ann']);
    const { reader: isRead, paused } = await mail.post('ann', 'kept');
    assert.deepEqual([isRead, paused], [false, true]);
    assert.deepEqual(await mail.fetch('ann'), {
      ...{ messages: [], remaining: 1, elsewhere: [], paused: ['ann'] },
    });
    assert.equal((await mail.status()).mailboxes[0]?.paused, true);
    assert.deepEqual(await person.resume(['ann' as Name]), []);
    assert.equal((await waiting)?.text, 'kept');
  });

  test(`${name}: a pause of all stops every mailbox, and its end ends every pause`, async (context) => {
    const { session, service } = await team(context, engine);
    const [mail, person] = [await session(), await service()];
    await mail.post('ben', 'hello');
    await person.pause(['ann' as Name]);
    assert.deepEqual(await person.pause([]), ['ann', '']);
    assert.equal(await mail.wait('ben', { timeoutMs: 0 }), undefined);
    assert.deepEqual(await person.resume([]), []);
    assert.deepEqual(await left(mail, 'ben'), [['hello', 1]]);
  });

  test(`${name}: a watch of a mailbox reports unread mail once, and again when it was read and released`, async (context) => {
    const { session } = await team(context, engine);
    const [boss, ann] = [await session({ name: 'boss' }), await session({ name: 'ann' })];
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
    await untilWatched(boss, 'ann', 0);
  });

  test(`${name}: a poster learns that a session will be woken, and a watch ends by its timeout or its signal`, async (context) => {
    const { session } = await team(context, engine);
    const [boss, ann] = [await session(), await session()];
    const next = ann.watch(['ann', 'jobs']).next();
    await untilWatched(boss, 'jobs');
    const { reader, watched } = await boss.post('jobs', 'one');
    assert.deepEqual([reader, watched], [false, true]);
    assert.equal((await next).value?.mailbox, 'jobs');
    const seen: Notice[] = [];
    for await (const notice of ann.watch('others', { timeoutMs: 200 })) seen.push(notice);
    assert.deepEqual(seen, []);
    const ending = new AbortController();
    const watching = ann.watch('others', { signal: ending.signal }).next();
    await untilWatched(boss, 'others');
    ending.abort();
    await assert.rejects(watching, { code: 'cancelled' });
    await untilWatched(boss, 'others', 0);
  });

  test(`${name}: a live watch sees all that others do, in order, each once`, async (context) => {
    const { session, service } = await team(context, engine);
    const [boss, ann] = [await session({ name: 'boss' }), await session({ name: 'ann' })];
    const [looker, person] = [await session(), await service()];
    const next = await live(looker, boss, { bodies: true });
    const { number } = await boss.post('ann', 'do this\nand that');
    await (await ann.wait('ann'))?.release();
    const job = await ann.wait('ann');
    const answer = await ann.post('boss', 'done', { answers: job });
    await person.pause(['ann' as Name]);
    await person.resume([]);
    await boss.drop('boss');
    const events = await next(9);
    assert.deepEqual(events.map(inWords), [
      'stored ann "do this…"',
      `delivered #${number}, attempt 1`,
      `requeued #${number}, attempt 2`,
      `delivered #${number}, attempt 2`,
      'stored boss "done"',
      `settled #${number}`,
      'paused ann',
      'resumed all',
      `dropped #${answer.number}`,
    ]);
    const [stored, , , , , settled] = events;
    assert.equal(stored?.kind === 'stored' && stored.text, 'do this\nand that');
    assert.equal(settled?.kind === 'settled' && settled.by, answer.id);
  });

  test(`${name}: a watch begins with what is kept, or goes on behind the cursor of an event`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session({ name: 'boss' });
    for (const text of ['one', 'two', 'three']) await mail.post(['ann', 'ben'], text);
    await (await mail.wait('ann'))?.settle();
    const all = await past(mail);
    assert.deepEqual(all.map(inWords), [
      ...['stored ann "one"', 'stored ben "one"', 'stored ann "two"', 'stored ben "two"'],
      ...['stored ann "three"', 'stored ben "three"', 'delivered #1, attempt 1', 'settled #1'],
    ]);
    const fourth = all[3];
    const rest = await past(mail, { since: undefined, after: fourth?.cursor });
    assert.deepEqual(rest.map(inWords), all.slice(4).map(inWords));
    assert.deepEqual(await past(mail, { since: new Date(Date.now() + 60_000) }), []);
    assert.equal((await past(mail, { mailboxes: ['ben'] })).length, 3);
  });

  test(`${name}: a cursor stays good when another session owns the broker`, async (context) => {
    const { session, child } = await team(context, engine);
    const owner = child();
    await owner.post('ann', 'one');
    const mail = await session();
    const [first] = await past(mail);
    await owner.post('ann', 'two');
    await owner.kill();
    await mail.post('ann', 'three');
    const rest = await past(mail, { since: undefined, after: first?.cursor });
    assert.deepEqual(rest.map(inWords), ['stored ann "two"', 'stored ann "three"']);
    assert.deepEqual((await past(mail)).map(inWords), [
      ...['stored ann "one"', 'stored ann "two"', 'stored ann "three"'],
    ]);
  });
}
