// The contract of posts: one mailbox or several, ids, answers that settle, bodies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engines } from './engines.ts';
import { left, team } from './team.ts';

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: a message is posted, waited for, answered and settled`, async (context) => {
    const { session } = await team(context, engine);
    const [ann, ben] = [await session({ name: 'ann' }), await session()];
    const waiting = ben.wait('ben');
    const stored = await ann.post('ben', 'question');
    const question = await waiting;
    assert(question);
    assert.deepEqual(
      [question.id, question.number, question.from, question.to, question.text, question.attempt],
      [stored.id, stored.number, 'ann', 'ben', 'question', 1],
    );
    await ben.post(question.from, 'answer', { from: 'ben', answers: question });
    const answer = await ann.wait('ann');
    assert.deepEqual([answer?.answers, answer?.depth], [question.id, 1]);
    await answer?.settle();
    assert.equal((await ann.status()).messages, 0);
  });

  test(`${name}: a post to several mailboxes is stored in each, and the result names each once`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    const stored = await mail.post(['ann', 'ben', 'ann'], 'Go', { id: 'job-7' });
    assert.deepEqual(
      stored.map(({ to, id, number, duplicate }) => [to, id, number, duplicate]),
      [
        ['ann', 'job-7', 1, false],
        ['ben', 'job-7/2', 2, false],
      ],
    );
    assert.deepEqual(await left(mail, 'ann'), [['Go', 1]]);
    assert.deepEqual(await left(mail, 'ben'), [['Go', 1]]);
  });

  test(`${name}: a post to several mailboxes that is refused is stored in none`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    await mail.post('cleo', 'other', { id: 'job-7/2' });
    await assert.rejects(mail.post(['ann', 'ben'], 'Go', { id: 'job-7' }), {
      code: 'id_conflict',
    });
    assert.deepEqual(await left(mail, 'ann'), []);
    assert.deepEqual(await left(mail, 'ben'), []);
    assert.equal((await mail.status()).messages, 1);
  });

  test(`${name}: a post that is repeated under its id is stored once, also when it was settled meanwhile`, async (context) => {
    const { session } = await team(context, engine);
    const [ann, ben] = [await session({ name: 'ann' }), await session({ name: 'ann' })];
    const first = await ann.post('jobs', 'deploy', { id: 'deploy-7' });
    const again = await ben.post('jobs', 'deploy', { id: 'deploy-7' });
    assert.deepEqual([first.duplicate, again.duplicate, again.number], [false, true, first.number]);
    const { messages } = await ben.fetch('jobs');
    assert.equal(messages.length, 1);
    await messages[0]?.settle();
    assert.equal((await ann.post('jobs', 'deploy', { id: 'deploy-7' })).duplicate, true);
    assert.deepEqual(await left(ann, 'jobs'), []);
  });

  test(`${name}: another post under a known id is refused, also when its message was settled`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    await mail.post('jobs', 'deploy', { id: 'deploy-7' });
    const conflict = { code: 'id_conflict' };
    await assert.rejects(mail.post('jobs', 'roll back', { id: 'deploy-7' }), conflict);
    await (await mail.wait('jobs'))?.settle();
    await assert.rejects(mail.post('jobs', 'roll back', { id: 'deploy-7' }), conflict);
    await assert.rejects(mail.post('others', 'deploy', { id: 'deploy-7' }), conflict);
    assert.equal((await mail.status()).messages, 0);
  });

  test(`${name}: an answer settles its question in the same step; when another session holds that, it is stored all the same`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, other] = [await session(), await session()];
    await mail.post('jobs', 'one');
    const one = await mail.wait('jobs');
    await mail.post('results', 'done', { answers: one });
    assert.equal((await mail.status()).messages, 1);
    await mail.post('jobs', 'two');
    const two = await mail.wait('jobs');
    await two?.release();
    assert.equal((await other.wait('jobs'))?.attempt, 2);
    await assert.rejects(mail.post('results', 'late', { answers: two }), {
      code: 'not_held',
      maybeStored: true,
    });
    assert.deepEqual(await left(mail, 'results'), [
      ['done', 1],
      ['late', 1],
    ]);
  });

  test(`${name}: a post says what is ahead of its message, who holds it, and whether its text is there already`, async (context) => {
    const { session } = await team(context, engine);
    const [boss, ben] = [await session({ name: 'boss' }), await session({ name: 'ben' })];
    await boss.post('jobs', 'one');
    const first = await ben.wait('jobs');
    const second = await boss.post('jobs', 'two');
    assert.deepEqual(
      [second.before, second.holder?.name, second.holder?.number, second.same],
      [0, 'ben', first?.number, undefined],
    );
    const { before, same } = await boss.post('jobs', 'one');
    assert.deepEqual([before, same?.number, same?.isHeld], [1, first?.number, true]);
    await boss.post('ben', 'How far are you?');
    const next = await ben.wait('jobs');
    assert.deepEqual([next?.remaining, next?.elsewhere], [1, [{ mailbox: 'ben', ready: 1 }]]);
    const waiting = ben.wait('others');
    await ben.status();
    assert.equal((await boss.post('others', 'x')).reader, true);
    assert.equal((await waiting)?.text, 'x');
  });

  test(`${name}: a body of 1 MB arrives byte for byte, and one byte more is refused`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, reader] = [await session(), await session()];
    // All characters of one and two bytes, a NUL and line ends among them, and one of four bytes.
    const codes = Array.from({ length: 0x800 }, (_, code) => code);
    const characters = Buffer.from(`${String.fromCodePoint(...codes)}\u{1f600}`);
    const whole = Buffer.alloc(1_048_576, '.');
    for (let at = 0; at + characters.length <= whole.length; at += characters.length) {
      characters.copy(whole, at);
    }
    await mail.post('box', whole);
    const message = await reader.wait('box');
    assert(message);
    assert(message.body.equals(whole));
    await message.settle();
    const tooLarge = Buffer.concat([whole, Buffer.from('.')]);
    await assert.rejects(mail.post('box', tooLarge), { code: 'body_too_large' });
    assert.equal((await mail.status()).messages, 0);
  });

  test(`${name}: an empty body, and one of 1 MB for each of 20 mailboxes, are stored and read`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    await mail.post('box', '');
    assert.deepEqual(await left(mail, 'box'), [['', 1]]);
    const names = Array.from({ length: 20 }, (_, index) => `box ${index}`);
    const body = Buffer.alloc(1_048_576, 'x');
    await mail.post(names, body);
    for (const box of names) {
      const { messages } = await mail.fetch(box);
      assert(messages[0]?.body.equals(body), box);
      await messages[0]?.settle();
    }
    assert.equal((await mail.status()).messages, 1);
  });

  test(`${name}: 400 posts of four sessions at once are stored once each, and each sender's in its order`, async (context) => {
    const { session } = await team(context, engine);
    const senders = await Promise.all(['a', 'b', 'c', 'd'].map((from) => session({ name: from })));
    const counts = Array.from({ length: 100 }, (_, count) => count);
    const posts = senders.flatMap((mail) => counts.map((count) => mail.post('jobs', `${count}`)));
    const numbers = (await Promise.all(posts)).map(({ number }) => number);
    assert.equal(new Set(numbers).size, 400);
    const { messages } = await (await session()).fetch('jobs');
    for (const from of ['a', 'b', 'c', 'd']) {
      const own = messages.filter((message) => message.from === from);
      assert.deepEqual(
        own.map(({ text }) => Number(text)),
        counts,
      );
    }
  });
}
