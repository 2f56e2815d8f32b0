import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type MessageId,
  type Name,
  parseSessionId,
  type SessionId,
} from '../../src/core/message.ts';
import { type Waiter, Waits } from '../../src/core/waits.ts';
import { sessionOf } from '../support/engine.ts';

type TestWaiter = Waiter<string>;

const [A, B] = ['A', 'B'] as [Name, Name];
const ann = sessionOf('ann');
const bob = sessionOf('bob');

const always = () => true;

function makeWaiter(session: SessionId, mailbox: Name, deadline = 1_000): TestWaiter {
  const call = { session, request: 1, mailbox, answers: '', deadline } as const;
  return { owner: 'connection', ...call, place: 0 };
}

test('the oldest wait of a mailbox is the one that was parked first', () => {
  const waits = new Waits<string>();
  const [first, second, other] = [
    makeWaiter(ann, A, 900),
    makeWaiter(bob, A, 150),
    makeWaiter(ann, B),
  ];
  for (const waiter of [first, second, other]) waits.park(waiter);
  assert.equal(waits.oldest(A, '', always), first);
  assert.equal(waits.oldest(B, '', always), other);
  waits.unpark(first);
  assert.equal(waits.oldest(A, '', always), second);
  assert.equal(waits.oldest('C' as Name, '', always), undefined);
});

test('a wait whose owner may be given nothing is passed over, and keeps its place', () => {
  const waits = new Waits<string>();
  const [first, second] = [makeWaiter(ann, A), { ...makeWaiter(bob, A), owner: 'other' }];
  for (const waiter of [first, second]) waits.park(waiter);
  assert.equal(
    waits.oldest(A, '', (owner) => owner === 'other'),
    second,
  );
  assert.equal(
    waits.oldest(A, '', () => false),
    undefined,
  );
  assert.equal(waits.oldest(A, '', always), first);
});

test('a wait for an answer is found by its question alone, the oldest first', () => {
  const waits = new Waits<string>();
  const forAnswers = Array.from({ length: 10_000 }, (_, index) => {
    return { ...makeWaiter(ann, A), answers: `question ${index % 5_000}` as MessageId };
  });
  for (const waiter of forAnswers) waits.park(waiter);
  const looks: string[] = [];
  const may = (owner: string) => looks.push(owner) > 0;
  const question = 'question 4999' as MessageId;
  assert.equal(waits.oldest(A, question, may), forAnswers[4_999]);
  waits.unpark(forAnswers[4_999] as TestWaiter);
  assert.equal(waits.oldest(A, question, may), forAnswers[9_999]);
  assert.equal(looks.length, 2);
  assert.equal(waits.oldest(A, '', may), undefined);
  assert.equal(waits.oldest(B, question, may), undefined);
  assert.equal(looks.length, 2);
  waits.unpark(forAnswers[9_999] as TestWaiter);
  assert.equal(waits.oldest(A, question, may), undefined);
  assert.equal(waits.count(A), 9_998);
});

test('the next wait to end is the one whose time is over first, of all mailboxes', () => {
  const waits = new Waits<string>();
  const [late, soon, middle] = [
    makeWaiter(ann, A, 300),
    makeWaiter(ann, B, 150),
    makeWaiter(bob, A, 200),
  ];
  for (const waiter of [late, soon, middle]) waits.park(waiter);
  assert.equal(waits.next, soon);
  waits.unpark(soon);
  assert.equal(waits.next, middle);
  waits.unpark(late);
  assert.equal(waits.next, middle);
  waits.unpark(middle);
  assert.equal(waits.next, undefined);
});

test('a wait that is taken out twice leaves once', () => {
  const waits = new Waits<string>();
  const [first, second] = [makeWaiter(ann, A), makeWaiter(bob, A)];
  waits.park(first);
  waits.park(second);
  waits.unpark(first);
  waits.unpark(first);
  assert.equal(waits.size, 1);
  assert.equal(waits.count(A), 1);
  assert.equal(waits.next, second);
});

test('others are sessions, not waits, and not the session itself', () => {
  const waits = new Waits<string>();
  for (const session of [ann, ann, bob, bob, sessionOf('carl')]) {
    waits.park(makeWaiter(session, A));
  }
  waits.park(makeWaiter(sessionOf('dora'), B));
  assert.equal(waits.others(A, ann), 2);
  assert.equal(waits.others(A, sessionOf('emil')), 3);
  assert.equal(waits.others(B, sessionOf('dora')), 0);
  assert.equal(waits.others('C' as Name, ann), 0);
});

test('others are counted exactly', () => {
  const waits = new Waits<string>();
  for (let count = 1; count <= 150; count++) {
    waits.park(makeWaiter(numbered(count), A));
  }
  assert.equal(waits.others(A, ann), 150);
});

test('mailboxes are named as long as somebody waits on them', () => {
  const waits = new Waits<string>();
  const [first, second] = [makeWaiter(ann, A), makeWaiter(bob, B)];
  waits.park(first);
  waits.park(second);
  assert.deepEqual([...waits.mailboxNames()], ['A', 'B']);
  waits.unpark(first);
  assert.deepEqual([...waits.mailboxNames()], ['B']);
  assert.equal(waits.count(A), 0);
});

function numbered(count: number): SessionId {
  return parseSessionId(count.toString(32).padStart(16, '0'));
}
