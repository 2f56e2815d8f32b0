import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as limits from '../../../src/base/limits.ts';
import { Deduplication } from '../../../src/engine/deduplication.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { SessionPosts } from '../../../src/engine/session-posts.ts';
import {
  type MessageId,
  type Name,
  parseSessionId,
  type SessionId,
  sessionMessageId,
} from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { identity, instantAt, origin, sentAny, sessionOf } from '../../support/model/engine.ts';

const ann = sessionOf('ann');
const bob = sessionOf('bob');
const carl = sessionOf('carl');

function makeIds({ sessionsMax = 10, namedIdsMax = 10, unstoredIdsMax = 10 } = {}): Deduplication {
  return new Deduplication({ ...limits, sessionsMax, namedIdsMax, unstoredIdsMax });
}

function store(
  deduplication: Deduplication,
  session: SessionId,
  count: number,
  ackedUpTo: number,
  number: number,
): void {
  const post = { number, fingerprint: undefined };
  deduplication.store(sessionMessageId(session, count), ackedUpTo, post);
}

function storeNamed(deduplication: Deduplication, id: string, number: number): void {
  deduplication.store(id as MessageId, 0, { number, fingerprint: undefined });
}

function numberOf(
  deduplication: Deduplication,
  session: SessionId,
  count: number,
): number | undefined {
  return deduplication.stored(sessionMessageId(session, count))?.number;
}

function numberOfNamed(deduplication: Deduplication, id: string): number | undefined {
  return deduplication.stored(id as MessageId)?.number;
}

test('a stored post is found by session and count', () => {
  const deduplication = makeIds();
  store(deduplication, ann, 1, 0, 70);
  store(deduplication, ann, 3, 0, 71);
  store(deduplication, bob, 1, 0, 72);
  assert.equal(numberOf(deduplication, ann, 1), 70);
  assert.equal(numberOf(deduplication, ann, 2), undefined);
  assert.equal(numberOf(deduplication, ann, 3), 71);
  assert.equal(numberOf(deduplication, bob, 1), 72);
  assert.equal(numberOf(deduplication, carl, 1), undefined);
});

test('posts up to the acknowledged count are forgotten, and that count never decreases', () => {
  const deduplication = makeIds();
  for (const count of [1, 2, 3, 4]) store(deduplication, ann, count, 0, 70 + count);
  deduplication.sessions.store(ann, 2, []);
  assert.equal(numberOf(deduplication, ann, 2), undefined);
  assert.equal(numberOf(deduplication, ann, 3), 73);
  store(deduplication, ann, 5, 1, 75);
  assert.equal(deduplication.sessions.ackedUpTo(ann), 2);
  // Read again in a replay, long after.
  store(deduplication, ann, 2, 0, 72);
  assert.equal(numberOf(deduplication, ann, 2), undefined);
});

test('a session without posts has the acknowledged count 0 and is not known', () => {
  const deduplication = makeIds();
  assert.equal(deduplication.sessions.ackedUpTo(ann), 0);
  assert.equal(deduplication.knows(ann), false);
});

test('a forgotten session is not known any more', () => {
  const deduplication = makeIds();
  store(deduplication, ann, 6, 5, 70);
  deduplication.forget(ann);
  assert.equal(deduplication.knows(ann), false);
  assert.equal(deduplication.sessions.ackedUpTo(ann), 0);
  assert.equal(numberOf(deduplication, ann, 6), undefined);
});

test('the session last seen longest ago is forgotten first', () => {
  const deduplication = makeIds({ sessionsMax: 2 });
  store(deduplication, ann, 1, 0, 70);
  store(deduplication, bob, 1, 0, 71);
  store(deduplication, carl, 1, 0, 72);
  deduplication.sessions.store(ann, 0, []);
  deduplication.sessions.shrink();
  assert.deepEqual(
    [ann, bob, carl].map((session) => deduplication.knows(session)),
    [true, false, true],
  );
});

test('a connected session is never forgotten, however many there are', () => {
  const deduplication = makeIds({ sessionsMax: 1 });
  for (const session of [ann, bob, carl]) store(deduplication, session, 1, 0, 70);
  for (const session of [ann, carl]) deduplication.sessions.connect(session, sentAny);
  deduplication.sessions.shrink();
  assert.deepEqual(
    [ann, bob, carl].map((session) => deduplication.knows(session)),
    [true, false, true],
  );
  deduplication.sessions.shrink();
  assert.deepEqual(
    [ann, bob, carl].map((session) => deduplication.knows(session)),
    [true, false, true],
  );
});

test('10,000 sessions are remembered', () => {
  const deduplication = new Deduplication(limits);
  for (let count = 1; count <= 10_001; count++) {
    store(deduplication, numbered(count), 1, 0, count);
    deduplication.sessions.shrink();
  }
  assert.equal(numberOf(deduplication, numbered(1), 1), undefined);
  assert.equal(numberOf(deduplication, numbered(2), 1), 2);
  assert.equal(deduplication.records().length, 10_000);
});

test('10,000 ids chosen by callers are remembered, and the oldest is forgotten first', () => {
  const deduplication = new Deduplication(limits);
  for (let count = 1; count <= 10_001; count++) storeNamed(deduplication, `id-${count}`, count);
  assert.equal(numberOfNamed(deduplication, 'id-1'), undefined);
  assert.equal(numberOfNamed(deduplication, 'id-2'), 2);
  assert.equal(numberOfNamed(deduplication, 'id-10001'), 10_001);
});

test('an id that is stored again becomes the newest', () => {
  const deduplication = makeIds({ namedIdsMax: 2 });
  const [x, y, z] = ['x', 'y', 'z'] as MessageId[] as [MessageId, MessageId, MessageId];
  storeNamed(deduplication, x, 1);
  storeNamed(deduplication, y, 2);
  storeNamed(deduplication, x, 1);
  storeNamed(deduplication, z, 3);
  assert.deepEqual(
    [x, y, z].map((id) => numberOfNamed(deduplication, id)),
    [1, undefined, 3],
  );
});

test('a message that is settled without being stored is remembered until its session has the response', () => {
  const deduplication = makeIds();
  const [id, other] = [sessionMessageId(ann, 3), sessionMessageId(ann, 5)];
  assert.ok(deduplication.mayBePosted(id));
  deduplication.settle({ id, number: 70 });
  deduplication.settle({ id: other, number: 71 });
  assert.deepEqual([deduplication.settledAs(id), deduplication.mayBePosted(id)], [70, false]);
  assert.ok(deduplication.knows(ann), 'a goodbye of its session must forget it');
  store(deduplication, ann, 4, 3, 72);
  assert.deepEqual(
    [deduplication.settledAs(id), deduplication.mayBePosted(id)],
    [undefined, false],
  );
  assert.deepEqual(deduplication.records().at(-1), {
    kind: 'settledById',
    holds: [{ id: other, number: 71 }],
  });
  deduplication.forget(ann);
  assert.deepEqual(deduplication.records(), []);
});

test('a message that was stored, or whose poster has the response, is not posted again', () => {
  const deduplication = makeIds();
  store(deduplication, ann, 4, 2, 70);
  storeNamed(deduplication, 'x', 71);
  const mayBePosted = [1, 2, 3, 4, 5].map((count) =>
    deduplication.mayBePosted(sessionMessageId(ann, count)),
  );
  assert.deepEqual(mayBePosted, [false, false, true, false, true]);
  assert.equal(deduplication.mayBePosted('x' as MessageId), false);
  assert.equal(deduplication.mayBePosted('y' as MessageId), true);
});

test('10,000 messages settled without being stored are remembered, and the oldest is forgotten first', () => {
  const deduplication = new Deduplication(limits);
  for (let count = 1; count <= 10_001; count++) {
    deduplication.settle({ id: sessionMessageId(ann, count), number: count });
  }
  assert.equal(deduplication.settledAs(sessionMessageId(ann, 1)), undefined);
  assert.equal(deduplication.settledAs(sessionMessageId(ann, 2)), 2);
  assert.equal(deduplication.settledAs(sessionMessageId(ann, 10_001)), 10_001);
});

test('the records of a segment prologue have everything, the session last seen longest ago first', () => {
  const deduplication = makeIds();
  store(deduplication, bob, 1, 0, 70);
  store(deduplication, ann, 4, 2, 71);
  store(deduplication, bob, 2, 0, 72);
  storeNamed(deduplication, 'deploy-7', 73);
  assert.deepEqual(deduplication.records(), [
    { kind: 'session', session: ann, ackedUpTo: 2, numbers: [[4, 71]] },
    {
      kind: 'session',
      session: bob,
      ackedUpTo: 0,
      numbers: [
        [1, 70],
        [2, 72],
      ],
    },
    { kind: 'named', ids: [['deploy-7', 73]] },
  ]);
});

test('the longest ids chosen by callers are remembered up to 624 KiB, and the oldest is forgotten first', () => {
  const deduplication = new Deduplication(limits);
  const idOf = (count: number) => `${count}`.padEnd(200, 'x');
  for (let count = 1; count <= 5_000; count++) storeNamed(deduplication, idOf(count), count);
  const known = Array.from({ length: 5_000 }, (_, index) => index + 1).filter(
    (count) => numberOfNamed(deduplication, idOf(count)) !== undefined,
  );
  assert.equal(known.length, Math.floor((624 * 1024) / 221));
  assert.equal(known.at(-1), 5_000);
  assert.equal(known[0], 5_001 - known.length);
});

test('the longest ids that were settled without being stored are remembered up to 400 KiB', () => {
  const deduplication = new Deduplication(limits);
  const idOf = (count: number) => `${count}`.padEnd(200, 'x') as MessageId;
  for (let number = 1; number <= 5_000; number++) {
    deduplication.settle({ id: idOf(number), number });
  }
  const oldest = 5_001 - Math.floor((400 * 1024) / 209);
  assert.equal(deduplication.settledAs(idOf(oldest - 1)), undefined);
  assert.equal(deduplication.settledAs(idOf(oldest)), oldest);
});

test('fingerprints are restored with the ids behind them, and stay with a post that is read again', () => {
  const first = makeIds();
  first.store(sessionMessageId(ann, 1), 0, { number: 70, fingerprint: 0xffff_ffff });
  first.store('deploy-7' as MessageId, 0, { number: 71, fingerprint: 0 });
  const second = makeIds();
  for (const record of first.records()) restore(second, record);
  const without = first.records().filter(({ kind }) => kind !== 'fingerprints');
  second.endReplay();
  for (const record of without) restore(second, record);
  assert.deepEqual(second.records(), first.records());
  assert.deepEqual(second.stored(sessionMessageId(ann, 1)), {
    number: 70,
    fingerprint: 0xffff_ffff,
  });
});

test('an id of an earlier version has no fingerprint: once its message is settled, any post repeats it', () => {
  const engine = new Engine();
  engine.restore({ kind: 'session', session: ann, ackedUpTo: 0, numbers: [[1, 70]] });
  engine.restore({ kind: 'named', ids: [['deploy-7' as MessageId, 71]] });
  engine.begin(identity, instantAt(0));
  const hello = {
    kind: 'hello',
    request: 1,
    session: ann,
    origin,
    standby: false,
    sentUpTo: sentAny,
  } as const;
  engine.step({ ...hello, held: [] }, 1, instantAt(0));
  for (const id of [
    { count: 1, id: '' },
    { count: 0, id: 'deploy-7' as MessageId },
  ] as const) {
    const post = { kind: 'post', request: 2, ackedUpTo: 0, to: 'A' as Name, alsoTo: [] } as const;
    const content = { from: '', answers: '', settles: [], checksum: 7 } as const;
    const { replies } = engine.step(
      { ...post, ...id, ...content, body: Buffer.from('new') },
      1,
      instantAt(0),
    );
    const [response] = replies.map(({ response }) => response);
    assert.equal(response?.kind === 'stored' && response.duplicate, true);
  }
});

function restore(deduplication: Deduplication, record: JournalRecord): void {
  if (record.kind === 'session') deduplication.restoreSession(record);
  else if (record.kind === 'named') deduplication.restoreNamed(record);
  else if (record.kind === 'fingerprints') deduplication.restoreFingerprints(record.fingerprints);
  else assert.fail(record.kind);
}

test('the bytes of sessions are counted exactly, however they change', () => {
  const posts = new SessionPosts(limits);
  for (const session of [ann, bob, carl]) {
    for (let count = 1; count <= 40; count++) {
      posts.store(session, 0, [[count, { number: count, fingerprint: 1 }]]);
    }
  }
  posts.connect(ann, sentAny);
  posts.connect(bob, sentAny);
  posts.store(ann, 10, []);
  posts.store(carl, 39, []);
  posts.store(bob, 40, [[41, { number: 41, fingerprint: 1 }]]);
  posts.disconnect(bob);
  posts.forget(carl);
  posts.store(ann, 10, [[41, { number: 41, fingerprint: 1 }]]);
  const room = (limits.sharedPostsBytesMax - (49 + 31 * 28)) / 28;
  assert.deepEqual(
    [Math.floor(room), Math.floor(room) + 1].map((messages) => posts.hasRoom(ann, 0, messages)),
    [true, false],
  );
});

function numbered(count: number): SessionId {
  return parseSessionId(count.toString(32).padStart(16, '0'));
}

test('with a session that came back, and the guaranteed post of another one, the bytes keep to their limit', () => {
  const guaranteed = 49 + 28;
  const sharedPostsBytesMax = 49 + 10 * 28;
  const sessionPostsBytesMax = sharedPostsBytesMax + 3 * guaranteed;
  const posts = new SessionPosts({
    ...limits,
    ...{ sharedPostsBytesMax, sessionPostsBytesMax, guaranteedPosts: 1 },
  });
  const post = (session: SessionId, last: number): void => {
    posts.connect(session, sentAny);
    for (let count = 1; count <= last; count++) {
      assert.ok(posts.hasRoom(session, 0, 1));
      posts.store(session, 0, [[count, { number: count, fingerprint: 1 }]]);
      posts.shrink();
    }
  };
  post(ann, 10);
  posts.disconnect(ann);
  post(bob, 6);
  posts.connect(ann, sentAny);
  post(carl, 1);
  const stored = [...posts.stored()].length;
  assert.ok(posts.records().length * 49 + stored * 28 <= sessionPostsBytesMax);
});

test('the fingerprint of a replayed post is computed once, however many prologues have it', () => {
  const deduplication = makeIds();
  let looks = 0;
  const envelope = {
    ...{ id: sessionMessageId(ann, 1), number: 7, to: 'A' as Name, from: '' as const, time: 1 },
    ...{ answers: '' as const, depth: 0, origin, bodyBytes: 3 },
    get checksum() {
      looks++;
      return 9;
    },
  };
  deduplication.remember(envelope, { ackedUpTo: 0, importKey: undefined });
  deduplication.endReplay();
  const first = deduplication.records();
  assert.deepEqual(deduplication.records(), first);
  assert.equal(looks, 1);
});
