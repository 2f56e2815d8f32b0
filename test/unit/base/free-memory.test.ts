import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeMemory } from '../../../src/base/free-memory.ts';

const chunkBytes = 64 * 1024;

test('a large chunk that is all of its memory gives that memory back', () => {
  const chunk = Buffer.from(new ArrayBuffer(chunkBytes));
  const { buffer } = chunk;
  freeMemory(chunk);
  assert.equal(chunk.length, 0);
  assert.equal(buffer.byteLength, 0);
});

test('a chunk that shares its memory with other bytes keeps it', () => {
  const memory = Buffer.from(new ArrayBuffer(chunkBytes + 1), 0, chunkBytes + 1).fill('x');
  const chunk = memory.subarray(0, chunkBytes);
  freeMemory(chunk);
  assert.equal(chunk.length, 65_536);
  assert.equal(memory.toString('latin1', chunkBytes - 1), 'xx');
});

test('a small chunk keeps its memory', () => {
  const chunk = Buffer.from(new ArrayBuffer(1_024)).fill('x');
  freeMemory(chunk);
  assert.equal(chunk.toString('latin1', 1_020), 'xxxx');
});
