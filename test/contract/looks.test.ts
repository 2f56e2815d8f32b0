// The contract of calls that look at mail, or clear it away: peek, find, drop, status, compact and erase.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '../../src/model/message.ts';
import { keptOf64 } from './differences.ts';
import { engines } from './engines.ts';
import { assertWarnings, left, team, untilWaiting } from './team.ts';

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: a peek shows ready and held messages, and takes none`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, reader] = [await session(), await session({ program: 'other' })];
    await mail.post('box', 'one\nmore', { from: 'ann', id: 'job-1' });
    for (let count = 2; count <= 25; count++) await mail.post('box', `line ${count}`);
    assert.equal((await reader.wait('box'))?.text, 'one\nmore');
    const { messages, remaining } = await mail.peek('box');
    const [one, two] = messages;
    assert.deepEqual([messages.length, remaining], [20, 5]);
    assert.deepEqual(
      [one?.id, one?.from, one?.attempt, one?.bytes, one?.line, one?.text],
      ['job-1', 'ann', 1, 8, 'one…', undefined],
    );
    assert.equal(one?.holder?.origin?.program, 'other');
    assert.deepEqual([two?.holder, two?.line], [undefined, 'line 2']);
    const whole = await mail.peek('box', { max: 1, full: true });
    assert.deepEqual([whole.messages[0]?.text, whole.remaining], ['one\nmore', 24]);
    assert.equal((await left(mail, 'box')).length, 24);
  });

  test(`${name}: a peek of full bodies of 1 MB shows them whole`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    const text = 'x'.repeat(1_048_576);
    for (let count = 0; count < 5; count++) await mail.post('box', text);
    const { messages, remaining } = await mail.peek('box', { full: true });
    assert.deepEqual(
      [messages.map((each) => each.text === text), remaining],
      [[true, true, true, true, true], 0],
    );
  });

  test(`${name}: find says what has become of messages, and which unread message answers them`, async (context) => {
    const { session } = await team(context, engine);
    const [ann, ben] = [await session({ name: 'ann' }), await session({ name: 'ben' })];
    const [one, two] = [await ann.post('ben', 'one'), await ann.post('ben', 'two', { id: 'mine' })];
    const ids = [one.id, two.id, 'never'];
    const states = async () => (await ann.find(ids)).map(({ state }) => state);
    assert.deepEqual(await states(), ['ready', 'ready', 'unknown']);
    const question = await ben.wait('ben');
    assert.deepEqual(await states(), ['held', 'ready', 'unknown']);
    const answer = await ben.post('ann', 'answer', { answers: question });
    const [answered] = await ann.find(ids);
    assert.deepEqual([answered?.state, answered?.answeredBy], ['settled', answer.number]);
    const many = Array.from({ length: 150 }, (_, index) => (index === 149 ? 'mine' : 'no'));
    assert.deepEqual((await ann.find(many)).at(-1)?.state, 'ready');
  });

  test(`${name}: a drop settles what is ready, all of it or the named messages, and leaves what is held`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, reader] = [await session(), await session()];
    for (const id of ['w', 'x', 'y', 'z']) await mail.post('box', id, { from: 'ann', id });
    await reader.wait('box');
    assert.deepEqual(await mail.drop('box', { olderThanMs: 3_600_000 }), { dropped: [], held: 0 });
    assert.deepEqual(await mail.drop('box', { ids: ['y', 'w', 'nobody'] }), {
      dropped: [{ id: 'y', number: 3, from: 'ann' }],
      held: 1,
    });
    assert.deepEqual(await mail.drop('box'), {
      dropped: [
        { id: 'x', number: 2, from: 'ann' },
        { id: 'z', number: 4, from: 'ann' },
      ],
      held: 1,
    });
    assert.equal((await mail.post('box', 'x', { from: 'ann', id: 'x' })).duplicate, true);
    assert.equal((await mail.status()).messages, 1);
  });

  test(`${name}: a status counts mailboxes, messages, bytes, waits and sessions, and marks the one that asks`, async (context) => {
    const { session, port } = await team(context, engine);
    const [ann, ben] = [await session({ name: 'ann' }), await session()];
    await ann.post('ben', 'work');
    const work = await ben.wait('ben');
    const waiting = ben.wait('jobs', { timeoutMs: 60_000 });
    await untilWaiting(ann, 'jobs');
    const status = await ann.status();
    assert.deepEqual(
      [status.port, status.pid, status.epoch, status.messages, status.bytes],
      [port, process.pid, 1, 1, 4],
    );
    assert.deepEqual(
      status.mailboxes.map(({ mailbox, ready, held, waiting }) => [mailbox, ready, held, waiting]),
      [
        ['ben', 0, 1, 0],
        ['jobs', 0, 0, 1],
      ],
    );
    assert.deepEqual([status.sessions, status.namedSessions, status.mailboxCount], [2, 2, 2]);
    const [own, other] = status.sessionList;
    assert.deepEqual([own?.name, own?.own, own?.held], ['ann', true, 0]);
    assert.deepEqual([other?.own, other?.waitsOn, other?.held], [false, ['jobs'], 1]);
    assert.equal(other?.holds[0]?.number, work?.number);
    assert.equal(status.storageStalledMs, 0);
    assertWarnings(status.warnings, name);
    await ann.post('jobs', 'done');
    await waiting;
  });

  test(`${name}: compact and erase remove settled mail, and keep the rest`, async (context) => {
    const { session, service } = await team(context, engine);
    const [mail, keeper] = [await session(), await service()];
    for (const box of ['ann', 'ben']) {
      await mail.post(box, 'done');
      await (await mail.wait(box))?.settle();
      await mail.post(box, 'kept');
    }
    await keeper.compact();
    assert.equal((await keeper.erase('ann' as Name)).messages, 1);
    const lines: (string | undefined)[] = [];
    for await (const event of mail.watch({ since: new Date(0), timeoutMs: 0 })) {
      if (event.kind === 'stored') lines.push(`${event.message.to}: ${event.line}`);
    }
    assert.deepEqual(lines.toSorted(), ['ann: kept', 'ben: done', 'ben: kept']);
    assert.deepEqual(await left(mail, 'ann'), [['kept', 1]]);
    assert.deepEqual(await left(mail, 'ben'), [['kept', 1]]);
  });

  test(`${name}: settled mail is kept up to the default of the engine`, async (context) => {
    const { session, service } = await team(context, engine);
    const [mail, keeper] = [await session(), await service()];
    const body = Buffer.alloc(1_048_576, 'x');
    for (let count = 1; count <= 64; count++) {
      await mail.post('box', body, { id: `job-${count}` });
      await (await mail.wait('box'))?.settle();
    }
    await keeper.compact();
    const ids: string[] = [];
    for await (const event of mail.watch({ since: new Date(0), timeoutMs: 0 })) {
      if (event.kind === 'stored') ids.push(event.message.id);
    }
    const [min, max] = keptOf64[name];
    assert.ok(ids.length >= min && ids.length <= max, `${ids.length} are kept`);
    assert.equal(ids.at(-1), 'job-64');
  });
}
