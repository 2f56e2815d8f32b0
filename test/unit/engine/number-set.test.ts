import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as limits from '../../../src/base/limits.ts';
import { NumberSet } from '../../../src/engine/number-set.ts';
import { State } from '../../../src/engine/state.ts';

test('a number is in the set once it was added, and its neighbours are not', () => {
  const set = new NumberSet();
  const added = [1, 7, 8, 32_767, 32_768, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 53 - 1];
  for (const number of [...added, 7]) set.add(number);
  const beside = [0, 2, 6, 9, 32_766, 32_769, 2 ** 31 - 1, 2 ** 32 + 1, 2 ** 53 - 2];
  assert.deepEqual(
    added.map((number) => set.has(number)),
    added.map(() => true),
  );
  assert.deepEqual(
    beside.map((number) => set.has(number)),
    beside.map(() => false),
  );
});

test('a log with more than 2^24 settled messages is replayed', () => {
  const state = new State(limits);
  const perRecord = 2 ** 18;
  for (let record = 0; record <= 2 ** 24 / perRecord; record++) {
    const numbers = Array.from({ length: perRecord }, (_, index) => record * perRecord + index + 1);
    state.apply({ kind: 'settled', numbers });
  }
  state.endReplay();
  assert.equal(state.size, 0);
});
