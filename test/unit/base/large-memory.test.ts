import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LargeMemory } from '../../../src/base/large-memory.ts';

const megabyte = 1_048_576;

test('memory that its last holder has released is taken again', () => {
  const memory = new LargeMemory();
  const body = memory.take(megabyte);
  memory.hold(body);
  memory.hold(body.subarray(100));
  memory.release(body);
  assert.notEqual(memory.take(megabyte).buffer, body.buffer);
  memory.release(body.subarray(200));
  assert.equal(memory.take(megabyte).buffer, body.buffer);
  assert.notEqual(memory.take(megabyte).buffer, body.buffer);
});

test('memory that nobody held, or that a holder keeps, is never taken again', () => {
  const memory = new LargeMemory();
  const [neverHeld, kept] = [memory.take(megabyte), memory.take(megabyte)];
  memory.hold(kept);
  memory.hold(kept);
  memory.release(kept);
  const next = memory.take(megabyte);
  assert.notEqual(next.buffer, neverHeld.buffer);
  assert.notEqual(next.buffer, kept.buffer);
});

test('memory is taken again for a body of about the same length, and only for such a one', () => {
  const memory = new LargeMemory();
  const body = memory.take(1_000_000);
  assert.equal(body.length, 1_000_000);
  assert.equal(body.buffer.byteLength, 1_048_576);
  memory.hold(body);
  memory.release(body);
  assert.notEqual(memory.take(500_000).buffer, body.buffer);
  const next = memory.take(1_020_000);
  assert.equal(next.buffer, body.buffer);
  assert.equal(next.length, 1_020_000);
});

test('other memory is held and released without effect', () => {
  const memory = new LargeMemory();
  const small = memory.take(1_000);
  const other = Buffer.allocUnsafeSlow(megabyte);
  for (const body of [small, other]) {
    memory.hold(body);
    memory.release(body);
    memory.release(body);
  }
  assert.equal(small.buffer.byteLength, 1_000);
  assert.notEqual(memory.take(megabyte).buffer, other.buffer);
  assert.deepEqual(memory.surplus(), []);
});

test('only memory that was spare since the last time is surplus', () => {
  const memory = new LargeMemory();
  const bodies = [memory.take(megabyte), memory.take(megabyte), memory.take(megabyte)];
  for (const body of bodies) memory.hold(body);
  for (const body of bodies) memory.release(body);
  assert.deepEqual(memory.surplus(), []);
  // One of the three is needed from time to time.
  for (let use = 0; use < 5; use++) {
    const body = memory.take(megabyte);
    memory.hold(body);
    memory.release(body);
  }
  assert.deepEqual(
    memory.surplus().map(({ length }) => length),
    [1_048_576, 1_048_576],
  );
  assert.deepEqual(
    memory.surplus().map(({ length }) => length),
    [1_048_576],
  );
  assert.deepEqual(memory.surplus(), []);
});

test('at most 64 MiB of memory are spare', () => {
  const memory = new LargeMemory();
  const bodies = Array.from({ length: 70 }, () => memory.take(megabyte));
  for (const body of bodies) memory.hold(body);
  for (const body of bodies) memory.release(body);
  memory.surplus();
  assert.equal(memory.surplus().length, 64);
});

test('all spare memory can be given away, and memory that is still held is spare once it is released', () => {
  const memory = new LargeMemory();
  const [first, second] = [memory.take(megabyte), memory.take(megabyte)];
  for (const body of [first, second]) memory.hold(body);
  memory.release(first);
  assert.deepEqual(
    memory.spares().map(({ buffer }) => buffer === first.buffer),
    [true],
  );
  assert.deepEqual(memory.spares(), []);
  memory.release(second);
  assert.equal(memory.take(megabyte).buffer, second.buffer);
});

test('what is released beyond the spare memory that there may be is not kept', () => {
  const memory = new LargeMemory({ spareBytesMax: 2 * megabyte });
  const bodies = [memory.take(megabyte), memory.take(megabyte), memory.take(megabyte)];
  for (const body of bodies) memory.hold(body);
  for (const body of bodies) memory.release(body);
  assert.equal(memory.spares().length, 2);
});
