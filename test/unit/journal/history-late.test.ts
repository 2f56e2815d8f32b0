// Records that an owner wrote after its successor had read the log. What says that they do not count may be gone from
// history before the segment that has them leaves the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, settledRecord as settled } from '../../support/disk/journal-model.ts';
import {
  append,
  smallLimits as limits,
  openStore,
  removeOldest,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { eventInBrief, readPast } from '../../support/disk/past.ts';
import { Random } from '../../support/random.ts';

const month = { bytesMax: 1_000_000, ageMsMax: 30 * 86_400_000 };
const toldOfLog = [
  `stored #1 ${'x'.repeat(100)}`,
  'stored #3 three',
  'dropped #3',
  'stored #4 four',
];

async function told(disk: CrashDisk): Promise<string[]> {
  const { events } = await readPast(storeFolder, { disk: disk.process() });
  return events.map(eventInBrief);
}

/**
 * The log has the segments of the first owner, with a live message and a late record behind it, and of the fourth, which has
 * merged the two between them. That of the second is not in history any more: where it begins, records of the first end.
 */
async function storeWithLateRecord(): Promise<CrashDisk> {
  const disk = new CrashDisk('/home');
  const open = (options = {}) => {
    return openStore({ disk: disk.process(), limits, history: month, ...options });
  };
  const first = await open();
  append(first, postedRecord(1, 'x'.repeat(4_000)));
  await first.journal.sync();
  const second = await open();
  append(first, postedRecord(2, 'late'));
  append(second, postedRecord(2, 'two'), settled(2));
  await second.journal.close();
  const third = await open();
  append(third, postedRecord(3, 'three'), settled(3), postedRecord(4, 'four'));
  await third.journal.close();
  const bound = { ...month, bytesMax: 1_000 };
  const fourth = await open({ limits: { ...limits, segmentsMerge: 1 }, history: bound });
  await fourth.journal.close();
  const names = [...disk.files().keys()].filter((path) => path.endsWith('.log'));
  assert.deepEqual(names, [
    `${storeFolder}/epochs/00000001/seg-000001.log`,
    `${storeFolder}/epochs/00000004/seg-000001.log`,
    `${storeFolder}/history/00000003-000001.log`,
  ]);
  return disk;
}

/** The segment of the first owner leaves the log. */
async function removeFirst(disk: CrashDisk, dieAt = Number.POSITIVE_INFINITY): Promise<boolean> {
  const process = disk.process();
  process.dieAt = dieAt;
  try {
    const store = await openStore({ disk: process, limits, history: month });
    append(store, settled(1));
    await removeOldest(store);
    await store.journal.close();
  } catch (error) {
    if (!process.dead) throw error;
  }
  return !process.dead;
}

test('a late record is not told of a segment in the log when history has lost where the next owner began', async () => {
  const disk = await storeWithLateRecord();
  assert.deepEqual(await told(disk), toldOfLog);
});

test('it is not told either when the segment is history, wherever the owner dies that moves it', async () => {
  const prepared = await storeWithLateRecord();
  const random = new Random(1);
  for (let step = 1, isDone = false; !isDone; step++) {
    for (const isPower of [false, true, true]) {
      const disk = prepared.clone();
      isDone = await removeFirst(disk, step);
      if (isPower) disk.losePower(random);
      const events = await told(disk);
      assert.deepEqual(events.slice(0, 4), toldOfLog, `step ${step}`);
      await removeFirst(disk);
      assert.deepEqual(await told(disk), [...toldOfLog, 'settled #1'], `behind step ${step}`);
    }
  }
});

for (const [limit, set] of Object.entries<(disk: CrashDisk, bytes: number) => void>({
  'on a full disk': (disk, bytes) => {
    disk.bytesMax = bytes + 1_000;
  },
  'under a limit on the size of files': (disk) => {
    disk.fileBytesMax = 2_000;
  },
})) {
  test(`without room for a copy of what counts, ${limit}, the segment is not kept`, async () => {
    const disk = await storeWithLateRecord();
    const store = await openStore({ disk: disk.process(), limits, history: month });
    append(store, settled(1));
    await store.journal.sync();
    set(
      disk,
      [...disk.files().values()].reduce((sum, { length }) => sum + length, 0),
    );
    await removeOldest(store);
    assert.deepEqual(await told(disk), toldOfLog.slice(1));
  });
}

test('the segment of an owner that was late hides nothing of what its successor found, also when that dies before it removes it', async () => {
  const prepared = new CrashDisk('/home');
  const first = await openStore({ disk: prepared.process(), limits, history: month });
  append(first, postedRecord(1, 'one'));
  await first.journal.sync();
  // The second owner has read the log up to here.
  const elsewhere = prepared.clone();
  await openStore({ disk: elsewhere.process(), limits, history: month });
  const late = `${storeFolder}/epochs/00000002/seg-000001.log`;
  append(first, postedRecord(2, 'two'));
  await first.journal.sync();
  prepared.process().makeFolder(`${storeFolder}/epochs/00000002`);

  const openThird = async (dieAt = Number.POSITIVE_INFINITY) => {
    const disk = prepared.clone();
    const process = disk.process();
    process.dieAt = dieAt;
    // The prologue of the second owner is complete when the third has looked for it.
    process.onSync = () => disk.tamper(late, elsewhere.files().get(late));
    await openStore({ disk: process, limits, history: month }).catch(() => {});
    return { disk, calls: process.calls };
  };
  const { disk, calls } = await openThird();
  const removal = calls.indexOf(`removeFile ${late}`);
  assert.notEqual(removal, -1);
  assert.deepEqual(await told(disk), ['stored #1 one', 'stored #2 two']);
  const { disk: unremoved } = await openThird(removal + 1);
  assert(unremoved.files().has(late));
  assert.deepEqual(await told(unremoved), ['stored #1 one', 'stored #2 two']);
});

test('what a segment in quarantine says does not count is not kept when the oldest file goes', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process(), limits, history: month });
  append(first, postedRecord(1, 'x'.repeat(4_000)));
  await first.journal.sync();
  const second = await openStore({ disk: disk.process(), limits, history: month });
  append(first, postedRecord(2, 'late'));
  append(second, postedRecord(2, 'two'), settled(1));
  await removeOldest(second);
  await second.journal.close();
  const segment = `${storeFolder}/epochs/00000002/seg-000001.log`;
  const bytes = disk.files().get(segment) ?? assert.fail();
  bytes.write('T', bytes.indexOf('two'));
  disk.tamper(segment, bytes);
  const third = await openStore({ disk: disk.process(), limits, history: month });
  append(third, settled(2));
  await removeOldest(third);
  await third.journal.close();
  assert(disk.files().has(`${storeFolder}/damaged/00000002-000001.log`));
  const bound = { ...month, bytesMax: 2_000 };
  const fourth = await openStore({ disk: disk.process(), limits, history: bound });
  await fourth.journal.close();
  assert(!disk.files().has(`${storeFolder}/history/00000001-000001.log`));
  assert.deepEqual(await told(disk), ['stored #2 undefined', 'dropped #2']);
});
