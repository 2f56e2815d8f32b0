// Bodies that are kept in memory as the bytes that were written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyCacheEntryBytes } from '../../../src/base/limits.ts';
import { BodyCache } from '../../../src/journal/body-cache.ts';
import { segmentSeed } from '../../../src/journal/record-framing.ts';
import { encodeAll } from '../../../src/journal/segment-entries.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';

const seed = segmentSeed({ epoch: 1, segment: 1 });

test('each body is found in the bytes that were written together, and a large one in its own', () => {
  const cache = new BodyCache(1_000_000);
  const large = 'y'.repeat(20_000);
  const records = [postedRecord(1, 'one'), postedRecord(2, 'two'), postedRecord(3, large)];
  const { buffers, ends } = encodeAll(records, seed);
  const [first = 0, second = 0, third = 0] = ends;
  const small = cache.add(buffers[0] as Buffer, 1_000);
  const own = cache.add(buffers[1] as Buffer, 1_000 + (buffers[0] as Buffer).length);
  const found = [
    small.bodyOf({ offset: 1_000, bytes: first }),
    small.bodyOf({ offset: 1_000 + first, bytes: second - first }),
    own.bodyOf({ offset: 1_000 + second, bytes: third - second }),
  ];
  assert.deepEqual(found.map(String), ['one', 'two', large]);
});

test('few bytes of a large buffer keep no memory but their own', () => {
  const cache = new BodyCache(1_000_000);
  const chunk = Buffer.alloc(65_536, 'x');
  assert.equal(cache.add(chunk.subarray(100, 356), 0).bytes?.buffer.byteLength, 256);
});

test('bytes go with the last message in them that is live, or when newer ones need the room', () => {
  const cache = new BodyCache(3 * (bodyCacheEntryBytes + 100));
  const kept = [1, 2, 3, 4, 5].map(() => {
    const written = cache.add(Buffer.alloc(100), 0);
    written.enter();
    written.enter();
    return written;
  });
  const areThere = () => kept.map(({ bytes }) => bytes !== undefined);
  assert.deepEqual(areThere(), [false, false, true, true, true]);
  kept[3]?.leave();
  assert.deepEqual(areThere(), [false, false, true, true, true]);
  kept[3]?.leave();
  assert.deepEqual(areThere(), [false, false, true, false, true]);
  for (let more = 0; more < 2; more++) cache.add(Buffer.alloc(100), 0);
  assert.deepEqual(areThere(), [false, false, false, false, true]);
});
