import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parts } from '../../../src/journal/write-parts.ts';

const lengths = (buffers: readonly Buffer[]) => [...parts(buffers)].map(({ length }) => length);

test('short buffers are written together, up to about a megabyte', () => {
  const short = Array.from({ length: 25 }, () => Buffer.alloc(60_000, 'x'));
  assert.deepEqual(lengths(short), [1_080_000, 420_000]);
  assert.deepEqual(lengths([]), []);
});

test('a long buffer is written from where it lies, in its place', () => {
  const long = Buffer.alloc(1_000_000, 'y');
  const [before, behind] = [Buffer.from('head'), Buffer.from('tail')];
  const all = [...parts([before, before, long, behind])];
  assert.deepEqual(
    all.map(({ length }) => length),
    [8, 1_000_000, 4],
  );
  assert.equal(all[1], long);
  assert.equal(Buffer.concat(all).toString('latin1', 0, 9), 'headheady');
});
