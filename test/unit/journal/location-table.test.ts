import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocationTable } from '../../../src/journal/location-table.ts';

const file = { epoch: 1, segment: 1, bytes: 0 };

function locationOf(index: number) {
  return { file, offset: 300 * index, bytes: 200 + index, written: undefined };
}

test('each row has its location, however many there are', () => {
  const table = new LocationTable();
  const rows = Array.from({ length: 5_000 }, (_, index) => table.add(locationOf(index)));
  for (const [index, row] of rows.entries()) {
    assert.deepEqual(table.read(row), locationOf(index));
    assert.equal(table.offsetAt(row), 300 * index);
  }
});

test('a row that was deleted is used again', () => {
  const table = new LocationTable();
  const [first, second] = [table.add(locationOf(1)), table.add(locationOf(2))];
  table.delete(first);
  assert.equal(table.add(locationOf(3)), first);
  assert.deepEqual(table.read(first), locationOf(3));
  assert.deepEqual(table.read(second), locationOf(2));
});

test('a large table begins anew once all its rows were deleted', () => {
  const table = new LocationTable();
  const rows = Array.from({ length: 5_000 }, (_, index) => table.add(locationOf(index)));
  for (const row of rows) table.delete(row);
  assert.equal(table.add(locationOf(7)), 0);
  assert.deepEqual(table.read(0), locationOf(7));
});
