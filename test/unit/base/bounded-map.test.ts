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

test('the oldest entry is evicted after any history of sets and deletions', () => {
  const map = new BoundedMap<number, number>(3);
  const known: number[] = [];
  // A fixed sequence of pseudo-random numbers.
  for (let step = 0, seed = 1; step < 2_000; step++) {
    seed = (seed * 16_807) % 2_147_483_647;
    const key = seed % 7;
    const at = known.indexOf(key);
    if (at !== -1) known.splice(at, 1);
    if (seed % 5 === 0) map.delete(key);
    else {
      map.set(key, step);
      known.push(key);
      if (known.length > 3) known.shift();
    }
    if (seed % 97 === 0) {
      map.clear();
      known.length = 0;
    }
    assert.deepEqual([...map.keys()], known);
  }
});
