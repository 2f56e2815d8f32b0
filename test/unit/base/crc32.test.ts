import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, shortCrc32, viewCrc32 } from '../../../src/base/crc32.ts';

test('the sum of a few bytes is the one of zlib, for every length and place', () => {
  assert.equal(shortCrc32(Buffer.from('123456789'), 0, 9), 0xcbf43926);
  const bytes = Buffer.from(Array.from({ length: 40 }, (_, index) => (index * 151) & 0xff));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let from = 0; from < bytes.length; from++) {
    for (let end = from; end <= bytes.length; end++) {
      for (const seed of [0, 1, 0xffff_ffff]) {
        const sum = crc32(bytes.subarray(from, end), seed);
        assert.equal(shortCrc32(bytes, from, end, seed), sum);
        assert.equal(viewCrc32(view, from, end, seed), sum);
      }
    }
  }
});
