import assert from 'node:assert/strict';
import { test } from 'node:test';
import { once } from '../../../src/base/once.ts';

test('the value is made at its first use, and once', () => {
  let made = 0;
  const value = once(() => ({ number: ++made }));
  assert.equal(made, 0);
  assert.equal(value(), value());
  assert.equal(made, 1);
});
