import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedMap } from '../../../src/base/bounded-map.ts';

test('beyond its limit a bounded map evicts the oldest entry', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('one', 1).set('two', 2).set('three', 3);
  assert.deepEqual(
    [...map],
    [
      ['two', 2],
      ['three', 3],
    ],
  );
});

test('an entry that is set again is the newest', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('one', 1).set('two', 2).set('one', 10).set('three', 3);
  assert.deepEqual(
    [...map],
    [
      ['one', 10],
      ['three', 3],
    ],
  );
});
