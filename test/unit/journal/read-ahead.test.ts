import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realDisk } from '../../../src/journal/disk.ts';
import { Journal } from '../../../src/journal/journal.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { append, openStore } from '../../support/disk/journal-store.ts';

/** Too long to be read while the event loop waits. */
const long = 'x'.repeat(70_000);

/** A store of which each of four posts is in a segment of its own; only the last two are read before the replay. */
async function storeOfSegments(context: TestContext, body = long): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'ipc-journal-'));
  context.after(() => rm(home, { recursive: true, force: true }));
  const folder = join(home, 'broker-1');
  const store = await openStore({ folder, limits: { segmentBytesMax: 1, segmentReserveBytes: 1 } });
  for (const number of [1, 2, 3, 4]) {
    append(store, postedRecord(number, body));
    await store.journal.sync();
  }
  await store.journal.close();
  return folder;
}

function openWith(
  folder: string,
  read: (path: string) => Promise<Buffer | undefined>,
  restored: (number: number) => void,
): Promise<Journal> {
  return Journal.open({
    folder,
    owner: { pid: 42, started: 0, addresses: [] },
    restore: (record) => record.kind === 'posted' && restored(record.envelope.number),
    snapshot: () => [],
    disk: { ...realDisk, read },
  });
}

test('while a segment is replayed, the disk reads the next one', async (context) => {
  const reads: string[] = [];
  const read = (path: string) => {
    reads.push(basename(path));
    return realDisk.read(path);
  };
  const lastReads: [number, string | undefined][] = [];
  const folder = await storeOfSegments(context);
  const journal = await openWith(folder, read, (number) => lastReads.push([number, reads.at(-1)]));
  await journal.close();
  assert.deepEqual(lastReads.slice(0, 3), [
    [1, 'seg-000002.log'],
    [2, 'seg-000003.log'],
    [3, 'seg-000004.log'],
  ]);
});

test('a segment that cannot be read ends the opening after those before it, and nothing else', async (context) => {
  const restored: number[] = [];
  const read = async (path: string) => {
    if (path.endsWith('seg-000002.log')) throw new Error('cannot be read');
    return realDisk.read(path);
  };
  const folder = await storeOfSegments(context);
  await assert.rejects(
    openWith(folder, read, (number) => restored.push(number)),
    /cannot be read/,
  );
  assert.deepEqual(restored, [1]);
});

test('short segments are replayed without a thread of the pool', async (context) => {
  const reads: string[] = [];
  const restored: number[] = [];
  const read = (path: string) => {
    reads.push(basename(path));
    return realDisk.read(path);
  };
  const folder = await storeOfSegments(context, 'hello');
  const journal = await openWith(folder, read, (number) => restored.push(number));
  await journal.close();
  assert.deepEqual(restored, [1, 2, 3, 4]);
  // The survey has read these.
  assert.deepEqual(reads, ['seg-000005.log', 'seg-000004.log']);
});
