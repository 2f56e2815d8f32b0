import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdsBySession } from '../../../src/engine/ids-by-session.ts';
import type { MessageId } from '../../../src/model/message.ts';
import { sessionOf } from '../../support/model/engine.ts';

const [ann, bob] = [sessionOf('ann'), sessionOf('bob')];
const [x, y, z] = ['x', 'y', 'z'] as MessageId[] as [MessageId, MessageId, MessageId];

test('the ids of a session are listed, and an id that changes its session is listed once', () => {
  const ids = new IdsBySession<number>({ sizeMax: 10, bytesMax: 1_000, entryBytes: 9 });
  ids.set(x, 1, ann);
  ids.set(y, 2, bob);
  ids.set(z, 3, ann);
  assert.deepEqual([ids.idsOf(ann), ids.idsOf(bob)], [[x, z], [y]]);
  ids.set(x, 1, bob);
  ids.set(y, 2, undefined);
  assert.deepEqual([ids.idsOf(ann), ids.idsOf(bob)], [[z], [x]]);
  ids.delete(z);
  assert.deepEqual(ids.idsOf(ann), []);
  assert.deepEqual(
    [x, y, z].map((id) => ids.get(id)),
    [1, 2, undefined],
  );
});

test('the oldest entry is evicted; an entry that is set again keeps its age', () => {
  const ids = new IdsBySession<number>({ sizeMax: 2, bytesMax: 1_000, entryBytes: 9 });
  ids.set(x, 1, ann);
  ids.set(y, 2, bob);
  ids.set(x, 3, ann);
  ids.set(z, 4, ann);
  assert.deepEqual(ids.entries(), [
    [y, 2],
    [z, 4],
  ]);
  assert.deepEqual([ids.has(x), ids.idsOf(ann)], [false, [z]]);
});

test('the oldest entries are evicted until the bytes of the others are within their limit', () => {
  const ids = new IdsBySession<number>({ sizeMax: 10, bytesMax: 100, entryBytes: 9 });
  const idOf = (text: string, bytes: number) => text.padEnd(bytes, '.') as MessageId;
  for (const [index, text] of ['a', 'b', 'c', 'd'].entries()) {
    ids.set(idOf(text, 16), index, undefined);
  }
  assert.equal(ids.entries().length, 4);
  ids.set(idOf('a', 16), 9, undefined);
  assert.equal(ids.entries().length, 4, 'an entry that is set again is counted once');
  ids.set(idOf('e', 50), 4, undefined);
  assert.deepEqual(
    ids.entries().map(([id, value]) => [id[0], value]),
    [
      ['d', 3],
      ['e', 4],
    ],
  );
  ids.delete(idOf('e', 50));
  for (const text of ['f', 'g', 'h']) ids.set(idOf(text, 16), 5, undefined);
  assert.equal(ids.entries().length, 4, 'a deleted entry takes no room');
});

test('the oldest entries are evicted after any history of sets and deletions', () => {
  const ids = new IdsBySession<number>({ sizeMax: 4, bytesMax: 60, entryBytes: 9 });
  let known: [MessageId, number][] = [];
  const bytes = () => known.reduce((sum, [id]) => sum + id.length + 9, 0);
  // A fixed sequence of pseudo-random numbers.
  for (let step = 0, seed = 1; step < 5_000; step++) {
    seed = (seed * 16_807) % 2_147_483_647;
    const id = 'x'.repeat(1 + (seed % 13)) as MessageId;
    const same = known.find(([each]) => each === id);
    const keepsAge = seed % 3 === 1 && same !== undefined;
    if (keepsAge) same[1] = step;
    else known = known.filter((each) => each !== same);
    if (seed % 3 === 0) ids.delete(id);
    else {
      if (seed % 3 === 1) ids.set(id, step, undefined);
      else ids.setNewest(id, step, ann);
      if (!keepsAge) known.push([id, step]);
      while (known.length > 4 || bytes() > 60) known.shift();
    }
    assert.deepEqual(ids.entries(), known);
  }
});
