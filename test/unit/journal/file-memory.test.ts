import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileMemory, largeMemory } from '../../../src/base/large-memory.ts';
import { type Disk, realDisk } from '../../../src/journal/disk.ts';
import { readEvents } from '../../../src/journal/store-reader.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { openStore } from '../../support/disk/journal-store.ts';
import { makeHome } from '../../support/places.ts';

test('a file is read into the memory of one that was read before, if that was released', async (context) => {
  const path = join(await makeHome(context), 'file');
  writeFileSync(path, Buffer.alloc(1_000_000, 'a'));
  const first = await realDisk.read(path);
  assert(first);
  fileMemory.hold(first);
  const second = await realDisk.read(path);
  assert(second);
  assert.notEqual(second.buffer, first.buffer);
  fileMemory.release(first);
  writeFileSync(path, Buffer.alloc(990_000, 'b'));
  const third = await realDisk.read(path);
  assert.equal(third?.buffer, first.buffer);
  assert(third?.equals(Buffer.alloc(990_000, 'b')));
  assert(second.equals(Buffer.alloc(1_000_000, 'a')));
});

test('the memory of files is not that of bodies', async (context) => {
  const path = join(await makeHome(context), 'file');
  writeFileSync(path, Buffer.alloc(1_000_000));
  const bytes = await realDisk.read(path);
  assert(bytes);
  fileMemory.hold(bytes);
  fileMemory.release(bytes);
  assert.notEqual(largeMemory.take(1_000_000).buffer, bytes.buffer);
  assert.equal(fileMemory.take(1_000_000).buffer, bytes.buffer);
});

test('segments that differ in length by the posts of a turn are read into the same memory', () => {
  const megabyte = 1_048_576;
  const first = fileMemory.take(16.25 * megabyte);
  fileMemory.hold(first);
  fileMemory.release(first);
  const second = fileMemory.take(19.5 * megabyte);
  assert.equal(second.length, 19.5 * megabyte);
  assert.equal(second.buffer, first.buffer);
});

/** Reads a store of 15 files. `memories`: those into which it reads them. */
async function startReading(context: TestContext, partBytesMax: number) {
  const folder = join(await makeHome(context), 'broker');
  const limits = {
    segmentBytesMax: 300_000,
    segmentGrowthBytes: 65_536,
    segmentReserveBytes: 65_536,
  };
  const { journal } = await openStore({ folder, limits });
  for (let number = 1; number <= 60; number++) {
    journal.append([postedRecord(number, ''.padEnd(100_000))]);
  }
  await journal.close();
  const memories = new Set<ArrayBufferLike>();
  const read: Disk['read'] = async (path) => {
    const bytes = await realDisk.read(path);
    if (bytes) memories.add(bytes.buffer);
    return bytes;
  };
  const reading = readEvents(folder, { disk: { ...realDisk, read }, partBytesMax });
  return { reading, memories };
}

test('a reader of the past reads files one after the other into the same memory, and frees it at the end', async (context) => {
  const { reading, memories } = await startReading(context, 10);
  let events = 0;
  for await (const batch of reading) events += batch.events.length;
  assert.equal(events, 60);
  assert.ok(memories.size < 5, `${memories.size} memories for 15 files`);
  assert.deepEqual(fileMemory.spares(), []);
});

test('a reader of the past that is left frees its memory', async (context) => {
  const { reading, memories } = await startReading(context, 100_000);
  for await (const { hasMore } of reading) {
    assert.equal(hasMore, true);
    break;
  }
  assert.ok([...memories].some(({ byteLength }) => byteLength === 0));
  assert.deepEqual(fileMemory.spares(), []);
});
