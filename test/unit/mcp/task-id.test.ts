// What the id of a task says, and who can have made it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { fitsTaskId, makeTaskId, readTaskId, type TaskCall } from '../../../src/mcp/task-id.ts';

const key = Buffer.alloc(32, 1);
const otherKey = Buffer.alloc(32, 2);
const wait: TaskCall = {
  operation: 'wait',
  host: undefined,
  port: 19_901,
  names: ['ann', 'tëam'],
  startedMs: 1_795_928_039_785,
  seconds: undefined,
};

test('the id says all that a new process needs to go on', () => {
  const calls: TaskCall[] = [
    wait,
    { ...wait, host: 'one.lan', seconds: 300 },
    { ...wait, operation: 'ask', names: ['ann', '0123456789abcdef.17', '8'] },
    { ...wait, operation: 'receive', host: '0.0.0.0', port: 19_900, names: [] },
  ];
  for (const call of calls) {
    const id = makeTaskId(call, 'a1b2', [key]);
    assert.deepEqual(readTaskId(id, [key]), call);
    assert.match(id, /^[\w-]{60,120}$/);
  }
});

test('an id is that of another process with the same key, also while the key is being replaced', () => {
  const id = makeTaskId(wait, 'a1b2', [otherKey]);
  assert.deepEqual(readTaskId(id, [key, otherKey]), wait);
  assert.equal(readTaskId(id, [key]), undefined);
  assert.equal(makeTaskId(wait, 'a1b2', [otherKey, key]), id);
});

test('calls of the same millisecond get different ids', () => {
  assert.notEqual(makeTaskId(wait, 'aaaa', [key]), makeTaskId(wait, 'aaab', [key]));
});

test('an id that is changed in one bit, cut, longer or written otherwise is refused', () => {
  const id = makeTaskId(wait, 'a1b2', [key]);
  const bytes = Buffer.from(id, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(readTaskId(changed.toString('base64url'), [key]), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < id.length; length++) {
    assert.equal(readTaskId(id.slice(0, length), [key]), undefined, `${length} characters`);
  }
  const others = [`${id}A`, `${id}=`, ` ${id}`, `${id} `, `${id.slice(0, 8)}.${id.slice(8)}`];
  for (const other of others) assert.equal(readTaskId(other, [key]), undefined, other);
});

test('a text that is no id is refused', () => {
  const texts = ['', 'task-3', '__proto__', 'é'.repeat(50), 'A'.repeat(200), 'A'.repeat(100_000)];
  for (const text of texts) assert.equal(readTaskId(text, [key]), undefined);
  for (let round = 0; round < 100; round++) {
    const bytes = randomBytes(round);
    assert.equal(readTaskId(bytes.toString('base64url'), [key]), undefined);
  }
});

test('an id has at most 200 characters: a call that needs more has none', () => {
  for (let length = 1; length <= 200; length++) {
    const call = { ...wait, names: ['n'.repeat(length)] };
    const fits = length <= 91;
    assert.equal(fitsTaskId(call), fits, `${length} characters`);
    if (fits) assert.ok(makeTaskId(call, 'a1b2', [key]).length <= 200);
    else assert.throws(() => makeTaskId(call, 'a1b2', [key]), /becomes no task/);
  }
  assert.equal(makeTaskId({ ...wait, names: ['n'.repeat(91)] }, 'a1b2', [key]).length, 200);
});
