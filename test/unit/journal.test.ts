import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DiskFile } from '../../src/journal/disk.ts';
import { readOwner } from '../../src/journal/folder.ts';
import { storeId } from '../../src/journal/recovery.ts';
import { CrashDisk } from '../support/crash-disk.ts';
import { postedRecord } from '../support/journal-model.ts';
import { append, openStore, removeOldest, storeFolder } from '../support/journal-store.ts';
import { Random } from '../support/random.ts';

async function realFolder(context: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'ipc-journal-'));
  context.after(() => rm(home, { recursive: true, force: true }));
  return join(home, 'broker-1');
}

/** Every segment full after one record, and a removal whenever it is asked for. */
const tinyLimits = { segmentBytesMax: 1, logBytesCompact: 0, segmentReserveBytes: 1 };

test('what was posted is there for the next owner, with its body, in files for the user alone', async (context) => {
  const folder = await realFolder(context);
  const umask = process.umask(0);
  context.after(() => process.umask(umask));

  const first = await openStore({ folder });
  append(first, postedRecord(1, 'hello'), postedRecord(2, 'x'.repeat(1_048_576)));
  await first.journal.close();

  const second = await openStore({ folder });
  assert.equal(second.model.state(), first.model.state());
  assert.equal(second.journal.body(1).toString(), 'hello');
  assert.equal(second.journal.body(2).length, 1_048_576);
  assert.equal(second.journal.storeId, first.journal.storeId);
  assert.equal(storeId(folder), first.journal.storeId);
  assert.deepEqual([first.journal.epoch, second.journal.epoch], [1, 2]);
  assert.deepEqual(readOwner(folder), {
    pid: 42,
    started: 1_700_000_000_000,
    addresses: ['127.0.0.1:1'],
  });
  await second.journal.close();

  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
    assert.equal(mode, entry.isDirectory() ? 0o700 : 0o600, entry.name);
  }
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(entries.filter((entry) => entry.isFile()).length, 4);
});

test('a segment is written out ahead in zeros, and grows by whole steps', async (context) => {
  const folder = await realFolder(context);
  const limits = { segmentReserveBytes: 10_000, segmentGrowthBytes: 4_000 };
  const store = await openStore({ folder, limits });
  const length = () => readFileSync(join(folder, 'epochs/00000001/seg-000001.log')).length;
  assert.equal(length(), 10_000);
  append(store, postedRecord(1, 'x'.repeat(9_000)));
  assert.equal(length(), 10_000);
  append(store, postedRecord(2, 'x'.repeat(9_000)));
  assert.equal(length(), 20_000);
  await store.journal.close();
});

test('thousands of records in one append', async (context) => {
  const folder = await realFolder(context);
  const first = await openStore({ folder });
  append(first, ...Array.from({ length: 5_000 }, (_, index) => postedRecord(index + 1, 'x')));
  await first.journal.close();
  const second = await openStore({ folder });
  assert.equal(second.model.messages.size, 5_000);
  await second.journal.close();
});

test('a one-shot post on an existing store costs four syncs', async () => {
  const disk = new CrashDisk('/home');
  await (await openStore({ disk: disk.process() })).journal.close();

  const process = disk.process();
  const store = await openStore({ disk: process });
  append(store, postedRecord(1, 'hello'));
  await store.journal.sync();
  await store.journal.close();
  assert.deepEqual(
    process.calls.filter((call) => call.startsWith('sync')),
    [
      'syncFolder /home/broker-1/epochs',
      'sync /home/broker-1/epochs/00000002/seg-000001.log',
      'syncFolder /home/broker-1/epochs/00000002',
      'sync /home/broker-1/epochs/00000002/seg-000001.log',
    ],
  );
});

test('a sync covers what was appended before it began, and nothing unsynced costs no sync', async () => {
  const process = new CrashDisk('/home').process();
  const store = await openStore({ disk: process });
  append(store, postedRecord(1, 'one'));
  const running = store.journal.sync();
  append(store, postedRecord(2, 'two'));
  await assert.rejects(() => store.journal.sync(), { code: 'ERR_ASSERTION' });
  await running;
  assert.equal(store.journal.unsynced, true);
  await store.journal.sync();
  assert.equal(store.journal.unsynced, false);
  const calls = process.calls.length;
  await store.journal.sync();
  assert.equal(process.calls.length, calls);
});

test('a number never goes back, not even when every message and every segment of it is gone', async () => {
  const disk = new CrashDisk('/home');
  const limits = tinyLimits;
  const first = await openStore({ disk: disk.process(), limits });
  append(first, postedRecord(7, 'hello'));
  append(first, { kind: 'settled', numbers: [7] });
  append(first, { kind: 'forgotten', session: '0123456789abcdef' as never });
  while (first.journal.compactable()) await removeOldest(first);
  await first.journal.close();

  const second = await openStore({ disk: disk.process(), limits });
  assert.equal(second.journal.nextNumber, 8);
  assert.equal(second.model.messages.size, 0);
});

test('the oldest segment goes, and its live messages do not', async () => {
  const disk = new CrashDisk('/home');
  const limits = { ...tinyLimits, bodyCacheBytesMax: 0 };
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1, 'lives'));
  append(store, postedRecord(2, 'dies'));
  append(store, { kind: 'settled', numbers: [2] });
  for (let removed = 0; removed < 4; removed++) await removeOldest(store);
  assert.equal(store.journal.body(1).toString(), 'lives');
  assert.equal(disk.files().has(`${storeFolder}/epochs/00000001/seg-000001.log`), false);
  await store.journal.close();

  const next = await openStore({ disk: disk.process() });
  assert.equal(next.model.state(), store.model.state());
  assert.equal(next.journal.body(1).toString(), 'lives');
});

test('nothing is to be removed while half of the log lives, nor ever the current segment', async () => {
  const store = await openStore({
    disk: new CrashDisk('/home').process(),
    limits: { ...tinyLimits, segmentBytesMax: 1_000 },
  });
  assert.equal(store.journal.compactable(), undefined);
  append(store, postedRecord(1, 'x'.repeat(3_000)));
  append(store, postedRecord(2, 'x'.repeat(3_000)));
  assert.equal(store.journal.compactable(), undefined);
  append(store, { kind: 'settled', numbers: [2] });
  assert.deepEqual(store.journal.compactable(), [1]);
});

test('one-shot posts do not pile up segments', async () => {
  const disk = new CrashDisk('/home');
  const limits = { segmentsCompact: 4, segmentReserveBytes: 1 };
  for (let number = 1; number <= 60; number++) {
    const store = await openStore({ disk: disk.process(), limits });
    append(store, postedRecord(number, 'short'));
    if (store.journal.compactable()) await removeOldest(store);
    await store.journal.close();
  }
  const segments = [...disk.files().keys()].filter((path) => path.endsWith('.log'));
  assert(segments.length < 20, `${segments.length} segments`);
  assert.equal((await openStore({ disk: disk.process() })).model.messages.size, 60);
});

test('a full segment is closed by the sync that covers it, and all are closed in the end', async () => {
  const process = new CrashDisk('/home').process();
  const store = await openStore({ disk: process, limits: tinyLimits });
  for (let number = 1; number <= 10; number++) append(store, postedRecord(number, 'x'));
  assert.equal(process.openFiles, 11);
  await store.journal.sync();
  assert.equal(process.openFiles, 1);
  await store.journal.close();
  assert.equal(process.openFiles, 0);
});

test('the next owner ends the one before it', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process() });
  assert.equal(first.journal.stillOwner(), true);
  const second = await openStore({ disk: disk.process() });
  assert.equal(first.journal.stillOwner(), false);
  assert.equal(second.journal.stillOwner(), true);

  append(first, postedRecord(1, 'too late'));
  await first.journal.sync();
  assert.equal((await openStore({ disk: disk.process() })).model.messages.size, 0);
});

test('of two that open at once at most one owns', async () => {
  const disk = new CrashDisk('/home');
  const both = await Promise.allSettled([
    openStore({ disk: disk.process() }),
    openStore({ disk: disk.process() }),
  ]);
  const owners = both.filter((one) => one.status === 'fulfilled' && one.value.journal.stillOwner());
  assert.equal(owners.length, 1);
  for (const one of both) {
    if (one.status === 'rejected') assert.equal(one.reason.code, 'no_broker');
  }
});

test('an owner whose folder is gone is no owner', async (context) => {
  const folder = await realFolder(context);
  const store = await openStore({ folder });
  rmSync(folder, { recursive: true });
  assert.equal(store.journal.stillOwner(), false);
  await store.journal.close();
});

test('a folder that cannot be made is home_unusable', async (context) => {
  const folder = await realFolder(context);
  await assert.rejects(openStore({ folder: join(folder, 'missing/broker-1') }), {
    code: 'home_unusable',
  });
});

test('a write, or a sync, that fails ends the journal; the next owner finds what was synced', async () => {
  for (let after = 1; after <= 6; after++) {
    const disk = new CrashDisk('/home');
    const process = disk.process();
    const store = await openStore({ disk: process, limits: tinyLimits });
    append(store, postedRecord(1, 'synced'));
    await store.journal.sync();
    process.failAt = process.calls.length + after;
    const failing = async () => {
      append(store, postedRecord(2, 'in doubt'));
      await store.journal.sync();
    };
    await assert.rejects(failing, { code: 'storage_failed' });
    process.failAt = Number.POSITIVE_INFINITY;
    assert.throws(() => store.journal.append([postedRecord(3, 'x')]), { code: 'storage_failed' });
    await assert.rejects(store.journal.sync(), { code: 'storage_failed' });
    await store.journal.close();
    assert.equal(process.openFiles, 0);
    disk.losePower(new Random(after));
    const next = await openStore({ disk: disk.process() });
    assert.equal(next.journal.body(1).toString(), 'synced');
    assert.equal(next.model.messages.has(3), false);
  }
});

test('a write that takes only a part ends the journal', async () => {
  const process = new CrashDisk('/home').process();
  const create = process.create.bind(process);
  let short = false;
  process.create = (path): DiskFile => {
    const file = create(path);
    const write = file.write.bind(file);
    file.write = (buffers, offset) => write(buffers, offset) - (short ? 1 : 0);
    return file;
  };
  const store = await openStore({ disk: process });
  short = true;
  assert.throws(() => append(store, postedRecord(1, 'x')), { code: 'storage_failed' });
  short = false;
  assert.throws(() => append(store, postedRecord(2, 'x')), { code: 'storage_failed' });
});

test('a body that is not in memory comes from the disk, checked', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits: { bodyCacheBytesMax: 10 } });
  append(store, postedRecord(1, 'on disk only'));
  assert.equal(store.journal.body(1).toString(), 'on disk only');
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const bytes = disk.files().get(path);
  assert(bytes);
  bytes[bytes.indexOf('only')] = 0;
  disk.tamper(path, bytes);
  assert.throws(() => store.journal.body(1), { code: 'storage_failed' });
});

test('an owner that dies at any step of opening, with or without the power, leaves a store that opens', async () => {
  const before = new CrashDisk('/home');
  const limits = { segmentBytesMax: 500, segmentReserveBytes: 100 };
  const first = await openStore({ disk: before.process(), limits });
  for (let number = 1; number <= 5; number++) append(first, postedRecord(number, 'x'.repeat(90)));
  await first.journal.sync();
  append(first, { kind: 'settled', numbers: [2] });
  await first.journal.sync();
  const expected = first.model.state();

  let steps = 0;
  for (let opened = false; !opened; ) {
    steps++;
    for (let power = 0; power < 12; power++) {
      const disk = before.clone();
      // First: killed. Then: a power loss, which also takes marks that were not synced.
      if (power > 3) disk.losePower(new Random(power));
      const process = disk.process();
      process.dieAt = steps;
      opened = await openStore({ disk: process, limits }).then(
        () => true,
        () => false,
      );
      process.kill();
      if (power > 0) disk.losePower(new Random(steps * 100 + power));
      const next = await openStore({ disk: disk.process(), limits });
      assert.equal(next.model.state(), expected, `step ${steps}, power ${power}`);
    }
  }
  assert(steps > 20, `only ${steps} steps`);
});

test('an owner that dies at any step of a removal, with or without the power, loses no message', async () => {
  const limits = { ...tinyLimits, segmentGrowthBytes: 1 };
  let steps = 0;
  for (let removed = false; !removed; steps++) {
    for (let power = 0; power < 60; power++) {
      const disk = new CrashDisk('/home');
      const process = disk.process();
      const store = await openStore({ disk: process, limits });
      append(store, postedRecord(1, 'lives'));
      append(store, postedRecord(2, 'dies'), { kind: 'settled', numbers: [2] });
      await store.journal.sync();
      const expected = store.model.state();
      assert.deepEqual(store.journal.compactable(), [1]);

      process.dieAt = process.calls.length + 1 + steps;
      removed = await removeOldest(store).then(
        () => true,
        () => false,
      );
      process.kill();
      if (power > 0) disk.losePower(new Random(steps * 100 + power));
      const next = await openStore({ disk: disk.process(), limits });
      assert.equal(next.model.state(), expected, `step ${steps}, power ${power}`);
    }
  }
  assert(steps > 15, `only ${steps} steps`);
});
