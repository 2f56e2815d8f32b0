import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameCounts } from '../../../src/engine/name-counts.ts';
import { type WaitCall, type Waiter, Waiters } from '../../../src/engine/waiters.ts';
import {
  type MailboxList,
  type MessageId,
  type Name,
  parseSessionId,
  type SessionId,
} from '../../../src/model/message.ts';
import { sessionOf } from '../../support/model/engine.ts';

const [A, B] = ['A', 'B'] as [Name, Name];
const ann = sessionOf('ann');
const bob = sessionOf('bob');

const always = () => true;

function waitOf(session: SessionId, from: Name | MailboxList, deadline = 1_000): WaitCall<string> {
  const mailboxes: MailboxList = typeof from === 'string' ? [from] : from;
  const call = { session, request: 1, mailboxes, answers: '', deadline } as const;
  return { owner: 'connection', ...call };
}

test('the oldest wait of a mailbox is the one that was parked first', () => {
  const waiters = new Waiters<string>(new NameCounts());
  const first = waiters.park(waitOf(ann, A, 900));
  const second = waiters.park(waitOf(bob, A, 150));
  const other = waiters.park(waitOf(ann, B));
  assert.equal(waiters.oldest(A, '', always), first);
  assert.equal(waiters.oldest(B, '', always), other);
  waiters.unpark(first);
  assert.equal(waiters.oldest(A, '', always), second);
  assert.equal(waiters.oldest('C' as Name, '', always), undefined);
});

test('a wait whose owner may get no delivery is passed over, and keeps its place', () => {
  const waiters = new Waiters<string>(new NameCounts());
  const first = waiters.park(waitOf(ann, A));
  const second = waiters.park({ ...waitOf(bob, A), owner: 'other' });
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
  const waiters = new Waiters<string>(new NameCounts());
  for (let count = 0; count < 5_000; count++) {
    waiters.park({ ...waitOf(ann, A), owner: `stalled ${count % 500}` });
  }
  const reader = waiters.park({ ...waitOf(bob, A), owner: 'reader' });
  const looks: string[] = [];
  const may = (owner: string) => looks.push(owner) > 0 && owner === 'reader';
  for (let post = 0; post < 1_000; post++) assert.equal(waiters.oldest(A, '', may), reader);
  assert.equal(looks.length, 500 + 1_000);
});

test('what lay aside comes back one by one, waits for answers first, the oldest first', () => {
  const waiters = new Waiters<string>(new NameCounts());
  const question = 'question' as MessageId;
  const never = () => false;
  const [gone] = [waitOf(ann, B), waitOf(ann, A)].map((wait) => waiters.park(wait));
  waiters.park({ ...waitOf(ann, B), answers: question });
  waiters.park({ ...waitOf(ann, A), answers: question });
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
  const waiters = new Waiters<string>(new NameCounts());
  const first = waiters.park(waitOf(ann, A));
  waiters.oldest(A, '', () => false);
  const second = waiters.park(waitOf(ann, A));
  assert.equal(waiters.oldest(A, '', always), undefined);
  assert.deepEqual(placesOf(waiters.putBack('connection')), [A, '']);
  assert.equal(waiters.oldest(A, '', always), first);
  waiters.unpark(first);
  assert.equal(waiters.oldest(A, '', always), second);
});

test('a wait for an answer is found by its question alone, the oldest first', () => {
  const waiters = new Waiters<string>(new NameCounts());
  const forAnswers = Array.from({ length: 10_000 }, (_, index) => {
    return { ...waitOf(ann, A), answers: `question ${index % 5_000}` as MessageId };
  });
  const parked = forAnswers.map((wait) => waiters.park(wait));
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
  const waiters = new Waiters<string>(new NameCounts());
  const late = waiters.park(waitOf(ann, A, 300));
  const soon = waiters.park(waitOf(ann, B, 150));
  const middle = waiters.park(waitOf(bob, A, 200));
  assert.equal(waiters.next, soon);
  waiters.unpark(soon);
  assert.equal(waiters.next, middle);
  waiters.unpark(late);
  assert.equal(waiters.next, middle);
  waiters.unpark(middle);
  assert.equal(waiters.next, undefined);
});

test('unparking a wait twice changes nothing the second time', () => {
  const waiters = new Waiters<string>(new NameCounts());
  const first = waiters.park(waitOf(ann, A));
  const second = waiters.park(waitOf(bob, A));
  waiters.unpark(first);
  waiters.unpark(first);
  assert.equal(waiters.size, 1);
  assert.equal(waiters.count(A), 1);
  assert.equal(waiters.next, second);
});

test('others counts sessions, not waits, without the session itself', () => {
  const waiters = new Waiters<string>(new NameCounts());
  for (const session of [ann, ann, bob, bob, sessionOf('carl')]) {
    waiters.park(waitOf(session, A));
  }
  waiters.park(waitOf(sessionOf('dora'), B));
  assert.equal(waiters.others(A, ann), 2);
  assert.equal(waiters.others(A, sessionOf('emil')), 3);
  assert.equal(waiters.others(B, sessionOf('dora')), 0);
  assert.equal(waiters.others('C' as Name, ann), 0);
});

test('others is exact with 150 sessions', () => {
  const waiters = new Waiters<string>(new NameCounts());
  for (let count = 1; count <= 150; count++) {
    waiters.park(waitOf(numbered(count), A));
  }
  assert.equal(waiters.others(A, ann), 150);
});

test('a wait on several mailboxes counts once, and stands on each of them', () => {
  const names = new NameCounts();
  const waiters = new Waiters<string>(names);
  const both = waiters.park(waitOf(ann, [A, B], 300));
  const single = waiters.park({ ...waitOf(bob, B, 900), owner: 'other' });
  assert.equal(waiters.size, 2);
  assert.equal(waiters.next, both);
  assert.deepEqual([waiters.count(A), waiters.count(B), names.size], [1, 2, 2]);
  assert.deepEqual([waiters.others(A, bob), waiters.others(B, bob)], [1, 1]);
  assert.deepEqual([waiters.oldest(A, '', always), waiters.oldest(B, '', always)], [both, both]);
  waiters.unpark(both);
  assert.equal(waiters.size, 1);
  assert.deepEqual([waiters.count(A), waiters.count(B), names.size], [0, 1, 1]);
  assert.equal(waiters.oldest(A, '', always), undefined);
  assert.equal(waiters.oldest(B, '', always), single);
  assert.equal(waiters.next, single);
});

test('a wait on several mailboxes comes first on those where no older wait stands, aside or not', () => {
  const waiters = new Waiters<string>(new NameCounts());
  const C = 'C' as Name;
  waiters.park({ ...waitOf(bob, A), owner: 'other' });
  const list = waiters.park(waitOf(ann, [A, B, C]));
  waiters.park({ ...waitOf(bob, B), owner: 'other' });
  assert.deepEqual([...waiters.firstOn(list, C, always)], [B]);
  assert.deepEqual([...waiters.firstOn(list, B, always)], []);
  const isOther = (owner: string) => owner === 'other';
  waiters.oldest(B, '', isOther);
  assert.deepEqual([...waiters.firstOn(list, C, always)], [B]);
  waiters.unpark(list);
  assert.equal(waiters.putBack('connection'), undefined);
});

test('a mailbox is listed as long as a wait is parked on it', () => {
  const waiters = new Waiters<string>(new NameCounts());
  const first = waiters.park(waitOf(ann, A));
  waiters.park(waitOf(bob, B));
  assert.deepEqual([...waiters.mailboxNames()], ['A', 'B']);
  waiters.unpark(first);
  assert.deepEqual([...waiters.mailboxNames()], ['B']);
  assert.equal(waiters.count(A), 0);
});

function placesOf(line: { mailbox: Name; answers: string } | undefined): string[] {
  return line ? [line.mailbox, line.answers] : [];
}

function numbered(count: number): SessionId {
  return parseSessionId(count.toString(32).padStart(16, '0'));
}
