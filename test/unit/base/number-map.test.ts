// Values by the numbers of messages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NumberMap } from '../../../src/base/number-map.ts';

test('a value is there from its set to its delete, whatever its neighbours do', () => {
  const map = new NumberMap<string>();
  for (const number of [1, 2, 15, 16, 2 ** 40, 2 ** 53 - 1]) map.set(number, `${number}`);
  map.delete(15);
  map.delete(15);
  map.delete(3);
  const found = [1, 2, 15, 16, 2 ** 40, 2 ** 53 - 1].map((number) => map.get(number));
  assert.deepEqual(found, ['1', '2', undefined, '16', `${2 ** 40}`, `${2 ** 53 - 1}`]);
  assert.deepEqual([map.size, map.has(15), map.has(16)], [5, false, true]);
});

test('a value that is set again replaces the one before, and counts once', () => {
  const map = new NumberMap<string>();
  map.set(7, 'one');
  map.set(7, 'other');
  assert.deepEqual([map.get(7), map.size], ['other', 1]);
  map.delete(7);
  assert.deepEqual([map.get(7), map.size], [undefined, 0]);
});

test('all values are seen in the order of their numbers, but for those that are deleted meanwhile', () => {
  const map = new NumberMap<string>();
  for (const number of [3, 7, 8, 9, 200, 201]) map.set(number, `${number}`);
  map.delete(7);
  const seen: string[] = [];
  for (const value of map.values()) {
    seen.push(value);
    if (value === '8') for (const gone of [9, 200]) map.delete(gone);
  }
  assert.deepEqual(seen, ['3', '8', '201']);
});

test('an empty page of the highest numbers is gone once there are higher ones', () => {
  const map = new NumberMap<string>();
  map.set(3, 'one');
  map.delete(3);
  map.set(8, 'two');
  map.set(5, 'three');
  map.delete(8);
  assert.deepEqual([...map.values()], ['three']);
  assert.deepEqual(
    [map.get(3), map.get(5), map.get(8), map.size],
    [undefined, 'three', undefined, 1],
  );
});

test('a neighbour of the last value that was deleted is set, and found', () => {
  const map = new NumberMap<string>();
  map.set(8, 'one');
  map.delete(8);
  map.set(9, 'other');
  assert.deepEqual(
    [map.get(8), map.get(9), map.get(16), map.get(9)],
    [undefined, 'other', undefined, 'other'],
  );
});

test('a map that was cleared has no value, and takes others', () => {
  const map = new NumberMap<string>();
  for (const number of [1, 2, 300]) map.set(number, `value ${number}`);
  map.clear();
  assert.deepEqual([map.size, map.get(300), ...map.values()], [0, undefined]);
  map.set(2, 'two');
  assert.deepEqual([map.size, ...map.values()], [1, 'two']);
});
