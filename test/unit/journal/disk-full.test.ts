import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalLimits } from '../../../src/journal/journal.ts';
import { listSegments } from '../../../src/journal/paths.ts';
import { readRecords, segmentSeed } from '../../../src/journal/record-framing.ts';
import type { MessageId } from '../../../src/model/message.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, testSession } from '../../support/disk/journal-model.ts';
import {
  append,
  type OpenStore,
  openStore,
  removeOldest,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { Random } from '../../support/random.ts';

const mebibyte = 1024 ** 2;
const body = 'x'.repeat(2_000);

/** Posts like a broker, as long as there is space. Returns how many were stored. */
function postUntilFull(store: OpenStore): number {
  for (let posts = 0; ; posts++) {
    if (!store.journal.hasSpaceForPost(2_100, 0)) return posts;
    append(store, postedRecord(store.journal.nextNumber, body));
  }
}

/** Settles like a broker: an offer, a settle, a sync, and compaction. */
async function settle(store: OpenStore, number: number): Promise<void> {
  append(store, { kind: 'offered', number, holder: testSession, attempt: 1 });
  append(store, { kind: 'settled', numbers: [number] });
  await store.journal.sync();
  const numbers = store.journal.compactable();
  if (numbers && store.journal.hasSpaceToCopy(numbers)) await removeOldest(store);
}

async function fullStore(
  bytesMax: number,
  limits: Partial<JournalLimits> = {},
): Promise<{ disk: CrashDisk; store: OpenStore }> {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits });
  disk.bytesMax = bytesMax;
  postUntilFull(store);
  await store.journal.sync();
  return { disk, store };
}

function bytesOn(disk: CrashDisk): number {
  return [...disk.files().values()].reduce((sum, { length }) => sum + length, 0);
}

test('on a full disk posts are refused, everything else goes on, and the store recovers by itself', async () => {
  const { disk, store } = await fullStore(4 * mebibyte);
  const stored = store.model.messages.size;
  assert(stored > 1_000, `only ${stored}`);
  assert.match(store.journal.warnings()[0] ?? '', /^the disk was full at the last post/);
  assert.equal(store.journal.hasSpaceForPost(2_100, 0), false);

  // No byte of the disk is free.
  disk.bytesMax = bytesOn(disk);
  for (const number of [...store.model.messages.keys()]) await settle(store, number);
  assert.equal(store.model.messages.size, 0);
  assert(listSegments(disk.process(), storeFolder, 1).every(({ segment }) => segment > 1));
  disk.bytesMax = 4 * mebibyte;
  assert(postUntilFull(store) > 1_000);
  await store.journal.close();
  const next = await openStore({ disk: disk.process() });
  assert.equal(next.model.state(), store.model.state());
});

test('a post is refused before the last free byte, and accepted again when there is space', async () => {
  const { disk, store } = await fullStore(2 * mebibyte);
  disk.bytesMax += 64 * 1024 + 256 * 1024;
  assert.equal(store.journal.hasSpaceForPost(2_100, 0), true);
  assert.deepEqual(store.journal.warnings(), []);
});

test('ballast files that a replaced owner creates after its successor began do not fail the successor', async () => {
  const disk = new CrashDisk('/home');
  const leftBehind = await openStore({ disk: disk.process() });
  const successor = await openStore({ disk: disk.process() });
  assert.equal(leftBehind.journal.hasSpaceForPost(2_100, 0), true);
  assert.equal(successor.journal.hasSpaceForPost(2_100, 0), true);
  // Each relies on its own files only, since the other one may still remove some of its own.
  const ballast = [...disk.files().keys()].filter((path) => path.includes('/spare/'));
  assert.equal(ballast.length, 16);
  append(successor, postedRecord(1, body));
  await successor.journal.sync();
  assert.equal(successor.journal.passesFencing(), true);
});

test('space reserved for posts that were then refused is released', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  store.journal.hasSpaceForPost(mebibyte, 0);
  store.journal.append([]);
  const before = bytesOn(disk);
  for (let refused = 0; refused < 20; refused++) {
    assert.equal(store.journal.hasSpaceForPost(mebibyte, 0), true);
    store.journal.append([]);
  }
  assert.equal(bytesOn(disk), before);
});

test('the space reserved for a post covers its record, however many mailboxes it names', async () => {
  const disk = new CrashDisk('/home');
  const limits = { segmentReserveBytes: 1, segmentGrowthBytes: 1 };
  const store = await openStore({ disk: disk.process(), limits });
  const longest = (index: number) => `${index}`.padEnd(200, 'x');
  const alsoTo = Array.from({ length: 99 }, (_, index) => longest(index + 1));
  const post = postedRecord(1, body, { to: longest(0), alsoTo });
  const also = post.also.map((each) => ({ ...each, id: longest(each.number) as MessageId }));
  const frameBytes = body.length + 100 * 201;
  assert.equal(store.journal.hasSpaceForPost(frameBytes, 99), true);
  const ballastFiles = () =>
    [...disk.files().keys()].filter((path) => path.includes('/spare/')).length;
  const before = ballastFiles();
  disk.bytesMax = bytesOn(disk);
  store.journal.append([{ ...post, also }]);
  assert.equal(ballastFiles(), before);
});

test('forty owners that open on a full disk and close cleanly leave space for the next', async () => {
  const disk = new CrashDisk('/home');
  // Four more before them left a large message each.
  for (let owner = 1; owner <= 4; owner++) {
    const store = await openStore({ disk: disk.process() });
    assert.equal(store.journal.hasSpaceForPost(mebibyte, 0), true);
    append(store, postedRecord(store.journal.nextNumber, 'x'.repeat(mebibyte)));
    await store.journal.close();
  }
  disk.bytesMax = bytesOn(disk);
  for (let owner = 1; owner <= 40; owner++) {
    const next = await openStore({ disk: disk.process() });
    await next.journal.close();
  }
  const last = await openStore({ disk: disk.process() });
  await settle(last, 1);
  await last.journal.close();
});

test('seven owners in a row that open on a full disk and are killed can each read and settle', async () => {
  const { disk, store } = await fullStore(4 * mebibyte);
  disk.bytesMax = bytesOn(disk);
  await store.journal.close();
  let { model } = store;
  for (let owner = 2; owner <= 8; owner++) {
    const next = await openStore({ disk: disk.process() });
    assert.equal(next.model.state(), model.state(), `owner ${owner}`);
    assert.equal(next.journal.hasSpaceForPost(10, 0), false);
    await settle(next, owner);
    // Killed.
    ({ model } = next);
  }
});

test('an owner that finds no space and no ballast reports store_full, and changes nothing', async () => {
  const { disk, store } = await fullStore(4 * mebibyte);
  await store.journal.close();
  for (const path of disk.files().keys())
    if (path.includes('/spare/')) disk.tamper(path, undefined);
  disk.bytesMax = bytesOn(disk);
  const before = disk.files();
  await assert.rejects(openStore({ disk: disk.process() }), { code: 'store_full' });
  assert.deepEqual(disk.files(), before);
});

test('corruption that is found on a full disk is noted, and its segment goes into quarantine', async () => {
  const limits = { segmentBytesMax: 300, segmentReserveBytes: 1, logBytesCompact: 0 };
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits });
  assert.equal(store.journal.hasSpaceForPost(2_100, 0), true);
  append(store, postedRecord(1, 'soon'), postedRecord(2, 'x'.repeat(300)));
  append(store, postedRecord(3, 'three'), { kind: 'settled', numbers: [2] });
  await store.journal.close();
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const bytes = Buffer.from(disk.files().get(path) ?? []);
  bytes.write('S', bytes.indexOf('soon'));
  disk.tamper(path, bytes);
  disk.bytesMax = bytesOn(disk);

  const next = await openStore({ disk: disk.process(), limits });
  await removeOldest(next);
  await next.journal.close();
  assert(disk.files().has(`${storeFolder}/damaged/00000001-000001.json`));
  assert(disk.files().has(`${storeFolder}/damaged/00000001-000001.log`));
});

test('a sync point that finds no zeros left on a full disk uses ballast', async () => {
  const { disk, store } = await fullStore(2 * mebibyte);
  disk.bytesMax = bytesOn(disk);
  const file = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const zeros = () => {
    const bytes = disk.files().get(file) ?? Buffer.alloc(0);
    const end = [...readRecords(bytes, segmentSeed({ epoch: 1, segment: 1 }))].at(-1)?.end ?? 0;
    return bytes.length - end;
  };
  const [first = 0] = store.model.messages.keys();
  // A settle of this many numbers leaves fewer bytes than a sync point has.
  const numbers = Array.from({ length: Math.floor((zeros() - 24) / 8) }, () => first);
  append(store, { kind: 'settled', numbers });
  assert(zeros() < 32, `${zeros()} bytes are left`);
  await store.journal.sync();
  assert(zeros() > 32);
});

test('a ballast file that cannot be written ends the journal, and no file stays open', async () => {
  const process = new CrashDisk('/home').process();
  const { journal } = await openStore({ disk: process });
  // The folder, the file, and then its zeros.
  process.failAt = process.calls.length + 3;
  assert.throws(() => journal.hasSpaceForPost(100, 0), { code: 'storage_failed' });
  assert.match(process.calls.at(-2) ?? '', /^write .*spare\/01$/);
  journal.abandon();
  assert.equal(process.openFiles, 0);
});

test('an owner that dies at any step of beginning the next segment loses nothing', async () => {
  const limits = { segmentBytesMax: 400, segmentReserveBytes: 100, segmentGrowthBytes: 100 };
  let steps = 0;
  for (let done = false; !done; steps++) {
    for (let power = 0; power < 8; power++) {
      const disk = new CrashDisk('/home');
      const process = disk.process();
      const store = await openStore({ disk: process, limits });
      append(store, postedRecord(1, 'synced'));
      await store.journal.sync();
      process.dieAt = process.calls.length + 1 + steps;
      const fill = async () => {
        append(store, postedRecord(2, 'x'.repeat(300)));
        append(store, postedRecord(3, 'in the next'));
        return store.journal.sync();
      };
      done = await fill().then(
        () => true,
        () => false,
      );
      process.kill();
      if (power > 0) disk.losePower(new Random(steps * 100 + power));
      const next = await openStore({ disk: disk.process(), limits });
      const numbers = [...next.model.messages.keys()];
      assert.deepEqual(
        numbers,
        [1, 2, 3].slice(0, numbers.length),
        `step ${steps}, power ${power}`,
      );
      assert(numbers.length >= (done ? 3 : 1), `step ${steps}, power ${power}`);
      assert.deepEqual(next.journal.warnings(), []);
    }
  }
  assert(steps > 8, `only ${steps} steps`);
});

test('a segment goes on while there is no space for the next one', async () => {
  const limits = { segmentBytesMax: 100_000, ballastFilesMin: 0 };
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits });
  for (let number = 1; number <= 90; number++)
    append(store, postedRecord(number, 'x'.repeat(1_000)));
  disk.bytesMax = bytesOn(disk);
  while (store.journal.nextNumber < 130) {
    append(store, postedRecord(store.journal.nextNumber, 'x'.repeat(1_000)));
  }
  await store.journal.sync();
  assert.deepEqual(listSegments(disk.process(), storeFolder, 1).length, 1);
  disk.bytesMax = Number.POSITIVE_INFINITY;
  append(store, { kind: 'settled', numbers: [1] });
  assert.deepEqual(listSegments(disk.process(), storeFolder, 1).length, 2);
  await store.journal.close();
  const next = await openStore({ disk: disk.process() });
  assert.equal(next.model.state(), store.model.state());
});

test('an owner that dies at any step on a full disk, with or without the power, loses nothing', async () => {
  const limits = { ballastFilesMin: 3, segmentBytesMax: 50_000 };
  const { disk: before, store } = await fullStore(mebibyte, limits);
  before.bytesMax = bytesOn(before);
  const numbers = [...store.model.messages.keys()];
  const work = async (disk: CrashDisk, dieAt: number) => {
    const process = disk.process();
    process.dieAt = dieAt;
    const next = await openStore({ disk: process, limits });
    append(next, { kind: 'settled', numbers: numbers.slice(0, -3) });
    await next.journal.sync();
    const live = next.journal.compactable();
    if (live && next.journal.hasSpaceToCopy(live)) await removeOldest(next);
    return next.journal.close();
  };
  let steps = 0;
  for (let done = false; !done; ) {
    steps++;
    for (const power of [0, 1, 2]) {
      const disk = before.clone();
      done = await work(disk, steps).then(
        () => true,
        () => false,
      );
      if (power > 0) disk.losePower(new Random(steps * 10 + power));
      const next = await openStore({ disk: disk.process(), limits });
      const left = next.model.messages.size;
      assert(left === numbers.length || left === 3, `step ${steps}: ${left} messages`);
      assert.deepEqual(next.journal.warnings(), []);
    }
  }
  assert(steps > 20, `only ${steps} steps`);
});

test('at a limit on the size of files the next segment is begun, and a record that fits into none is refused alone', async () => {
  const disk = new CrashDisk('/home');
  disk.fileBytesMax = 300_000;
  const store = await openStore({ disk: disk.process() });
  const { journal } = store;
  const postOf = (bytes: number) => {
    for (;;) {
      if (journal.hasSpaceForPost(bytes, 0)) {
        append(store, postedRecord(journal.nextNumber, 'x'.repeat(bytes)));
        return 'stored';
      }
      journal.append([]);
      if (!journal.beginNextForSpace()) return journal.refusal().code;
    }
  };
  assert.deepEqual([100_000, 100_000, 100_000, 300_000, 250_000, 10].map(postOf), [
    ...Array(3).fill('stored'),
    'body_too_large',
    'stored',
    'stored',
  ]);
  await journal.sync();
  const before = listSegments(disk.process(), storeFolder, 1).length;
  for (let refused = 0; refused < 5; refused++) assert.equal(postOf(300_000), 'body_too_large');
  assert.equal(listSegments(disk.process(), storeFolder, 1).length, before);
  // What is not posts has no room reserved, and goes on in the next segment when it needs to.
  const numbers = Array.from({ length: 4_000 }, () => 1);
  for (let settle = 0; settle < 30; settle++) append(store, { kind: 'settled', numbers });
  await journal.close();
  const next = await openStore({ disk: disk.process() });
  assert.equal(next.model.state(), store.model.state());
});

test('a limit on the size of files that is below the sum of many small segments makes the merge shorter', async () => {
  const disk = new CrashDisk('/home');
  const limits = {
    segmentsCompact: 2,
    segmentsMerge: 4,
    segmentReserveBytes: 100,
    ballastFilesMin: 0,
  };
  for (let owner = 1; owner <= 8; owner++) {
    const store = await openStore({
      disk: disk.process(),
      limits: { ...limits, segmentsCompact: 99, segmentsMerge: 198 },
    });
    append(store, postedRecord(store.journal.nextNumber, 'x'.repeat(40_000)));
    await store.journal.close();
  }
  disk.fileBytesMax = 250_000;
  const next = await openStore({ disk: disk.process(), limits });
  assert.deepEqual([...next.model.messages.keys()], [1, 2, 3, 4, 5, 6, 7, 8]);
  const segments = listSegments(disk.process(), storeFolder, next.journal.epoch);
  assert.deepEqual(segments, [{ epoch: 9, segment: 1 }]);
});
