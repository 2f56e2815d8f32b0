import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AppContext } from '../../../src/app/context.ts';
import { type MoveSide, moveMail, moveMarker } from '../../../src/app/move-mail.ts';
import { IpcError } from '../../../src/base/errors.ts';
import { bodyBytesMax } from '../../../src/base/limits.ts';
import type { MailService } from '../../../src/model/mail-service.ts';
import {
  bodyChecksum,
  deadLetterMailbox,
  type MessageId,
  type Name,
  type SessionId,
} from '../../../src/model/message.ts';
import { type OpenOptions, openBroker, startBroker } from '../../support/brokers.ts';
import { damageText } from '../../support/disk/damage.ts';
import { keptMail } from '../../support/moving/mail-copy.ts';
import { freePort, makeHome } from '../../support/places.ts';

const [ann, ben, jobs] = ['ann' as Name, 'ben' as Name, 'jobs' as Name];
const text = (words: string) => Buffer.from(words);

/** Opens the brokers of two ports, each owned by a session of this process. */
async function twoBrokers(context: TestContext) {
  const contexts: AppContext[] = [];
  context.after(() => Promise.all(contexts.map((each) => each.close())));
  const home = join(await makeHome(context), 'home');
  const open = async (port: number, name?: Name): Promise<MailService> => {
    const app = new AppContext({ env: {}, program: 'test', home, name });
    contexts.push(app);
    return (await app.broker({ port })).mail;
  };
  const [here, there] = [await freePort(), await freePort()];
  return { home, here, there, open, source: await open(here), target: await open(there) };
}

test('all mail moves as it was: ids, senders, answers, times, bodies and order', async (context) => {
  const { source, target } = await twoBrokers(context);
  const question = await source.post(ann, text('a question'), { from: ben });
  await source.post(jobs, text('first'), { from: ann, id: 'job-1' as MessageId });
  await source.post(jobs, text(''));
  await source.post(jobs, text('x'.repeat(bodyBytesMax)), { from: ben });
  await source.post(ben, text('an answer'), { from: ann, answers: question.id });
  const boxes = [ann, ben, jobs];
  const before = await Promise.all(boxes.map((box) => keptMail(source, box)));
  const moved = await moveMail(source, target);
  assert.deepEqual(await Promise.all(boxes.map((box) => keptMail(target, box))), before);
  assert.deepEqual([moved.messages, moved.held, moved.again, moved.later], [5, 0, 0, 0]);
  assert.equal(moved.bytes, 10 + 5 + 9 + bodyBytesMax);
  const { messages, paused } = await source.status();
  assert.deepEqual([messages, paused], [0, []]);
});

test('a wait for the answer to a question finds it at the target, whichever of the two was moved', async (context) => {
  const { source, target } = await twoBrokers(context);
  const [one, two] = [
    await source.post(jobs, text('one?'), { from: ann }),
    await source.post(jobs, text('two?'), { from: ann }),
  ];
  const first = await source.wait(jobs, { timeoutMs: 1_000 });
  assert(first);
  await source.post(ann, text('one!'), { from: jobs, answers: one.id, settles: [first] });
  await moveMail(source, target);
  const second = await target.wait(jobs, { timeoutMs: 1_000 });
  assert.equal(second?.envelope.id, two.id);
  await target.post(ann, text('two!'), {
    from: jobs,
    answers: two.id,
    settles: second && [second],
  });
  for (const [{ id }, body] of [
    [two, 'two!'],
    [one, 'one!'],
  ] as const) {
    const answer = await target.wait(ann, { answers: id, timeoutMs: 1_000 });
    assert.equal(answer?.body?.toString(), body);
  }
});

test('a dead letter arrives as a dead letter of its old mailbox, and a retry moves it there', async (context) => {
  const { source, target } = await twoBrokers(context);
  await source.post(jobs, text('bad'), { from: ann });
  const held = await source.wait(jobs, { timeoutMs: 1_000 });
  assert(held);
  await source.release([held], { rejected: true });
  const [before] = (await source.peek(deadLetterMailbox, { messagesMax: 1, partBytesMax: 0 }))
    .messages;
  const { mailboxes } = await moveMail(source, target);
  assert.deepEqual(mailboxes, [{ mailbox: 'dead-letters', messages: 1, bytes: 3 }]);
  const { deadLetters } = await target.status();
  assert.deepEqual(deadLetters, [{ to: 'jobs', messages: 1 }]);
  const [after] = (await target.peek(deadLetterMailbox, { messagesMax: 1, partBytesMax: 0 }))
    .messages;
  assert.deepEqual([after?.attempt, after?.lastHold], [before?.attempt, before?.lastHold]);
  assert.equal((await target.retry()).moved.length, 1);
  assert.equal((await target.wait(jobs, { timeoutMs: 1_000 }))?.body?.toString(), 'bad');
});

/** Ends as a killed mover does: its messages are stored at the target, and still at the source. */
function dyingBeforeDrop(source: MoveSide): MoveSide {
  const die = async () => {
    throw new IpcError('cut_off', 'the mover is dead');
  };
  return {
    ...bound(source),
    drop: (mailbox, options) => (options?.dryRun ? source.drop(mailbox, options) : die()),
    resume: die,
  };
}

function bound(side: MoveSide): MoveSide {
  return {
    storeId: (options) => side.storeId(options),
    status: (options) => side.status(options),
    peek: (mailbox, options) => side.peek(mailbox, options),
    drop: (mailbox, options) => side.drop(mailbox, options),
    pause: (mailboxes, options) => side.pause(mailboxes, options),
    resume: (mailboxes, options) => side.resume(mailboxes, options),
    import: (message, place, options) => side.import(message, place, options),
  };
}

test('a move that died between store and drop stores each message once, even one that was settled meanwhile', async (context) => {
  const { source, target } = await twoBrokers(context);
  for (const body of ['one', 'two', 'three']) await source.post(jobs, text(body), { from: ann });
  await assert.rejects(moveMail(dyingBeforeDrop(source), target), { code: 'cut_off' });
  const first = await target.wait(jobs, { timeoutMs: 1_000 });
  assert(first);
  await target.settle([first]);
  // The source gives nothing out meanwhile.
  assert.deepEqual((await source.fetch(jobs)).deliveries, []);
  const { messages, again } = await moveMail(source, target);
  assert.deepEqual([messages, again], [3, 3]);
  const bodies = (await keptMail(target, jobs)).map(({ body }) => body);
  assert.deepEqual([first.body?.toString(), ...bodies], ['one', 'two', 'three']);
  assert.deepEqual((await source.status()).paused, []);
});

/** Each call of the two sides is one point; at the one that is chosen the mover dies, before or after the call took effect. */
function mortal(dieAt: number, isAfter: boolean) {
  let calls = 0;
  const isDead = () => calls > dieAt;
  const guard = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    const isLast = calls === dieAt;
    const wasDead = isDead();
    calls++;
    if (!wasDead && (!isLast || isAfter)) {
      const result = await call();
      if (!isLast) return result;
    }
    throw new IpcError('cut_off', 'the mover is dead');
  };
  const side = (of: MoveSide): MoveSide => ({
    storeId: (options) => guard(() => of.storeId(options)),
    status: (options) => guard(() => of.status(options)),
    peek: (mailbox, options) => guard(() => of.peek(mailbox, options)),
    drop: (mailbox, options) => guard(() => of.drop(mailbox, options)),
    pause: (mailboxes, options) => guard(() => of.pause(mailboxes, options)),
    resume: (mailboxes, options) => guard(() => of.resume(mailboxes, options)),
    import: (message, place, options) => guard(() => of.import(message, place, options)),
  });
  return { side, isDead };
}

test('a mover may die at any of its calls, before or after it took effect', async (context) => {
  const { source, target } = await twoBrokers(context);
  const without: number[] = [];
  for (let dieAt = 0, isOver = false; !isOver; dieAt++) {
    for (const isAfter of [false, true]) {
      await source.pause([ben]);
      for (const box of [ann, ben]) {
        for (const body of ['one', 'two', 'three'])
          await source.post(box, text(body), { from: jobs });
      }
      const { side, isDead } = mortal(dieAt, isAfter);
      const first = moveMail(side(source), side(target));
      await first.catch((error) => assert.equal(error.code, 'cut_off'));
      // A reader of the target takes what has come.
      const early = await target.fetch(ann);
      await target.settle(early.deliveries);
      await moveMail(source, target);
      const late = await target.fetch(ann);
      await target.settle(late.deliveries);
      const read = [...early.deliveries, ...late.deliveries].map(({ body }) => body?.toString());
      assert.deepEqual(read, ['one', 'two', 'three'], `died at call ${dieAt}`);
      assert.deepEqual((await target.fetch(ben)).deliveries, []);
      assert.deepEqual((await target.status()).paused, ['ben']);
      const { paused } = await source.status();
      // Between the end of all pauses and the pauses of people there is a moment; by then all mail has moved.
      if (paused.length === 0) without.push(dieAt);
      else assert.deepEqual(paused, ['ben']);
      await target.resume([]);
      const { deliveries } = await target.fetch(ben);
      assert.deepEqual(
        deliveries.map(({ body }) => body?.toString()),
        ['one', 'two', 'three'],
      );
      await target.settle(deliveries);
      assert.equal((await source.status()).messages, 0);
      isOver = !isDead();
    }
  }
  assert(new Set(without).size <= 2, `without their pause: ${without}`);
});

test('mail moves back under the same ids, as often as wanted', async (context) => {
  const { source, target } = await twoBrokers(context);
  await source.post(jobs, text('mine'), { from: ann, id: 'chosen' as MessageId });
  await source.post(jobs, text('counted'), { from: ann });
  const before = await keptMail(source, jobs);
  for (let round = 0; round < 3; round++) {
    await moveMail(source, target);
    assert.deepEqual(await keptMail(target, jobs), before);
    await moveMail(target, source);
    assert.deepEqual(await keptMail(source, jobs), before);
  }
});

test('a post under an id that its sender chose is a repetition also after the message has moved', async (context) => {
  const { source, target } = await twoBrokers(context);
  const post = () => target.post(jobs, text('mine'), { from: ann, id: 'chosen' as MessageId });
  await source.post(jobs, text('mine'), { from: ann, id: 'chosen' as MessageId });
  await moveMail(source, target);
  assert.equal((await post()).duplicate, true);
  const held = await target.wait(jobs, { timeoutMs: 1_000 });
  assert(held);
  await target.settle([held]);
  assert.equal((await post()).duplicate, true);
});

test('mail of paused mailboxes moves, and is paused at the target; the pauses of the source stay', async (context) => {
  const { source, target } = await twoBrokers(context);
  await source.pause([jobs]);
  await source.post(jobs, text('later'), { from: ann });
  const { paused, messages } = await moveMail(source, target);
  assert.deepEqual([paused, messages], [['jobs'], 1]);
  assert.deepEqual((await target.fetch(jobs)).deliveries, []);
  assert.deepEqual((await target.status()).paused, ['jobs']);
  assert.deepEqual((await source.status()).paused, ['jobs']);
});

test('when people have paused all mailboxes, the target is paused first, and both stay so', async (context) => {
  const { source, target } = await twoBrokers(context);
  await source.pause([]);
  await source.post(jobs, text('later'), { from: ann });
  await moveMail(source, target);
  assert.deepEqual((await target.status()).paused, ['']);
  assert.deepEqual((await source.status()).paused, ['']);
  assert.equal((await keptMail(target, jobs)).length, 1);
});

test('a broker whose own move has not ended is no target, and no source for another one', async (context) => {
  const { source, target } = await twoBrokers(context);
  await target.pause([moveMarker(await source.storeId())]);
  await assert.rejects(moveMail(source, target), { code: 'bad_parameter' });
  await target.resume([]);
  await source.pause([moveMarker('0'.repeat(32))]);
  await assert.rejects(moveMail(source, target), { code: 'bad_parameter' });
  assert.deepEqual((await target.status()).paused, []);
});

test('messages that sessions hold stay with them and are counted; the next run moves what was released', async (context) => {
  const { here, open, source, target } = await twoBrokers(context);
  for (const body of ['one', 'two', 'three']) await source.post(jobs, text(body), { from: ann });
  const [reader, other] = [await open(here, ann), await open(here, ben)];
  const first = await reader.wait(jobs, { timeoutMs: 1_000 });
  const second = await other.wait(jobs, { timeoutMs: 1_000 });
  assert(first && second);
  const moved = await moveMail(source, target);
  assert.deepEqual([moved.messages, moved.held, moved.holders], [1, 2, 2]);
  await reader.settle([first]);
  await other.release([second]);
  const { messages, held } = await moveMail(source, target);
  assert.deepEqual([messages, held], [1, 0]);
  assert.deepEqual(
    (await keptMail(target, jobs)).map(({ body }) => body),
    ['three', 'two'],
  );
});

test('a damaged message is reported and stays; its neighbours move', async (context) => {
  const { home, here, source, target } = await twoBrokers(context);
  for (const body of ['sound', 'to be damaged', 'sound, too']) {
    await source.post(jobs, text(body), { from: ann });
  }
  damageText(join(home, `broker-${here}`), 'to be damaged');
  const moved = await moveMail(await reopened(source), target);
  assert.deepEqual([moved.messages, moved.later], [2, 0]);
  assert.deepEqual(
    moved.stayed.map(({ mailbox, reason }) => [mailbox, reason]),
    [['jobs', 'its body is damaged on the disk of the source']],
  );
  assert.deepEqual(
    (await keptMail(target, jobs)).map(({ body }) => body),
    ['sound', 'sound, too'],
  );
  assert.equal((await source.status()).messages, 1);
});

/** The broker reads bodies that it stored lately from memory, so another run of it has to read the disk. */
async function reopened(mail: MailService): Promise<MailService> {
  await mail.stop();
  await mail.start();
  return mail;
}

test('a dry run moves nothing and pauses nothing', async (context) => {
  const { source, target } = await twoBrokers(context);
  await source.post(jobs, text('one'), { from: ann });
  const { messages, bytes } = await moveMail(source, target, { dryRun: true });
  assert.deepEqual([messages, bytes], [1, 3]);
  assert.deepEqual((await source.status()).messages, 1);
  assert.deepEqual((await target.status()).messages, 0);
});

test('source and target must not be the same store', async (context) => {
  const { source } = await twoBrokers(context);
  await assert.rejects(moveMail(source, source), { code: 'bad_parameter' });
});

async function limited(context: TestContext, limits: OpenOptions['limits']) {
  const { source } = await twoBrokers(context);
  const broker = await startBroker(context, { limits });
  return { source, target: broker.client() };
}

test('a full mailbox of the target stops the move in its order, and nothing is lost', async (context) => {
  const { source, target } = await limited(context, { mailboxMessagesMax: 3 });
  const all = Array.from({ length: 10 }, (_, index) => `line ${index}`);
  for (const body of all) await source.post(jobs, text(body), { from: ann });
  const read: (string | undefined)[] = [];
  for (let round = 0; round < 3; round++) {
    await assert.rejects(moveMail(source, target), (error: IpcError) => {
      assert.deepEqual([error.code, error.kind.retry], ['mailbox_full', true]);
      assert.match(error.hint, /Nothing is lost\. Run the same move again/);
      return true;
    });
    assert.deepEqual((await source.status()).paused, []);
    const { deliveries } = await target.fetch(jobs);
    read.push(...deliveries.map(({ body }) => body?.toString()));
    await target.settle(deliveries);
  }
  assert.equal((await moveMail(source, target)).messages, 1);
  read.push(...(await target.fetch(jobs)).deliveries.map(({ body }) => body?.toString()));
  assert.deepEqual(read, all);
});

test('a target of an older version gets nothing, and the source goes on as before', async (context) => {
  const { source } = await twoBrokers(context);
  const broker = await startBroker(context, { isOld: true });
  await source.post(jobs, text('one'));
  await assert.rejects(moveMail(source, broker.client()), { code: 'version_mismatch' });
  assert.deepEqual((await source.status()).paused, []);
  assert.equal((await source.fetch(jobs)).deliveries.length, 1);
});

test('the next owner of the target still knows what was imported, also after a compaction', async (context) => {
  const { source } = await twoBrokers(context);
  const first = await startBroker(context);
  const target = first.client();
  await source.post(jobs, text('one'), { from: ann });
  await source.post(jobs, text('two'), { from: ann, id: 'chosen' as MessageId });
  await assert.rejects(moveMail(dyingBeforeDrop(source), target), { code: 'cut_off' });
  const { deliveries } = await target.fetch(jobs, { messagesMax: 1 });
  await target.settle(deliveries);
  await target.compact();
  await first.close();
  const second = await openBroker(first.folder);
  context.after(() => second.close());
  const { messages, again } = await moveMail(source, second.client());
  assert.deepEqual([messages, again], [2, 2]);
  const left = await keptMail(second.client(), jobs);
  assert.deepEqual(
    left.map(({ body }) => body),
    ['two'],
  );
});

test('an import behind one that was refused is refused, too, so the order stays', async (context) => {
  const broker = await startBroker(context, { limits: { mailboxBytesMax: 10 } });
  const target = broker.client();
  const origin = { program: 'test', pid: 1, machine: 'here' };
  const put = (number: number, previous: number, words: string) => {
    const body = text(words);
    const about = { to: jobs, from: ben, answers: '', origin, time: 5, depth: 0 } as const;
    const id = `${'a'.repeat(16)}.${number}` as MessageId;
    const checksum = bodyChecksum(body);
    const envelope = { ...about, id, number, bodyBytes: body.length, checksum };
    const message = { store: '0'.repeat(32), envelope, mailbox: jobs, attempt: 1, body };
    return target.import(message, { previous, movedUpTo: 0 });
  };
  const results = await Promise.allSettled([
    put(1, 0, 'one'),
    put(2, 1, 'too long for it'),
    put(3, 2, 'three'),
    put(4, 3, 'four'),
  ]);
  assert.deepEqual(
    results.map((each) => (each.status === 'fulfilled' ? each.value.number : each.reason.code)),
    [1, 'mailbox_full', 'too_many_unanswered', 'too_many_unanswered'],
  );
});

test('a session that a hostile import names keeps its own ids', async (context) => {
  const { source, target } = await twoBrokers(context);
  const { id } = await target.post(ann, text('mine, the first'));
  const session = id.split('.')[0] as SessionId;
  const next = `${session}.2` as MessageId;
  const stored = await source.post(jobs, text('theirs'), { id: 'theirs' as MessageId });
  const [peeked] = (await source.peek(jobs, { messagesMax: 1, partBytesMax: 100 })).messages;
  assert(peeked?.part);
  const { envelope, mailbox, attempt, part: body } = peeked;
  const forged = { envelope: { ...envelope, id: next }, mailbox, attempt, body };
  const place = { previous: 0, movedUpTo: 0 };
  await target.import({ store: '0'.repeat(32), ...forged }, place);
  const own = await target.post(ann, text('mine, the second'));
  assert.deepEqual([own.id, own.duplicate, stored.duplicate], [next, false, false]);
  assert.equal((await keptMail(target, ann)).length, 2);
});

test('a move that is cancelled while it pauses the source leaves nothing paused', async (context) => {
  const { source, target } = await twoBrokers(context);
  await source.post(ann, text('stays'));
  const controller = new AbortController();
  const side: MoveSide = {
    storeId: () => source.storeId(),
    status: (options) => source.status(options),
    resume: (names, options) => source.resume(names, options),
    peek: (mailbox, options) => source.peek(mailbox, options),
    drop: (mailbox, options) => source.drop(mailbox, options),
    import: (messages, options) => source.import(messages, options),
    async pause(names, options) {
      // The request is on its way when the call is given up.
      const pausing = source.pause(names, options);
      controller.abort();
      return pausing;
    },
  };
  await assert.rejects(moveMail(side, target, { signal: controller.signal }), {
    code: 'cancelled',
  });
  assert.deepEqual((await source.status()).paused, []);
  assert.equal((await moveMail(source, target)).messages, 1);
});
