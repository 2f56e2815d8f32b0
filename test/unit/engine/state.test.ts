import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as limits from '../../../src/base/limits.ts';
import { indexBytesOf } from '../../../src/engine/index-bytes.ts';
import { State } from '../../../src/engine/state.ts';
import type { Envelope, MessageId, Name, PastHold, SessionId } from '../../../src/model/message.ts';
import { PlainPost } from '../../../src/model/plain-post.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { origin, sessionOf } from '../../support/model/engine.ts';

const [A, B] = ['A', 'B'] as [Name, Name];
const bob = sessionOf('bob');
const body = Buffer.from('hello');

function envelopeOf(number: number): Envelope {
  const id = `${sessionOf('ann')}.${number}` as MessageId;
  const sizes = { depth: 0, bodyBytes: body.length, checksum: 7 };
  return { id, number, to: A, from: '', time: 1_000, answers: '', origin, ...sizes };
}

function posted(number: number, settles: readonly number[] = []): JournalRecord {
  return { kind: 'posted', envelope: envelopeOf(number), also: [], ackedUpTo: 0, settles, body };
}

function copyOf(number: number, mailbox: Name, attempt: number) {
  return { kind: 'copied', envelope: envelopeOf(number), mailbox, attempt, holder: '' } as const;
}

function copied(number: number, mailbox: Name, attempt: number): JournalRecord {
  return { ...copyOf(number, mailbox, attempt), body };
}

function replay(records: Iterable<JournalRecord | PlainPost>): State {
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

function plain(number: number): PlainPost {
  const { id: _, ...fields } = envelopeOf(number);
  return Object.assign(new PlainPost(), fields, { session: sessionOf('ann'), count: number });
}

test('a plain post of a replay is the message that its record would have been', () => {
  const records = [posted(1), posted(2), posted(3)];
  const posts = [plain(1), plain(2), plain(3)];
  for (const others of [[], [{ kind: 'settled', numbers: [2] }] as const]) {
    const [fromPosts, fromRecords] = [
      replay([...posts, ...others]),
      replay([...records, ...others]),
    ];
    assert.deepEqual(fromPosts.above(A, 0, 9), fromRecords.above(A, 0, 9));
    assert.deepEqual(fromPosts.sizeOf(A), fromRecords.sizeOf(A));
    assert.deepEqual(fromPosts.deduplication.records(), fromRecords.deduplication.records());
    assert.equal(fromPosts.nextNumber, 4);
  }
});

test('plain posts enter their own mailboxes, also when names share a slot, and more than a batch takes', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as Name[];
  const posts = function* () {
    for (let number = 1; number <= 140_000; number++) {
      const to = names[number % names.length] as Name;
      yield Object.assign(plain(number), { to, toSlot: number % 2 });
    }
  };
  const state = replay(posts());
  for (const [index, name] of names.entries()) {
    const { messages, bytes, indexBytes } = state.sizeOf(name);
    assert.deepEqual({ messages, bytes }, { messages: 20_000, bytes: 100_000 });
    const last = state.above(name, 140_000 - names.length, 9);
    assert.deepEqual(
      last.map(({ envelope: { number, to } }) => [number, to]),
      [[140_000 - names.length + (index === 0 ? names.length : index), name]],
    );
    assert.ok(indexBytes > 0);
  }
  assert.equal(
    state.indexBytes,
    names.reduce((sum, name) => sum + state.sizeOf(name).indexBytes, 0),
  );
});

test('a plain post that answers another one is found by its question', () => {
  const question = envelopeOf(1).id;
  const answers = Object.assign(plain(2), { answers: question });
  const state = replay([plain(1), answers, plain(3)]);
  assert.equal(state.answerTo(question, A)?.envelope.number, 2);
  assert.equal(state.sizeOf(A).messages, 3);
});

test('a mailbox that is emptied between plain posts has those that came afterwards', () => {
  const state = replay([plain(1), { kind: 'settled', numbers: [1] }, plain(2), plain(3)]);
  assert.deepEqual(
    state.above(A, 0, 9).map(({ envelope }) => envelope.number),
    [2, 3],
  );
  assert.deepEqual([state.sizeOf(A).messages, state.mailboxCount], [2, 1]);
});

test('a plain post that the replay has settled or seen already adds nothing', () => {
  const before = [{ kind: 'settled', numbers: [1] }, posted(2)] as const;
  const { size, bytes } = replay([...before, plain(1), plain(2)]);
  assert.deepEqual({ size, bytes }, { size: 1, bytes: 5 });
});

test('a plain post with a count below another one of its session is found by its id', () => {
  const state = replay([plain(2), plain(1)]);
  assert.deepEqual(state.withId(envelopeOf(1).id)?.envelope, envelopeOf(1));
});

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
    assert.equal(deduplication.stored(envelopeOf(1).id)?.number, 1);
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

test('while a log is replayed, old sessions are forgotten beyond four times what a prologue may have', () => {
  const state = new State(limits);
  const counts = Array.from({ length: 4_096 }, (_, index) => index + 1);
  const sessions = Array.from({ length: 130 }, (_, index) => {
    return index.toString(32).padStart(16, '0') as SessionId;
  });
  for (const session of sessions) {
    const numbers = counts.map((count) => [count, count] as const);
    state.apply({ kind: 'session', session, ackedUpTo: 0, numbers });
  }
  const kept = state.deduplication.sessions.records().map(({ session }) => session);
  const keptMax = Math.floor((4 * 2_944 * 1_024) / (49 + 4_096 * 28));
  assert.deepEqual(kept, sessions.slice(-keptMax));
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
  assert.deepEqual([state.readyCount(A), state.mailbox(A)?.held.size], [1, 0]);
  assert.deepEqual([state.readyCount(B), state.mailbox(B)?.held.size], [0, 1]);
});

test('the memory of the index is that of the messages that are there, wherever they move', () => {
  const state = replay([posted(1), posted(2), posted(3)]);
  const each = 512 + `${sessionOf('ann')}.1`.length + 'A'.length + 'test'.length + 'here'.length;
  assert.deepEqual([state.indexBytes, state.sizeOf(A).indexBytes], [3 * each, 3 * each]);
  state.apply({ kind: 'offered', number: 1, holder: bob, attempt: 1 });
  state.apply({ kind: 'moved', number: 2, mailbox: B, attempt: 2 });
  assert.deepEqual([state.sizeOf(A).indexBytes, state.sizeOf(B).indexBytes], [2 * each, each]);
  state.apply({ kind: 'settled', numbers: [1, 2] });
  assert.deepEqual([state.indexBytes, state.sizeOf(A).indexBytes], [each, each]);
  state.apply({ kind: 'settled', numbers: [3] });
  assert.deepEqual([state.indexBytes, state.mailboxCount], [0, 0]);
});

test('a past hold stays through a release that does not count, a move and a copy, and takes memory', () => {
  const lastHold = { name: 'ben', from: 1_000, to: 2_000, ended: 'disconnected' } as PastHold;
  const holding = { name: 'amy' as Name, since: 3_000 };
  const records: JournalRecord[] = [
    posted(1),
    { kind: 'offered', number: 1, holder: bob, attempt: 1, holding },
    { kind: 'released', number: 1, attempt: 2, lastHold },
    { kind: 'offered', number: 1, holder: bob, attempt: 2, holding },
    { kind: 'released', number: 1, attempt: 2 },
    { kind: 'moved', number: 1, mailbox: B, attempt: 1 },
    { kind: 'offered', number: 1, holder: bob, attempt: 1, holding },
  ];
  const state = replay(records);
  assert.deepEqual(state.copyOf(1), { ...copyOf(1, B, 1), holder: bob, holding, lastHold });
  const copy = { ...state.copyOf(1), body } as JournalRecord;
  assert.deepEqual(replay([copy, copy]).copyOf(1), state.copyOf(1));
  assert.equal(state.indexBytes - replay([posted(1)]).indexBytes, 96 + 'ben'.length);
  state.apply({ kind: 'settled', numbers: [1] });
  assert.equal(state.indexBytes, 0);
});

test('the end of the log, replayed twice, leaves each message with the holder that it has', () => {
  const lastHold = { name: 'ben', from: 1_000, to: 2_000, ended: 'released' } as PastHold;
  const holding = { name: 'amy' as Name, since: 3_000 };
  const ends: JournalRecord[] = [
    { kind: 'released', number: 1, attempt: 2, lastHold },
    { kind: 'offered', number: 1, holder: bob, attempt: 2, holding },
  ];
  const once = replay([posted(1), ...ends]);
  assert.deepEqual(replay([posted(1), ...ends, ...ends]).copyOf(1), once.copyOf(1));
});

test('a session has one name for all that it holds, the newest', () => {
  const offered = (number: number, name: string): JournalRecord => {
    const holding = { name: name as Name, since: 1_000 * number };
    return { kind: 'offered', number, holder: bob, attempt: 1, holding };
  };
  const state = replay([posted(1), posted(2), offered(1, 'jobs'), offered(2, 'jobs')]);
  state.apply(offered(1, 'ben'));
  assert.deepEqual(
    [state.copyOf(1)?.holding, state.copyOf(2)?.holding],
    [
      { name: 'ben', since: 1_000 },
      { name: 'ben', since: 2_000 },
    ],
  );
});

test('a character beyond ASCII makes a text take two bytes a unit', () => {
  const plain = { ...envelopeOf(1), to: 'box', from: 'sender' } as Envelope;
  const other = { ...plain, from: 'sendér' as Name };
  assert.equal(indexBytesOf(other) - indexBytesOf(plain), 'sender'.length);
});
