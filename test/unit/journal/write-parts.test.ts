import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskFile } from '../../../src/journal/disk.ts';
import { writeParts } from '../../../src/journal/write-parts.ts';

/** The buffers that are written to the file, one in each step. */
function written(buffers: readonly Buffer[]): readonly Buffer[] {
  const all: Buffer[] = [];
  const file: Pick<DiskFile, 'write'> = {
    write([bytes = Buffer.alloc(0)], offset) {
      assert.equal(offset, Buffer.concat(all).length);
      all.push(bytes);
      return bytes.length;
    },
  };
  let steps = 0;
  for (const _ of writeParts(file as DiskFile, buffers)) assert.equal(all.length, ++steps);
  return all;
}

test('short buffers are written together, up to about a megabyte', () => {
  const lengths = (buffers: readonly Buffer[]) => written(buffers).map(({ length }) => length);
  const short = Array.from({ length: 25 }, () => Buffer.alloc(60_000, 'x'));
  assert.deepEqual(lengths(short), [1_080_000, 420_000]);
  assert.deepEqual(lengths([]), []);
});

test('a long buffer is written from where it lies, in its place', () => {
  const long = Buffer.alloc(1_000_000, 'y');
  const [before, behind] = [Buffer.from('head'), Buffer.from('tail')];
  const all = written([before, before, long, behind]);
  assert.deepEqual(
    all.map(({ length }) => length),
    [8, 1_000_000, 4],
  );
  assert.equal(all[1]?.buffer, long.buffer);
  assert.equal(Buffer.concat(all).toString('latin1', 0, 9), 'headheady');
});
