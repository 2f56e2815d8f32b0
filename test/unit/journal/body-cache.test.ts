import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyCacheEntryBytes } from '../../../src/base/limits.ts';
import { BodyCache } from '../../../src/journal/body-cache.ts';

test('a small body that is cached keeps no memory but its own', () => {
  const cache = new BodyCache(1_000_000);
  const chunk = Buffer.alloc(65_536, 'x');
  cache.add(1, chunk.subarray(100, 356));
  assert.equal(cache.get(1)?.toString(), 'x'.repeat(256));
  assert.equal(cache.get(1)?.buffer.byteLength, 256);
});

test('bodies without a byte take room in the cache, too; the oldest is evicted', () => {
  const cache = new BodyCache(10 * bodyCacheEntryBytes);
  for (let number = 1; number <= 11; number++) cache.add(number, Buffer.alloc(0));
  assert.equal(cache.get(1), undefined);
  assert.equal(cache.get(2)?.length, 0);
  cache.delete(2);
  cache.delete(2);
  cache.add(12, Buffer.alloc(0));
  assert.equal(cache.get(3)?.length, 0);
});
