import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Waiter, Waiters } from '../../../src/engine/waiters.ts';
import {
  type MessageId,
  type Name,
  parseSessionId,
  type SessionId,
} from '../../../src/model/message.ts';
import { sessionOf } from '../../support/model/engine.ts';

type TestWaiter = Waiter<string>;

const [A, B] = ['A', 'B'] as [Name, Name];
const ann = sessionOf('ann');
const bob = sessionOf('bob');

const always = () => true;

function makeWaiter(session: SessionId, mailbox: Name, deadline = 1_000): TestWaiter {
  const call = { session, request: 1, mailbox, answers: '', deadline } as const;
  return { owner: 'connection', ...call, index: 0 };
}

test('the oldest wait of a mailbox is the one that was parked first', () => {
  const waiters = new Waiters<string>();
  const [first, second, other] = [
    makeWaiter(ann, A, 900),
    makeWaiter(bob, A, 150),
    makeWaiter(ann, B),
  ];
  for (const waiter of [first, second, other]) waiters.park(waiter);
  assert.equal(waiters.oldest(A, '', always), first);
  assert.equal(waiters.oldest(B, '', always), other);
  waiters.unpark(first);
  assert.equal(waiters.oldest(A, '', always), second);
  assert.equal(waiters.oldest('C' as Name, '', always), undefined);
});

test('a wait whose owner may get no delivery is skipped, and keeps its place', () => {
  const waiters = new Waiters<string>();
  const [first, second] = [makeWaiter(ann, A), { ...makeWaiter(bob, A), owner: 'other' }];
  for (const waiter of [first, second]) waiters.park(waiter);
  assert.equal(
    waiters.oldest(A, '', (owner) => owner === 'other'),
    second,
  );
  assert.equal(
    waiters.oldest(A, '', () => false),
    undefined,
  );
  assert.equal(waiters.oldest(A, '', always), first);
});

test('a wait for an answer is found by its question alone, the oldest first', () => {
  const waiters = new Waiters<string>();
  const forAnswers = Array.from({ length: 10_000 }, (_, index) => {
    return { ...makeWaiter(ann, A), answers: `question ${index % 5_000}` as MessageId };
  });
  for (const waiter of forAnswers) waiters.park(waiter);
  const looks: string[] = [];
  const may = (owner: string) => looks.push(owner) > 0;
  const question = 'question 4999' as MessageId;
  assert.equal(waiters.oldest(A, question, may), forAnswers[4_999]);
  waiters.unpark(forAnswers[4_999] as TestWaiter);
  assert.equal(waiters.oldest(A, question, may), forAnswers[9_999]);
  assert.equal(looks.length, 2);
  assert.equal(waiters.oldest(A, '', may), undefined);
  assert.equal(waiters.oldest(B, question, may), undefined);
  assert.equal(looks.length, 2);
  waiters.unpark(forAnswers[9_999] as TestWaiter);
  assert.equal(waiters.oldest(A, question, may), undefined);
  assert.equal(waiters.count(A), 9_998);
});

test('the next wait to end is the one with the earliest deadline of all mailboxes', () => {
  const waiters = new Waiters<string>();
  const [late, soon, middle] = [
    makeWaiter(ann, A, 300),
    makeWaiter(ann, B, 150),
    makeWaiter(bob, A, 200),
  ];
  for (const waiter of [late, soon, middle]) waiters.park(waiter);
  assert.equal(waiters.next, soon);
  waiters.unpark(soon);
  assert.equal(waiters.next, middle);
  waiters.unpark(late);
  assert.equal(waiters.next, middle);
  waiters.unpark(middle);
  assert.equal(waiters.next, undefined);
});

test('unparking a wait twice changes nothing the second time', () => {
  const waiters = new Waiters<string>();
  const [first, second] = [makeWaiter(ann, A), makeWaiter(bob, A)];
  waiters.park(first);
  waiters.park(second);
  waiters.unpark(first);
  waiters.unpark(first);
  assert.equal(waiters.size, 1);
  assert.equal(waiters.count(A), 1);
  assert.equal(waiters.next, second);
});

test('others counts sessions, not waits, without the session itself', () => {
  const waiters = new Waiters<string>();
  for (const session of [ann, ann, bob, bob, sessionOf('carl')]) {
    waiters.park(makeWaiter(session, A));
  }
  waiters.park(makeWaiter(sessionOf('dora'), B));
  assert.equal(waiters.others(A, ann), 2);
  assert.equal(waiters.others(A, sessionOf('emil')), 3);
  assert.equal(waiters.others(B, sessionOf('dora')), 0);
  assert.equal(waiters.others('C' as Name, ann), 0);
});

test('others is exact with 150 sessions', () => {
  const waiters = new Waiters<string>();
  for (let count = 1; count <= 150; count++) {
    waiters.park(makeWaiter(numbered(count), A));
  }
  assert.equal(waiters.others(A, ann), 150);
});

test('a mailbox is listed as long as a wait is parked on it', () => {
  const waiters = new Waiters<string>();
  const [first, second] = [makeWaiter(ann, A), makeWaiter(bob, B)];
  waiters.park(first);
  waiters.park(second);
  assert.deepEqual([...waiters.mailboxNames()], ['A', 'B']);
  waiters.unpark(first);
  assert.deepEqual([...waiters.mailboxNames()], ['B']);
  assert.equal(waiters.count(A), 0);
});

function numbered(count: number): SessionId {
  return parseSessionId(count.toString(32).padStart(16, '0'));
}
