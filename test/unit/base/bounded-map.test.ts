import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedMap } from '../../../src/base/bounded-map.ts';
import { heapMiB } from '../../support/memory.ts';

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

test('a bounded map keeps nothing of entries that are gone, whether they were evicted, deleted or set again', () => {
  const histories: ((map: BoundedMap<number, number>, step: number) => void)[] = [
    (map, step) => map.set(step, step),
    (map, step) => map.set(step, step).delete(step),
    (map, step) => map.set(step % 10, step),
  ];
  for (const history of histories) {
    const map = new BoundedMap<number, number>(1_000);
    const before = heapMiB();
    for (let step = 0; step < 300_000; step++) history(map, step);
    const grown = heapMiB() - before;
    assert.ok(grown < 2, `${map.size} entries take ${grown} MiB`);
  }
});
