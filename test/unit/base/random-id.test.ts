// Random texts: their form, and that no byte is used for two of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomId } from '../../../src/base/random-id.ts';

test('random texts have the asked length and 32 characters, and none comes twice', () => {
  const texts = Array.from({ length: 1_000 }, () => randomId(8));
  for (const text of texts) assert.match(text, /^[0-9a-v]{8}$/);
  assert.equal(new Set(texts).size, 1_000);
  assert.equal(new Set(texts.join('')).size, 32);
  assert.match(randomId(1_000), /^[0-9a-v]{1000}$/);
});
