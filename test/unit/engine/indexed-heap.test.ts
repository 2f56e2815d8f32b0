import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IndexedHeap } from '../../../src/engine/indexed-heap.ts';
import { pick, Random, seedFromEnvironment, shuffled } from '../../support/random.ts';

const seed = seedFromEnvironment();

test(`random deadlines come earliest first, and cancelled ones never (SEED=${seed})`, () => {
  const random = new Random(seed);
  const deadlines = newHeap();
  const items = Array.from({ length: 3_000 }, () => ({ deadline: random.below(1_000), index: 0 }));
  for (const item of items) deadlines.add(item);
  const cancelled = new Set(shuffled(random, items).slice(0, 1_500));
  for (const item of cancelled) deadlines.delete(item);
  const left = items.filter((item) => !cancelled.has(item)).map(({ deadline }) => deadline);
  assert.deepEqual(drain(deadlines), left.sort(ascending));
});

test(`the earliest deadline stays first while others are added and cancelled (SEED=${seed})`, () => {
  const random = new Random(seed);
  const deadlines = newHeap();
  const parked: { deadline: number; index: number }[] = [];
  for (let step = 0; step < 5_000; step++) {
    if (parked.length === 0 || random.below(100) < 52) {
      const item = { deadline: random.below(100), index: 0 };
      parked.push(item);
      deadlines.add(item);
    } else {
      const item = pick(random, parked);
      parked.splice(parked.indexOf(item), 1);
      deadlines.delete(item);
    }
    const soonest = Math.min(...parked.map(({ deadline }) => deadline));
    assert.equal(deadlines.first?.deadline ?? Number.POSITIVE_INFINITY, soonest);
  }
});

function newHeap() {
  return new IndexedHeap<{ deadline: number; index: number }>(({ deadline }) => deadline);
}

function drain(deadlines: ReturnType<typeof newHeap>): number[] {
  const found: number[] = [];
  for (let item = deadlines.first; item; item = deadlines.first) {
    found.push(item.deadline);
    deadlines.delete(item);
  }
  assert.equal(deadlines.first, undefined);
  return found;
}

function ascending(one: number, other: number): number {
  return one - other;
}
