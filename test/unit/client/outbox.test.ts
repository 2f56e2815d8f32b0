// What a session knows of its posts: their counts, and which of them are the same post again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Holdings } from '../../../src/client/holdings.ts';
import { Outbox } from '../../../src/client/outbox.ts';
import { PostCall } from '../../../src/client/post-call.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { nothingAhead } from '../../support/receipts.ts';

const words = {
  to: 'A' as Name,
  alsoTo: ['B'] as Name[],
  from: 'C' as Name,
  body: Buffer.from('hi'),
  answers: 'q.4' as MessageId,
  settles: [{ number: 4, id: 'q.4' as MessageId }],
};
const result = {
  ...{ id: 'x.1' as MessageId, number: 1, reader: false, also: [], notHeld: [], elsewhere: [] },
  ...nothingAhead,
};

test('each message of a post has its own count', () => {
  const outbox = new Outbox({ now: () => 0 });
  assert.deepEqual([outbox.nextCount(3), outbox.nextCount(1), outbox.nextCount(2)], [1, 4, 5]);
  assert.equal(outbox.ackedUpTo, 6);
});

test('posts are acknowledged up to the first one without a response, in whatever order responses come', () => {
  const outbox = new Outbox({ now: () => 0 });
  const post = (id?: MessageId) => new PostCall(words, id, [], outbox, new Holdings());
  const [first, named, second, third] = [post(), post('job-7' as MessageId), post(), post()];
  const acked = [first, third, third, named, second].map((each) => {
    const { ackedUpTo, allAnswered } = outbox;
    each.over();
    return [ackedUpTo, allAnswered];
  });
  assert.deepEqual(acked, [
    [0, false],
    [2, false],
    [2, false],
    [2, false],
    [2, false],
  ]);
  assert.deepEqual([outbox.ackedUpTo, outbox.allAnswered], [6, true]);
});

test('the same text to other mailboxes is another post', () => {
  const outbox = new Outbox({ now: () => 0 });
  outbox.keepResult(words, { ...result, duplicate: false });
  const others = [[], ['C'], ['B', 'C']] as Name[][];
  for (const alsoTo of others) assert.equal(outbox.takeResult({ ...words, alsoTo }), undefined);
  assert.equal(outbox.takeResult({ ...words, alsoTo: ['B'] as Name[] })?.number, 1);
});

test('the same text in answer to another message is another post', () => {
  const outbox = new Outbox({ now: () => 0 });
  outbox.keepResult(words, { ...result, duplicate: false });
  const body = Buffer.from('hi');
  for (const answers of ['', 'q.5'] as (MessageId | '')[]) {
    assert.equal(outbox.takeResult({ ...words, body, answers }), undefined);
  }
  assert.equal(outbox.takeResult({ ...words, body })?.number, 1);
});

test('the same text that settles another message is another post', () => {
  const outbox = new Outbox({ now: () => 0 });
  outbox.keepResult(words, { ...result, duplicate: false });
  const body = Buffer.from('hi');
  const other = { number: 5, id: 'q.5' as MessageId };
  // A number can be given twice when a crash undid the first.
  const again = { number: 4, id: 'q.6' as MessageId };
  for (const settles of [[], [other], [again], [...words.settles, other]]) {
    assert.equal(outbox.takeResult({ ...words, body, settles }), undefined);
  }
  const settles = words.settles.map((hold) => ({ ...hold }));
  assert.equal(outbox.takeResult({ ...words, body, settles })?.number, 1);
});
