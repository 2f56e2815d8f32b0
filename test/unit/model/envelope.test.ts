import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOrigin } from '../../../src/model/envelope.ts';

test('origins with the same texts are one object, so the messages of a program share it', () => {
  const first = parseOrigin('codex', 17, 'here');
  assert.equal(parseOrigin('codex', 17, 'here'), first);
  assert.notEqual(parseOrigin('codex', 18, 'here'), first);
  assert.deepEqual(first, { program: 'codex', pid: 17, machine: 'here' });
});

test('a refused origin is refused again', () => {
  for (let times = 0; times < 2; times++) {
    assert.throws(() => parseOrigin('a\nb', 1, 'here'), { code: 'bad_frame' });
  }
});
