import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as limits from '../../../src/base/limits.ts';
import { State } from '../../../src/engine/state.ts';
import type { Envelope, MessageId, Name } from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { origin, sessionOf } from '../../support/model/engine.ts';

const [A, B] = ['A', 'B'] as [Name, Name];
const bob = sessionOf('bob');
const body = Buffer.from('hello');

function envelopeOf(number: number): Envelope {
  const id = `${sessionOf('ann')}.${number}` as MessageId;
  const sizes = { bodyBytes: body.length, checksum: 7 };
  return { id, number, to: A, from: '', time: 1_000, answers: '', origin, ...sizes };
}

function posted(number: number, settles: readonly number[] = []): JournalRecord {
  return { kind: 'posted', envelope: envelopeOf(number), also: [], ackedUpTo: 0, settles, body };
}

function copied(number: number, mailbox: Name, attempt: number): JournalRecord {
  return { kind: 'copied', envelope: envelopeOf(number), mailbox, attempt, holder: '', body };
}

function replay(records: readonly JournalRecord[]): State {
  const state = new State(limits);
  for (const record of records) state.apply(record);
  state.endReplay();
  return state;
}

function* permutations<T>(values: readonly T[]): Generator<T[]> {
  if (values.length === 0) yield [];
  for (const [place, value] of values.entries()) {
    for (const rest of permutations(values.toSpliced(place, 1))) yield [value, ...rest];
  }
}

test('what is settled stays settled, in whatever order its records are read', () => {
  const records: JournalRecord[] = [
    posted(1),
    posted(1),
    copied(1, A, 2),
    { kind: 'offered', number: 1, holder: bob, attempt: 1 },
    { kind: 'settled', numbers: [1] },
  ];
  for (const order of permutations(records)) {
    const { size, bytes, nextNumber, deduplication } = replay(order);
    assert.deepEqual({ size, bytes, nextNumber }, { size: 0, bytes: 0, nextNumber: 2 });
    assert.equal(deduplication.numberOf(sessionOf('ann'), 1), 1);
  }
});

test('what a post settled stays settled, in whatever order the records are read', () => {
  for (const order of permutations([posted(1), posted(2, [1]), copied(1, A, 1)])) {
    const state = replay(order);
    assert.deepEqual([state.copyOf(1), state.copyOf(2)?.attempt], [undefined, 1]);
  }
});

test('a hold is found by its id, even if another message has its number now', () => {
  const state = replay([posted(1), posted(2), posted(3), { kind: 'settled', numbers: [3] }]);
  const found = (number: number, of: number) =>
    state.find({ number, id: envelopeOf(of).id })?.envelope.number;
  assert.deepEqual([found(1, 1), found(1, 2), found(9, 1), found(3, 3)], [1, 2, 1, undefined]);
});

test('mailboxes are in the order of the numbers, in whatever order the records are read', () => {
  for (const order of permutations([posted(1), posted(2), posted(3), copied(2, A, 1)])) {
    const state = replay(order);
    assert.equal(state.firstReady(A)?.envelope.number, 1);
    assert.equal(state.size, 3);
  }
});

test('records of a message that was removed with an old segment do nothing', () => {
  const state = replay([
    { kind: 'offered', number: 1, holder: bob, attempt: 1 },
    { kind: 'moved', number: 1, mailbox: B, attempt: 2 },
    { kind: 'released', number: 1, attempt: 3 },
    { kind: 'settled', numbers: [1] },
    { kind: 'forgotten', session: bob },
  ]);
  assert.equal(state.size, 0);
  assert.deepEqual([...state.holders()], []);
  assert.equal(state.mailboxCount, 0);
});

test('a copied record has the current mailbox of its message', () => {
  const state = replay([
    { kind: 'moved', number: 1, mailbox: B, attempt: 2 },
    copied(1, B, 2),
    { kind: 'offered', number: 1, holder: bob, attempt: 2 },
    copied(2, A, 5),
  ]);
  const states = [1, 2].map((number) => {
    const { mailbox, attempt, holder } = state.message(number) ?? {};
    return [mailbox, attempt, holder];
  });
  assert.deepEqual(states, [
    [B, 2, bob],
    [A, 5, undefined],
  ]);
  assert.deepEqual(state.counts(A), { ready: 1, held: 0 });
  assert.deepEqual(state.counts(B), { ready: 0, held: 1 });
});
