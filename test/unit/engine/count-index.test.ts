import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountIndex } from '../../../src/engine/count-index.ts';
import { sessionOf } from '../../support/model/engine.ts';

const ann = sessionOf('ann');

/** The number of each message is 1,000 more than its count. */
function emptyIndex(): CountIndex {
  return new CountIndex((number) => ({ session: ann, count: number - 1_000 }));
}

test('what has gone of a session takes no room beside the message that stays', () => {
  const index = emptyIndex();
  for (let count = 1; count <= 100; count++) index.add(ann, count, 1_000 + count);
  for (let count = 2; count <= 100; count++) index.delete(ann, count, 1_000 + count);
  assert.equal(index.get(ann, 1), 1_001);
  // A later count is not kept: this one would be refused beside it.
  assert.equal(index.add(ann, 50, 1_050), ann);
  assert.deepEqual(
    [1, 2, 50, 51, 100].map((count) => index.get(ann, count)),
    [1_001, undefined, 1_050, undefined, undefined],
  );
});

test('those that stay are found whichever go', () => {
  const index = emptyIndex();
  for (let count = 1; count <= 1_000; count++) index.add(ann, count, 1_000 + count);
  for (let count = 1; count <= 1_000; count++)
    if (count % 90 !== 0) index.delete(ann, count, 1_000 + count);
  const left = Array.from({ length: 1_000 }, (_, before) => index.get(ann, before + 1));
  assert.deepEqual(
    left.filter((number) => number !== undefined),
    [1_090, 1_180, 1_270, 1_360, 1_450, 1_540, 1_630, 1_720, 1_810, 1_900, 1_990],
  );
});

test('a message that is not in the index is not deleted, nor is another one with its id', () => {
  const index = emptyIndex();
  for (let count = 1; count <= 3; count++) index.add(ann, count, 1_000 + count);
  const deleted = [2_002, 1_002, 1_002].map((number) => index.delete(ann, 2, number));
  assert.deepEqual(deleted, [false, true, false]);
  assert.equal(index.delete(sessionOf('bob'), 1, 1_001), false);
  assert.deepEqual(
    [1, 2, 3].map((count) => index.get(ann, count)),
    [1_001, undefined, 1_003],
  );
});
