// The contract of waits: one mailbox or several, answers, cancelled calls, many sessions at one mailbox.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engines } from './engines.ts';
import { left, team, untilWaiting } from './team.ts';

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: a wait gets mail that is there, or that comes, and ends by its timeout`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, reader] = [await session(), await session()];
    assert.equal(await reader.wait('box', { timeoutMs: 0 }), undefined);
    assert.equal(await reader.wait('box', { timeoutMs: 50 }), undefined);
    await mail.post('box', 'there');
    assert.equal((await reader.wait('box', { timeoutMs: 0 }))?.text, 'there');
    const waiting = reader.wait('box', { timeoutMs: Number.POSITIVE_INFINITY });
    await untilWaiting(mail, 'box');
    assert.equal((await mail.post('box', 'new')).reader, true);
    assert.equal((await waiting)?.text, 'new');
  });

  test(`${name}: a wait on several mailboxes takes from the first of its list that has mail`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    await mail.post('jobs', 'one');
    await mail.post('team', 'two');
    await mail.post('amy', 'three');
    const seen: string[] = [];
    for (let count = 0; count < 3; count++) {
      const message = await mail.wait(['amy', 'jobs', 'team']);
      seen.push(`${message?.mailbox}: ${message?.text}`);
    }
    assert.deepEqual(seen, ['amy: three', 'jobs: one', 'team: two']);
  });

  test(`${name}: a parked wait on several mailboxes is served by any of them, and leaves none behind`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, other] = [await session(), await session()];
    for (const box of ['jobs', 'amy', 'team']) {
      const waiting = mail.wait(['amy', 'jobs', 'team', 'jobs']);
      await untilWaiting(other, 'team');
      await other.post(box, 'hello');
      const message = await waiting;
      assert.equal(message?.mailbox, box);
      await message?.settle();
      assert.deepEqual((await other.status()).mailboxes, []);
    }
  });

  test(`${name}: a fetch takes what is there within its limits, from one mailbox of its list after the other`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    assert.deepEqual(await mail.fetch('jobs'), { messages: [], remaining: 0, elsewhere: [] });
    await mail.post('jobs', 'one');
    await mail.post(['amy', 'jobs'], 'two');
    assert.equal((await mail.fetch('jobs', { bytesMax: 0 })).remaining, 2);
    const first = await mail.fetch(['amy', 'jobs'], { messagesMax: 2 });
    assert.deepEqual(
      first.messages.map(({ mailbox, text }) => [mailbox, text]),
      [
        ['amy', 'two'],
        ['jobs', 'one'],
      ],
    );
    assert.equal(first.remaining, 1);
    const { messages, remaining } = await mail.fetch('jobs', { bytesMax: 1 });
    assert.deepEqual([messages[0]?.text, remaining], ['two', 0]);
  });

  test(`${name}: an ask returns the answer to its question, and other mail of its mailbox stays`, async (context) => {
    const { session } = await team(context, engine);
    const [ann, ben] = [await session({ name: 'ann' }), await session({ name: 'ben' })];
    await ben.post('ann', 'other mail');
    const first = ann.ask('ben', 'first?');
    const one = await ben.wait('ben');
    const second = ann.ask('ben', 'second?');
    const two = await ben.wait('ben');
    await ben.post('ann', 'second!', { answers: two });
    await ben.post('ann', 'first!', { answers: one });
    assert.deepEqual([(await first)?.text, (await second)?.text], ['first!', 'second!']);
    assert.deepEqual(await left(ann, 'ann'), [['other mail', 1]]);
  });

  test(`${name}: an ask that ends without an answer has stored its question, and asks again under its id`, async (context) => {
    const { session } = await team(context, engine);
    const [ann, ben] = [await session({ name: 'ann' }), await session({ name: 'ben' })];
    assert.equal(await ann.ask('ben', '?', { id: 'q-1', timeoutMs: 20 }), undefined);
    const question = await ben.wait('ben');
    await ben.post('ann', '!', { answers: question });
    assert.equal((await ann.ask('ben', '?', { id: 'q-1' }))?.text, '!');
    assert.deepEqual(await left(ben, 'ben'), []);
  });

  test(`${name}: a cancelled wait loses nothing: its message is there, with no attempt counted`, async (context) => {
    const { session } = await team(context, engine);
    const [reader, poster] = [await session(), await session()];
    await poster.status();
    for (let round = 1; round <= 20; round++) {
      const ending = new AbortController();
      const waiting = reader.wait('box', { signal: ending.signal });
      const posted = poster.post('box', `round ${round}`);
      // In some rounds the message is on its way when the wait ends.
      if (round % 2 === 0) await new Promise(setImmediate);
      ending.abort();
      const message = await waiting.catch(({ code }) => {
        assert.equal(code, 'cancelled');
        return undefined;
      });
      await posted;
      const again = message ?? (await poster.wait('box', { timeoutMs: 10_000 }));
      assert.deepEqual([again?.text, again?.attempt], [`round ${round}`, 1]);
      await again?.settle();
    }
  });

  test(`${name}: calls with an aborted signal do nothing, and a parked wait ends with cancelled`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, other] = [await session(), await session()];
    const signal = AbortSignal.abort();
    await assert.rejects(mail.post('box', 'x', { signal }), { code: 'cancelled' });
    await assert.rejects(mail.wait('box', { signal }), { code: 'cancelled' });
    const ending = new AbortController();
    const waiting = mail.wait('box', { signal: ending.signal });
    await untilWaiting(other, 'box');
    ending.abort();
    await assert.rejects(waiting, { code: 'cancelled' });
    await untilWaiting(other, 'box', 0);
    assert.equal((await other.status()).messages, 0);
  });

  test(`${name}: twenty sessions that wait on one mailbox get each message once, the longest wait first`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    const got: [number, string][] = [];
    const readers: Promise<void>[] = [];
    for (let count = 0; count < 20; count++) {
      const waiting = (await session()).wait('jobs');
      await untilWaiting(mail, 'jobs', count + 1);
      readers.push(waiting.then((message) => void got.push([count, message?.text ?? 'none'])));
    }
    for (let count = 0; count < 20; count++) await mail.post('jobs', `job ${count}`);
    await Promise.all(readers);
    assert.deepEqual(
      got.toSorted(([one], [other]) => one - other),
      Array.from({ length: 20 }, (_, count) => [count, `job ${count}`]),
    );
  });

  test(`${name}: five loops over one mailbox take 300 messages, each once, and each loop in the order of the mailbox`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    const ending = new AbortController();
    const seen: number[][] = [];
    const loops = Array.from({ length: 5 }, async () => {
      const own: number[] = [];
      seen.push(own);
      const loop = (await session()).messages('jobs', { signal: ending.signal });
      for await (const { number, attempt } of loop) {
        assert.equal(attempt, 1);
        own.push(number);
        if (seen.flat().length === 300) ending.abort();
      }
    });
    const ended = Promise.allSettled(loops);
    await Promise.all(Array.from({ length: 300 }, (_, count) => mail.post('jobs', `${count}`)));
    for (const each of await ended) {
      assert.equal(each.status === 'rejected' && each.reason.code, 'cancelled');
    }
    assert.equal(new Set(seen.flat()).size, 300);
    for (const own of seen) {
      assert.deepEqual(
        own,
        own.toSorted((one, other) => one - other),
      );
    }
    assert.equal((await mail.status()).messages, 0);
  });

  test(`${name}: what is no mailbox, no list of 1 to 16 or no time is refused before anything happens`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    const many = Array.from({ length: 17 }, (_, index) => `box ${index}`);
    await assert.rejects(mail.wait(many), { code: 'bad_parameter' });
    await assert.rejects(mail.fetch([]), { code: 'bad_parameter' });
    await assert.rejects(mail.wait(''), { code: 'bad_name' });
    await assert.rejects(mail.wait('box', { timeoutMs: 300_001 }), { code: 'bad_timeout' });
  });

  test(`${name}: close ends a parked wait with closed, and calls after it are refused`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, other] = [await session(), await session()];
    await other.status();
    const waiting = mail.wait('box');
    const ended = assert.rejects(waiting, { code: 'closed' });
    await untilWaiting(other, 'box');
    await mail.close();
    await ended;
    await assert.rejects(mail.post('box', 'x'), { code: 'closed' });
    await untilWaiting(other, 'box', 0);
  });
}
