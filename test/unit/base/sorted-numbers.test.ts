import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeIn } from '../../../src/base/sorted-numbers.ts';

test('the place of a number is that of the first one that is not smaller, or behind all', () => {
  assert.equal(placeIn([], 5), 0);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => placeIn([2, 4, 6, 8], number)),
    [0, 0, 1, 1, 2, 2, 3, 3, 4],
  );
});
