import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NumberQueue } from '../../../src/base/number-queue.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

test('numbers come out in ascending order, in whatever order they were added', () => {
  const numbers = new NumberQueue();
  for (const number of [5, 1, 4, 9, 2]) numbers.add(number);
  assert.deepEqual(all(numbers), [1, 2, 4, 5, 9]);
  assert.equal(numbers.first, 1);
  assert.equal(numbers.size, 5);
});

test('a number that is added twice is there once', () => {
  const numbers = new NumberQueue();
  for (const number of [1, 2, 3, 1, 2, 3]) numbers.add(number);
  assert.deepEqual(all(numbers), [1, 2, 3]);
});

test('deleting a number that is not there changes nothing', () => {
  const numbers = new NumberQueue();
  numbers.delete(1);
  for (const number of [2, 4]) numbers.add(number);
  for (const number of [1, 3, 5]) numbers.delete(number);
  assert.deepEqual(all(numbers), [2, 4]);
});

test('a number taken from the front can be put back, and the order stays', () => {
  const numbers = new NumberQueue();
  for (const number of [1, 2, 3]) numbers.add(number);
  numbers.delete(1);
  numbers.delete(2);
  numbers.add(1);
  assert.deepEqual(all(numbers), [1, 3]);
  numbers.add(2);
  assert.deepEqual(all(numbers), [1, 2, 3]);
});

test('all numbers can be taken, and others added after', () => {
  const numbers = new NumberQueue();
  for (const number of [1, 2]) numbers.add(number);
  for (const number of [1, 2]) numbers.delete(number);
  assert.equal(numbers.first, undefined);
  assert.equal(numbers.size, 0);
  for (const number of [7, 3]) numbers.add(number);
  assert.deepEqual(all(numbers), [3, 7]);
});

test('the order stays when thousands are taken from the front and the rest moves up', () => {
  const numbers = new NumberQueue();
  for (let number = 0; number < 5_000; number++) numbers.add(number);
  for (let number = 0; number < 4_999; number++) {
    assert.equal(numbers.first, number);
    numbers.delete(number);
    assert.equal(numbers.size, 4_999 - number);
  }
  numbers.add(10);
  assert.deepEqual(all(numbers), [10, 4_999]);
});

const seed = seedFromEnvironment();

test(`with random numbers added and deleted, the queue is a sorted set (SEED=${seed})`, () => {
  const random = new Random(seed);
  const numbers = new NumberQueue();
  const model = new Set<number>();
  for (let step = 0; step < 20_000; step++) {
    const isFirst = random.oneIn(2);
    const number = isFirst ? (numbers.first ?? 0) : random.below(4_000);
    // First many, so that the front has more than 1,024 to cut off, then few.
    if (random.below(step < 8_000 ? 3 : 5) < 2 && !isFirst) {
      numbers.add(number);
      model.add(number);
    } else if (isFirst === step > 8_000) {
      numbers.delete(number);
      model.delete(number);
    }
    assert.equal(numbers.size, model.size);
    if (step % 500 === 0) assert.deepEqual(all(numbers), [...model].sort(ascending));
  }
  assert.deepEqual(all(numbers), [...model].sort(ascending));
});

test('numbers are counted from the end over all chunks', () => {
  const numbers = new NumberQueue();
  for (let number = 1; number <= 1_200; number++) numbers.add(number);
  const found = [0, 1, 600, 1_199, 1_200].map((skipped) => numbers.fromEnd(skipped));
  assert.deepEqual(found, [1_200, 1_199, 600, 1, undefined]);
});

function ascending(one: number, other: number): number {
  return one - other;
}

function all(queue: NumberQueue): number[] {
  return queue.above(-1, queue.size);
}
