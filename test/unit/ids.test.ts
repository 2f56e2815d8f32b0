import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostIds } from '../../src/core/ids.ts';
import * as limits from '../../src/core/limits.ts';
import {
  type MessageId,
  parseSessionId,
  type SessionId,
  sessionMessageId,
} from '../../src/core/message.ts';
import { sessionOf } from '../support/engine.ts';

const ann = sessionOf('ann');
const bob = sessionOf('bob');
const carl = sessionOf('carl');

function makeIds({ sessionsMax = 10, namedIdsMax = 10, unstoredIdsMax = 10 } = {}): PostIds {
  return new PostIds({ sessionsMax, namedIdsMax, unstoredIdsMax });
}

test('a stored post is known by session and count', () => {
  const ids = makeIds();
  ids.store(ann, 1, 0, 70);
  ids.store(ann, 3, 0, 71);
  ids.store(bob, 1, 0, 72);
  assert.equal(ids.numberOf(ann, 1), 70);
  assert.equal(ids.numberOf(ann, 2), undefined);
  assert.equal(ids.numberOf(ann, 3), 71);
  assert.equal(ids.numberOf(bob, 1), 72);
  assert.equal(ids.numberOf(carl, 1), undefined);
});

test('answers up to the mark are dropped, and the mark never goes back', () => {
  const ids = makeIds();
  for (const count of [1, 2, 3, 4]) ids.store(ann, count, 0, 70 + count);
  ids.hear(ann, 2);
  assert.equal(ids.numberOf(ann, 2), undefined);
  assert.equal(ids.numberOf(ann, 3), 73);
  ids.store(ann, 5, 1, 75);
  assert.equal(ids.markOf(ann), 2);
  // Read again in a replay, long after.
  ids.store(ann, 2, 0, 72);
  assert.equal(ids.numberOf(ann, 2), undefined);
});

test('a session without posts has the mark 0 and is not known', () => {
  const ids = makeIds();
  assert.equal(ids.markOf(ann), 0);
  assert.equal(ids.knows(ann), false);
});

test('a forgotten session is known no more', () => {
  const ids = makeIds();
  ids.store(ann, 6, 5, 70);
  ids.forget(ann);
  assert.equal(ids.knows(ann), false);
  assert.equal(ids.markOf(ann), 0);
  assert.equal(ids.numberOf(ann, 6), undefined);
});

test('the session longest unheard goes first', () => {
  const ids = makeIds({ sessionsMax: 2 });
  ids.store(ann, 1, 0, 70);
  ids.store(bob, 1, 0, 71);
  ids.store(carl, 1, 0, 72);
  ids.hear(ann, 0);
  ids.shrink(() => false);
  assert.deepEqual(
    [ann, bob, carl].map((session) => ids.knows(session)),
    [true, false, true],
  );
});

test('a connected session never goes, however many there are', () => {
  const ids = makeIds({ sessionsMax: 1 });
  for (const session of [ann, bob, carl]) ids.store(session, 1, 0, 70);
  ids.shrink((session) => session !== bob);
  assert.deepEqual(
    [ann, bob, carl].map((session) => ids.knows(session)),
    [true, false, true],
  );
  ids.shrink(() => true);
  assert.deepEqual(
    [ann, bob, carl].map((session) => ids.knows(session)),
    [true, false, true],
  );
});

test('of the sessions, 10,000 are remembered', () => {
  const ids = new PostIds(limits);
  for (let count = 1; count <= 10_001; count++) {
    ids.store(numbered(count), 1, 0, count);
    ids.shrink(() => false);
  }
  assert.equal(ids.numberOf(numbered(1), 1), undefined);
  assert.equal(ids.numberOf(numbered(2), 1), 2);
  assert.equal(ids.records().length, 10_000);
});

test('of the ids given by hand, 10,000 are remembered, and the oldest goes first', () => {
  const ids = new PostIds(limits);
  for (let count = 1; count <= 10_001; count++) ids.storeNamed(`id-${count}` as MessageId, count);
  assert.equal(ids.numberOfNamed('id-1' as MessageId), undefined);
  assert.equal(ids.numberOfNamed('id-2' as MessageId), 2);
  assert.equal(ids.numberOfNamed('id-10001' as MessageId), 10_001);
});

test('an id that is stored again counts as new', () => {
  const ids = makeIds({ namedIdsMax: 2 });
  const [x, y, z] = ['x', 'y', 'z'] as MessageId[] as [MessageId, MessageId, MessageId];
  ids.storeNamed(x, 1);
  ids.storeNamed(y, 2);
  ids.storeNamed(x, 1);
  ids.storeNamed(z, 3);
  assert.deepEqual(
    [x, y, z].map((id) => ids.numberOfNamed(id)),
    [1, undefined, 3],
  );
});

test('a message that is settled without being stored is known until its session has the answer', () => {
  const ids = makeIds();
  const [id, other] = [sessionMessageId(ann, 3), sessionMessageId(ann, 5)];
  assert.ok(ids.mayBePosted(id));
  ids.settle({ id, number: 70 });
  ids.settle({ id: other, number: 71 });
  assert.deepEqual([ids.settledAs(id), ids.mayBePosted(id)], [70, false]);
  assert.equal(ids.knows(ann), false, 'it takes no place among the sessions');
  ids.store(ann, 4, 3, 72);
  assert.deepEqual([ids.settledAs(id), ids.mayBePosted(id)], [undefined, false]);
  ids.forgetAnswered();
  assert.deepEqual(ids.records().at(-1), {
    kind: 'settledById',
    holds: [{ id: other, number: 71 }],
  });
  ids.forget(ann);
  assert.deepEqual(ids.records(), []);
});

test('a message that was stored, or whose poster has the answer, is not posted again', () => {
  const ids = makeIds();
  ids.store(ann, 4, 2, 70);
  ids.storeNamed('x' as MessageId, 71);
  const mayBePosted = [1, 2, 3, 4, 5].map((count) => ids.mayBePosted(sessionMessageId(ann, count)));
  assert.deepEqual(mayBePosted, [false, false, true, false, true]);
  assert.equal(ids.mayBePosted('x' as MessageId), false);
  assert.equal(ids.mayBePosted('y' as MessageId), true);
});

test('of the messages settled without being stored, 10,000 are remembered, and the oldest goes first', () => {
  const ids = new PostIds(limits);
  for (let count = 1; count <= 10_001; count++) {
    ids.settle({ id: sessionMessageId(ann, count), number: count });
  }
  assert.equal(ids.settledAs(sessionMessageId(ann, 1)), undefined);
  assert.equal(ids.settledAs(sessionMessageId(ann, 2)), 2);
  assert.equal(ids.settledAs(sessionMessageId(ann, 10_001)), 10_001);
});

test('the records of a head say everything, in the order of being heard', () => {
  const ids = makeIds();
  ids.store(bob, 1, 0, 70);
  ids.store(ann, 4, 2, 71);
  ids.store(bob, 2, 0, 72);
  ids.storeNamed('deploy-7' as MessageId, 73);
  assert.deepEqual(ids.records(), [
    { kind: 'session', session: ann, mark: 2, answers: [[4, 71]] },
    {
      kind: 'session',
      session: bob,
      mark: 0,
      answers: [
        [1, 70],
        [2, 72],
      ],
    },
    { kind: 'named', ids: [['deploy-7', 73]] },
  ]);
});

function numbered(count: number): SessionId {
  return parseSessionId(count.toString(32).padStart(16, '0'));
}
