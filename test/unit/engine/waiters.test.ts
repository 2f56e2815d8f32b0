import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameUnion } from '../../../src/engine/name-union.ts';
import type { Waiter } from '../../../src/engine/wait-lines.ts';
import { Waiters } from '../../../src/engine/waiters.ts';
import type { MailboxList, MessageId, Name } from '../../../src/model/message.ts';
import type { WaitRequest } from '../../../src/model/requests.ts';

const [A, B] = ['A', 'B'] as [Name, Name];

const always = () => true;

function waitOf(from: Name | MailboxList, waitMs = 1_000): WaitRequest {
  const mailboxes: MailboxList = typeof from === 'string' ? [from] : from;
  return { kind: 'wait', request: 1, mailboxes, answers: '', waitMs };
}

test('the oldest wait of a mailbox is the one that was parked first', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const first = waiters.park('connection', waitOf(A, 900), 0);
  const second = waiters.park('connection', waitOf(A, 150), 0);
  const other = waiters.park('connection', waitOf(B), 0);
  assert.equal(waiters.oldest(A, '', always), first);
  assert.equal(waiters.oldest(B, '', always), other);
  waiters.unpark(first);
  assert.equal(waiters.oldest(A, '', always), second);
  assert.equal(waiters.oldest('C' as Name, '', always), undefined);
});

test('a wait whose owner may get no delivery is passed over, and keeps its place', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const first = waiters.park('connection', waitOf(A), 0);
  const second = waiters.park('other', waitOf(A), 0);
  assert.equal(
    waiters.oldest(A, '', (owner) => owner === 'other'),
    second,
  );
  assert.equal(
    waiters.oldest(A, '', () => false),
    undefined,
  );
  assert.deepEqual(placesOf(waiters.putBack('connection')), [A, '']);
  assert.equal(waiters.putBack('connection'), undefined);
  assert.equal(waiters.oldest(A, '', always), first);
});

test('the waits of an owner that may get no delivery are passed over once, however many posts come', () => {
  const waiters = new Waiters<string>(new NameUnion());
  for (let count = 0; count < 5_000; count++) {
    waiters.park(`stalled ${count % 500}`, waitOf(A), 0);
  }
  const reader = waiters.park('reader', waitOf(A), 0);
  const looks: string[] = [];
  const may = (owner: string) => looks.push(owner) > 0 && owner === 'reader';
  for (let post = 0; post < 1_000; post++) assert.equal(waiters.oldest(A, '', may), reader);
  assert.equal(looks.length, 500 + 1_000);
});

test('what lay aside comes back one by one, waits for answers first, the oldest first', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const question = 'question' as MessageId;
  const never = () => false;
  const [gone] = [B, A].map((mailbox) => waiters.park('connection', waitOf(mailbox), 0));
  waiters.park('connection', { ...waitOf(B), answers: question }, 0);
  waiters.park('connection', { ...waitOf(A), answers: question }, 0);
  for (const answers of ['', question] as const) {
    waiters.oldest(A, answers, never);
    waiters.oldest(B, answers, never);
  }
  assert(gone);
  waiters.unpark(gone);
  const back = [1, 2, 3, 4].map(() => placesOf(waiters.putBack('connection')));
  assert.deepEqual(back, [[B, question], [A, question], [A, ''], []]);
  assert.equal(waiters.oldest(B, '', always), undefined);
});

test('a wait that is parked while others of its owner lie aside comes back with them', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const first = waiters.park('connection', waitOf(A), 0);
  waiters.oldest(A, '', () => false);
  const second = waiters.park('connection', waitOf(A), 0);
  assert.equal(waiters.oldest(A, '', always), undefined);
  assert.deepEqual(placesOf(waiters.putBack('connection')), [A, '']);
  assert.equal(waiters.oldest(A, '', always), first);
  waiters.unpark(first);
  assert.equal(waiters.oldest(A, '', always), second);
});

test('a wait for an answer is found by its question alone, the oldest first', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const forAnswers = Array.from({ length: 10_000 }, (_, index) => {
    return { ...waitOf(A), answers: `question ${index % 5_000}` as MessageId };
  });
  const parked = forAnswers.map((wait) => waiters.park('connection', wait, 0));
  const looks: string[] = [];
  const may = (owner: string) => looks.push(owner) > 0;
  const question = 'question 4999' as MessageId;
  assert.equal(waiters.oldest(A, question, may), parked[4_999]);
  waiters.unpark(parked[4_999] as Waiter<string>);
  assert.equal(waiters.oldest(A, question, may), parked[9_999]);
  assert.equal(looks.length, 2);
  assert.equal(waiters.oldest(A, '', may), undefined);
  assert.equal(waiters.oldest(B, question, may), undefined);
  assert.equal(looks.length, 2);
  waiters.unpark(parked[9_999] as Waiter<string>);
  assert.equal(waiters.oldest(A, question, may), undefined);
  assert.equal(waiters.count(A), 9_998);
});

test('the next wait to end is the one with the earliest deadline of all mailboxes', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const late = waiters.park('connection', waitOf(A, 300), 0);
  const soon = waiters.park('connection', waitOf(B, 150), 0);
  const middle = waiters.park('connection', waitOf(A, 200), 0);
  assert.equal(waiters.next, soon);
  waiters.unpark(soon);
  assert.equal(waiters.next, middle);
  waiters.unpark(late);
  assert.equal(waiters.next, middle);
  waiters.unpark(middle);
  assert.equal(waiters.next, undefined);
});

test('unparking a wait twice changes nothing the second time', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const first = waiters.park('connection', waitOf(A), 0);
  const second = waiters.park('connection', waitOf(A), 0);
  waiters.unpark(first);
  waiters.unpark(first);
  assert.equal(waiters.size, 1);
  assert.equal(waiters.count(A), 1);
  assert.equal(waiters.next, second);
});

test('others counts owners, not waits, without the owner itself', () => {
  const waiters = new Waiters<string>(new NameUnion());
  for (const owner of ['ann', 'ann', 'bob', 'bob', 'carl']) waiters.park(owner, waitOf(A), 0);
  const forAnswer = waiters.park('bob', { ...waitOf(A), answers: 'question' as MessageId }, 0);
  waiters.park('dora', waitOf(B), 0);
  assert.deepEqual([...waiters.ownersOn(A)], ['ann', 'bob', 'carl']);
  assert.equal(waiters.others(A, 'ann'), 2);
  assert.equal(waiters.others(A, 'emil'), 3);
  assert.equal(waiters.others(B, 'dora'), 0);
  assert.equal(waiters.others('C' as Name, 'ann'), 0);
  waiters.unpark(forAnswer);
  assert.equal(waiters.others(A, 'ann'), 2);
});

test('others is exact with 150 owners', () => {
  const waiters = new Waiters<string>(new NameUnion());
  for (let count = 1; count <= 150; count++) waiters.park(`owner ${count}`, waitOf(A), 0);
  assert.equal(waiters.others(A, 'ann'), 150);
});

test('an owner with lines for several answers is gone from the mailbox with the last of them', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const [first, second] = ['', 'question'].map((answers) =>
    waiters.park('ann', { ...waitOf(A), answers: answers as MessageId | '' }, 0),
  );
  assert(first && second);
  assert.deepEqual([...waiters.questionsOn(A).keys()], ['', 'question']);
  waiters.unpark(first);
  assert.deepEqual(
    [[...waiters.ownersOn(A)], [...waiters.questionsOn(A).keys()]],
    [['ann'], ['question']],
  );
  waiters.unpark(second);
  assert.deepEqual([[...waiters.ownersOn(A)], [...waiters.questionsOn(A).keys()]], [[], []]);
});

test('a line that lies aside stays there when another owner comes to its mailbox', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const first = waiters.park('connection', waitOf(A), 0);
  assert.equal(
    waiters.oldest(A, '', () => false),
    undefined,
  );
  const second = waiters.park('other', waitOf(A), 0);
  assert.equal(waiters.oldest(A, '', always), second);
  assert.deepEqual(placesOf(waiters.putBack('connection')), [A, '']);
  assert.equal(waiters.oldest(A, '', always), first);
});

test('a wait on several mailboxes counts once, and stands on each of them', () => {
  const names = new NameUnion();
  const waiters = new Waiters<string>(names);
  const both = waiters.park('connection', waitOf([A, B], 300), 0);
  const single = waiters.park('other', waitOf(B, 900), 0);
  assert.equal(waiters.size, 2);
  assert.equal(waiters.next, both);
  assert.deepEqual([waiters.count(A), waiters.count(B), names.size], [1, 2, 2]);
  assert.deepEqual([waiters.others(A, 'other'), waiters.others(B, 'other')], [1, 1]);
  assert.deepEqual([waiters.oldest(A, '', always), waiters.oldest(B, '', always)], [both, both]);
  waiters.unpark(both);
  assert.equal(waiters.size, 1);
  assert.deepEqual([waiters.count(A), waiters.count(B), names.size], [0, 1, 1]);
  assert.equal(waiters.oldest(A, '', always), undefined);
  assert.equal(waiters.oldest(B, '', always), single);
  assert.equal(waiters.next, single);
});

test('a wait on several mailboxes comes first on those where no older wait stands, aside or not', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const C = 'C' as Name;
  waiters.park('other', waitOf(A), 0);
  const list = waiters.park('connection', waitOf([A, B, C]), 0);
  waiters.park('other', waitOf(B), 0);
  assert.deepEqual([...waiters.firstOn(list, C, always)], [B]);
  assert.deepEqual([...waiters.firstOn(list, B, always)], []);
  const isOther = (owner: string) => owner === 'other';
  waiters.oldest(B, '', isOther);
  assert.deepEqual([...waiters.firstOn(list, C, always)], [B]);
  waiters.unpark(list);
  assert.equal(waiters.putBack('connection'), undefined);
});

test('a mailbox is listed as long as a wait is parked on it', () => {
  const waiters = new Waiters<string>(new NameUnion());
  const first = waiters.park('connection', waitOf(A), 0);
  waiters.park('connection', waitOf(B), 0);
  assert.deepEqual([...waiters.mailboxNames()], ['A', 'B']);
  waiters.unpark(first);
  assert.deepEqual([...waiters.mailboxNames()], ['B']);
  assert.equal(waiters.count(A), 0);
});

function placesOf(line: { mailbox: Name; answers: string } | undefined): string[] {
  return line ? [line.mailbox, line.answers] : [];
}
