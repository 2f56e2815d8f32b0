import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type DiskFile, isSameFolder, realDisk } from '../../../src/journal/disk.ts';
import { listEpochs, readOwner } from '../../../src/journal/paths.ts';
import { storeId } from '../../../src/journal/recovery.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { JournalModel, postedRecord, testSession } from '../../support/disk/journal-model.ts';
import {
  append,
  type OpenStore,
  openStore,
  removeCopied,
  removeOldest,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { Random } from '../../support/random.ts';

async function realFolder(context: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'ipc-journal-'));
  context.after(() => rm(home, { recursive: true, force: true }));
  return join(home, 'broker-1');
}

/** Every segment is full after one record, and compaction is always due. */
const tinyLimits = { segmentBytesMax: 1, logBytesCompact: 0, segmentReserveBytes: 1 };

test('the next owner finds what was posted, with its body, in files that only the user can read', async (context) => {
  const folder = await realFolder(context);
  const umask = process.umask(0);
  context.after(() => process.umask(umask));

  const first = await openStore({ folder });
  append(first, postedRecord(1, 'hello'), postedRecord(2, 'x'.repeat(1_048_576)));
  await first.journal.close();

  const second = await openStore({ folder });
  assert.equal(second.model.state(), first.model.state());
  assert.equal(second.journal.body(1)?.toString(), 'hello');
  assert.equal(second.journal.body(2)?.length, 1_048_576);
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

test('a segment is preallocated with zeros, and grows in whole steps', async (context) => {
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

test('a body can be read, and its number is taken, as soon as something may leave for its record', async () => {
  const store = await openStore({ disk: new CrashDisk('/home').process() });
  const seen: unknown[] = [];
  const onInPlace = () => {
    seen.push(store.journal.nextNumber, store.journal.body(1)?.toString());
  };
  store.journal.append([postedRecord(1, 'one')], { onInPlace });
  store.journal.append([], { onInPlace });
  assert.deepEqual(seen, [2, 'one', 2, 'one']);
});

test('the next segment begins before anything leaves: what that changes is not in its snapshot', async () => {
  const model = new JournalModel();
  const steps: string[] = [];
  const { journal } = await openStore({
    disk: new CrashDisk('/home').process(),
    limits: tinyLimits,
    snapshot: () => {
      steps.push('snapshot');
      return model.head();
    },
  });
  steps.length = 0;
  journal.append([postedRecord(1, 'one')], { onInPlace: () => steps.push('left') });
  assert.deepEqual(steps, ['snapshot', 'left']);
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

test('the oldest segment is removed, and its live messages are not', async () => {
  const disk = new CrashDisk('/home');
  const limits = { ...tinyLimits, bodyCacheBytesMax: 0 };
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1, 'lives'));
  append(store, postedRecord(2, 'dies'));
  append(store, { kind: 'settled', numbers: [2] });
  for (let removed = 0; removed < 4; removed++) await removeOldest(store);
  assert.equal(store.journal.body(1)?.toString(), 'lives');
  assert.equal(disk.files().has(`${storeFolder}/epochs/00000001/seg-000001.log`), false);
  await store.journal.close();

  const next = await openStore({ disk: disk.process() });
  assert.equal(next.model.state(), store.model.state());
  assert.equal(next.journal.body(1)?.toString(), 'lives');
});

test('a snapshot larger than a segment does not end the segment; the records behind it do', async () => {
  const disk = new CrashDisk('/home');
  const segments = () => [...disk.files().keys()].filter((path) => path.endsWith('.log')).length;
  const limits = { segmentBytesMax: 5_000, segmentReserveBytes: 1 };
  const store = await openStore({ disk: disk.process(), limits });
  const numbers = Array.from({ length: 1_000 }, (_, index) => [index + 1, index + 1] as const);
  append(store, { kind: 'session', session: testSession, ackedUpTo: 0, numbers });
  assert.equal(segments(), 2, 'the record is larger than a segment');
  for (let number = 2_001; number <= 2_010; number++) append(store, postedRecord(number, 'short'));
  assert.equal(segments(), 2);
  append(store, postedRecord(2_011, 'x'.repeat(5_000)));
  assert.equal(segments(), 3);
  await store.journal.close();

  const next = await openStore({ disk: disk.process(), limits });
  append(next, postedRecord(2_012, 'short'), postedRecord(2_013, 'short'));
  append(next, postedRecord(2_014, 'short'));
  assert.equal(segments(), 4);
  assert.equal(next.model.state().split('\n').length, 15);
});

test('nothing is compacted while half of the log is live, and the current segment never is', async () => {
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
  const limits = { segmentsCompact: 4, segmentsMerge: 8, segmentReserveBytes: 1 };
  for (let number = 1; number <= 60; number++) {
    const store = await openStore({ disk: disk.process(), limits });
    append(store, postedRecord(number, 'short'));
    if (store.journal.compactable()) await removeOldest(store);
    await store.journal.close();
  }
  const segments = [...disk.files().keys()].filter((path) => path.includes('/seg-'));
  assert(segments.length < 20, `${segments.length} segments`);
  assert.equal((await openStore({ disk: disk.process() })).model.messages.size, 60);
});

/** A session that opens the store, posts once, and closes it. */
async function postOnce(disk: CrashDisk, number: number, bytes: number, limits: object) {
  const process = disk.process();
  const create = process.create.bind(process);
  let written = 0;
  process.create = (path): DiskFile => {
    const file = create(path);
    const write = file.write.bind(file);
    file.write = (buffers, offset) => {
      written += buffers.reduce((sum, buffer) => sum + buffer.length, 0);
      return write(buffers, offset);
    };
    return file;
  };
  const history = { bytesMax: 0, ageMsMax: 0 };
  const store = await openStore({ disk: process, limits, history });
  append(store, postedRecord(number, 'x'.repeat(bytes)));
  await store.journal.sync();
  if (store.journal.compactable()) await removeOldest(store);
  await store.journal.close();
  return { written, epochs: listEpochs(disk.process(), storeFolder).length };
}

test('an owner that finds more than twelve small segments writes them again as one', async () => {
  const disk = new CrashDisk('/home');
  const epochs: number[] = [];
  for (let number = 1; number <= 15; number++) {
    epochs.push((await postOnce(disk, number, 100, { segmentReserveBytes: 1 })).epochs);
  }
  assert.deepEqual(epochs.slice(11), [12, 13, 1, 2]);
});

test('one-shot posts that are never read leave few segments, and each is copied only a few times', async () => {
  const disk = new CrashDisk('/home');
  const limits = {
    segmentsCompact: 4,
    segmentsMerge: 8,
    segmentBytesMax: 64_000,
    segmentReserveBytes: 1,
    segmentGrowthBytes: 1,
  };
  let written = 0;
  for (let number = 1; number <= 150; number++) {
    const post = await postOnce(disk, number, 2_000, limits);
    // Segments of at least 32,000 bytes, and the small ones.
    assert(post.epochs <= 10 + (number * 2_000) / 32_000, `${post.epochs} epochs at ${number}`);
    assert(post.written < 2 * 64_000 + 20_000, `${post.written} bytes at ${number}`);
    written += post.written;
  }
  // Doubling from 2,000 to 32,000 bytes means five copies; the rest is prologues.
  assert(written < 8 * 150 * 2_000, `${written} bytes`);
  const { model } = await openStore({ disk: disk.process(), limits });
  assert.equal(model.messages.size, 150);
});

test('records that an opening carried over stay in effect, holds, moves and settles included', async () => {
  const disk = new CrashDisk('/home');
  const limits = {
    segmentsCompact: 2,
    segmentsMerge: 4,
    segmentReserveBytes: 1,
    bodyCacheBytesMax: 0,
  };
  let state = '';
  for (let number = 1; number <= 40; number++) {
    const store = await openStore({ disk: disk.process(), limits });
    assert.equal(store.model.state(), state);
    append(store, postedRecord(number, `${number}`.repeat(300)));
    const attempt = number;
    if (number % 3 === 0) append(store, { kind: 'settled', numbers: [number - 1] });
    if (number % 4 === 0) append(store, postedRecord(number + 1_000, 'x', { settles: [number] }));
    const holder = '0123456789abcdef' as never;
    if (number % 5 === 0) append(store, { kind: 'offered', number: number - 4, holder, attempt });
    if (number % 7 === 0) {
      append(store, { kind: 'moved', number: number - 1, mailbox: 'C' as never, attempt });
    }
    for (const [message, { posted }] of store.model.messages) {
      assert.deepEqual(store.journal.body(message), posted.body);
    }
    state = store.model.state();
    await store.journal.close();
  }
  assert(listEpochs(disk.process(), storeFolder).length <= 6);
});

test('an owner that dies at any step of an opening that merges small segments loses nothing', async () => {
  const before = new CrashDisk('/home');
  const limits = {
    segmentsCompact: 2,
    segmentsMerge: 4,
    segmentReserveBytes: 1,
    segmentGrowthBytes: 1,
  };
  const many = { ...limits, segmentsCompact: 100, segmentsMerge: 200 };
  let expected = '';
  for (let number = 1; number <= 7; number++) {
    const store = await openStore({ disk: before.process(), limits: many });
    append(
      store,
      postedRecord(number, 'x'.repeat(50), { settles: number % 3 ? [] : [number - 2] }),
    );
    expected = store.model.state();
    await store.journal.close();
  }
  let steps = 0;
  for (let opened = false; !opened; ) {
    steps++;
    for (let power = 0; power < 12; power++) {
      const disk = before.clone();
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
      await next.journal.close();
      assert.equal(listEpochs(disk.process(), storeFolder).length <= 3, true);
    }
  }
  assert(steps > 40, `only ${steps} steps`);
});

test('an opening that fails at any step leaves no file open, and no epoch unless a successor may have read it', async () => {
  const before = new CrashDisk('/home');
  const limits = { segmentReserveBytes: 100 };
  const first = await openStore({ disk: before.process(), limits });
  append(first, postedRecord(1, 'one'));
  await first.journal.close();
  const expected = first.model.state();
  let leftEpochs = 0;
  for (let step = 1, opened = false; !opened; step++) {
    const disk = before.clone();
    const process = disk.process();
    process.failAt = step;
    const result = await openStore({ disk: process, limits }).catch((error) => error);
    opened = 'journal' in result;
    if (opened) break;
    assert.match(result.code, /^(home_unusable|storage_failed)$/);
    assert.equal(process.openFiles, 0, `step ${step}`);
    const synced = process.calls.some((call) => call.startsWith('sync /'));
    // The sync of the folder may fail before that of the segment begins, but not before the prologue is written.
    const wrote = process.calls.filter((call) => call.startsWith('write ')).length === 2;
    const whole = wrote && !process.calls.at(step - 1)?.startsWith('write ');
    const epochs = listEpochs(disk.process(), storeFolder).length;
    // A folder that it cannot recognise as its own is left alone.
    const unknown = !process.calls.some((call) => call.startsWith('writeNote '));
    const made = process.calls.includes(`identity ${storeFolder}/epochs/00000002`);
    const left = whole || synced || (unknown && made);
    assert.equal(epochs, left ? 2 : 1, `step ${step}: ${process.calls[step - 1]}`);
    leftEpochs += epochs - 1;
    const next = await openStore({ disk: disk.process(), limits });
    assert.equal(next.model.state(), expected, `step ${step}`);
    await next.journal.close();
  }
  assert(leftEpochs > 0);
});

test('a disk that is full for a while is not filled with attempts to open', async () => {
  const disk = new CrashDisk('/home');
  await (await openStore({ disk: disk.process() })).journal.close();
  for (let attempt = 0; attempt < 10; attempt++) {
    const process = disk.process();
    const create = process.create.bind(process);
    // The disk takes what fits, which is enough for the records, but not for the zeros.
    process.create = (path): DiskFile => {
      const file = create(path);
      const write = file.write.bind(file);
      file.write = (buffers, offset) => {
        const fits = Buffer.concat(buffers).subarray(0, Math.max(0, 4_096 - offset));
        return write([fits], offset);
      };
      return file;
    };
    await assert.rejects(openStore({ disk: process }), { code: 'storage_failed' });
    assert.equal(process.openFiles, 0);
  }
  assert.deepEqual(listEpochs(disk.process(), storeFolder), [1]);
});

test('an append at the moment when a sync ends is not lost', async () => {
  const process = new CrashDisk('/home').process();
  const create = process.create.bind(process);
  let atMark = () => {};
  process.create = (path): DiskFile => {
    const file = create(path);
    const write = file.write.bind(file);
    file.write = (buffers, offset) => {
      queueMicrotask(atMark);
      return write(buffers, offset);
    };
    return file;
  };
  const store = await openStore({ disk: process, limits: { bodyCacheBytesMax: 0 } });
  append(store, postedRecord(1, 'one'));
  atMark = () => {
    atMark = () => {};
    append(store, postedRecord(2, 'two'));
  };
  await store.journal.sync();
  assert.equal(store.journal.body(2)?.toString(), 'two');
});

test('an owner note that cannot be read counts as missing', async (context) => {
  const folder = await realFolder(context);
  assert.equal(readOwner(folder), undefined);
  mkdirSync(join(folder, 'epochs/00000001/owner.json'), { recursive: true });
  assert.equal(readOwner(folder), undefined);
  assert.equal(readOwner(join(folder, 'epochs/00000001/owner.json')), undefined);
  assert.equal(readOwner('/dev/null'), undefined);
});

test('an owner that gives up closes its files without a sync or a sync point, even if closing fails', async () => {
  const disk = new CrashDisk('/home');
  const process = disk.process();
  const store = await openStore({ disk: process, limits: tinyLimits });
  for (let number = 1; number <= 3; number++) append(store, postedRecord(number, 'x'));
  const calls = process.calls.length;
  store.journal.abandon();
  store.journal.abandon();
  assert.equal(process.openFiles, 0);
  assert(process.calls.slice(calls).every((call) => call.startsWith('close ')));
  assert.throws(() => store.journal.append([postedRecord(4, 'x')]), { code: 'closed' });
  await assert.rejects(store.journal.sync(), { code: 'closed' });
  await store.journal.close();

  const other = disk.process();
  const dying = await openStore({ disk: other });
  other.kill();
  dying.journal.abandon();
});

test('an owner that gives up while a sync runs closes its files after it, without a sync point', async () => {
  const process = new CrashDisk('/home').process();
  const store = await openStore({ disk: process });
  append(store, postedRecord(1, 'one'));
  const running = store.journal.sync();
  const calls = process.calls.length;
  store.journal.abandon();
  assert.equal(process.openFiles, 1);
  await assert.rejects(running, { code: 'closed' });
  assert.equal(process.openFiles, 0);
  assert.deepEqual(
    process.calls.slice(calls).map((call) => call.split(' ')[0]),
    ['close'],
  );
});

test('the bodies of a segment take few reads, and each is checked', async () => {
  const disk = new CrashDisk('/home');
  const process = disk.process();
  const store = await openStore({ disk: process, limits: { bodyCacheBytesMax: 0 } });
  const numbers = Array.from({ length: 1_000 }, (_, index) => index + 1);
  append(store, ...numbers.map((number) => postedRecord(number, `body ${number}`)));
  const calls = process.calls.length;
  const bodies = store.journal.bodies(numbers).map(String);
  assert.deepEqual(
    bodies,
    numbers.map((number) => `body ${number}`),
  );
  assert.equal(process.calls.length - calls, 1);
  assert.deepEqual(store.journal.bodies([7, 3, 7, 900]).map(String), [
    'body 7',
    'body 3',
    'body 7',
    'body 900',
  ]);
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const bytes = disk.files().get(path);
  assert(bytes);
  bytes[bytes.indexOf('body 500')] = 0;
  disk.tamper(path, bytes);
  assert.equal(String(store.journal.bodies([499, 501])[1]), 'body 501');
  assert.deepEqual(store.journal.bodies([499, 500, 501]).map(String), [
    'body 499',
    'undefined',
    'body 501',
  ]);
  assert.deepEqual(store.journal.warnings().slice(0, 1), [
    'segment 1 of epoch 1: the body of message #500 is damaged',
  ]);
});

/** Copies like a broker: in parts, with other records between them. */
async function copyInParts(store: OpenStore, between: (part: number) => Promise<void>) {
  const { journal, model } = store;
  const numbers = journal.compactable();
  assert(numbers);
  for (let begin = 0; begin < numbers.length; begin += 3) {
    const live = numbers.slice(begin, begin + 3).filter((number) => model.messages.has(number));
    const bodies = journal.bodies(live);
    append(
      store,
      ...live.map((number, at) => ({ ...model.copyOf(number), body: bodies[at] as never })),
    );
    await between(begin / 3);
  }
}

test('the oldest segment is copied in parts, while posts, settles, syncs and new segments go on', async () => {
  const disk = new CrashDisk('/home');
  const limits = {
    segmentBytesMax: 2_000,
    logBytesCompact: 0,
    segmentReserveBytes: 1,
    bodyCacheBytesMax: 0,
  };
  const store = await openStore({ disk: disk.process(), limits });
  for (let number = 1; number <= 12; number++)
    append(store, postedRecord(number, `body ${number}`));
  append(store, postedRecord(13, 'x'.repeat(9_000)), { kind: 'settled', numbers: [13] });
  await store.journal.sync();
  const oldest = store.journal.compactable();
  assert(oldest && oldest.length >= 8, `${oldest}`);

  let running: Promise<void> | undefined;
  await copyInParts(store, async (part) => {
    append(store, postedRecord(100 + part, 'y'.repeat(900)));
    // One that was copied, one that is still to be copied, one that was just posted.
    append(store, { kind: 'settled', numbers: [1 + part * 3, 6 + part * 3, 100 + part] });
    await running;
    running = store.journal.sync();
  });
  await running;
  await removeCopied(store.journal);
  for (const [number, { posted }] of store.model.messages) {
    assert.deepEqual(store.journal.body(number), posted.body);
  }
  await store.journal.close();
  const next = await openStore({ disk: disk.process(), limits });
  assert.equal(next.model.state(), store.model.state());
  assert.equal(disk.files().has(`${storeFolder}/epochs/00000001/seg-000001.log`), false);
});

test('the folders of epochs in which nothing counts are removed, and a replaced owner still finds out that it is replaced', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process() });
  append(first, postedRecord(1, 'lives'));
  await first.journal.sync();
  for (let count = 0; count < 10; count++) {
    const next = await openStore({
      disk: disk.process(),
      limits: { segmentsCompact: 3, segmentsMerge: 6 },
    });
    assert.equal(first.journal.passesFencing(), false);
    await next.journal.close();
  }
  assert(listEpochs(disk.process(), storeFolder).length <= 7);

  const process = disk.process();
  const last = await openStore({ disk: process });
  const path = `${storeFolder}/epochs/${String(last.journal.epoch + 1).padStart(8, '0')}`;
  process.makeFolder(path);
  process.makeFolder(`${storeFolder}/epochs/${String(last.journal.epoch + 2).padStart(8, '0')}`);
  process.removeFolder(path);
  assert.equal(last.journal.passesFencing(), false);
});

test('a full segment is closed by the sync that covers it, and all are closed at the end', async () => {
  const process = new CrashDisk('/home').process();
  const store = await openStore({ disk: process, limits: tinyLimits });
  for (let number = 1; number <= 10; number++) append(store, postedRecord(number, 'x'));
  assert.equal(process.openFiles, 11);
  await store.journal.sync();
  assert.equal(process.openFiles, 1);
  await store.journal.close();
  assert.equal(process.openFiles, 0);
});

test('a new owner fences off the one before it', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process() });
  assert.equal(first.journal.passesFencing(), true);
  const second = await openStore({ disk: disk.process() });
  assert.equal(first.journal.passesFencing(), false);
  assert.equal(second.journal.passesFencing(), true);

  append(first, postedRecord(1, 'too late'));
  await first.journal.sync();
  assert.equal((await openStore({ disk: disk.process() })).model.messages.size, 0);
});

test('of two processes that open a store at once, at most one owns it', async () => {
  const disk = new CrashDisk('/home');
  const both = await Promise.allSettled([
    openStore({ disk: disk.process() }),
    openStore({ disk: disk.process() }),
  ]);
  const owners = both.filter(
    (one) => one.status === 'fulfilled' && one.value.journal.passesFencing(),
  );
  assert.equal(owners.length, 1);
  for (const one of both) {
    if (one.status === 'rejected') assert.equal(one.reason.code, 'no_broker');
  }
});

test('an owner whose folder is gone is not the owner any more', async (context) => {
  const folder = await realFolder(context);
  const store = await openStore({ folder });
  rmSync(folder, { recursive: true });
  assert.equal(store.journal.passesFencing(), false);
  await store.journal.close();
});

test('an owner whose epoch folder was removed and created anew is not the owner any more, though the inode is the same', async () => {
  const disk = new CrashDisk('/home');
  const [own, other] = [disk.process(), disk.process()];
  const store = await openStore({ disk: own });
  const path = `${storeFolder}/epochs/00000001`;
  const before = own.identity(path);
  for (const name of other.list(path)) other.removeFile(`${path}/${name}`);
  other.removeFolder(path);
  other.makeFolder(path);
  assert.equal(own.identity(path)?.inode, before?.inode);
  assert.equal(store.journal.passesFencing(), false);
});

test('a folder of the real disk keeps its identity while files are created in it, and has another one once it is created anew', async (context) => {
  const folder = await realFolder(context);
  const identity = () => {
    const found = realDisk.identity(folder);
    assert(found);
    return found;
  };
  /** Creates files in it until the file system's clock has moved on; false if it has no times of birth. */
  const change = () => {
    for (let count = 0; count < 10_000; count++) {
      writeFileSync(join(folder, 'file'), `${count}`);
      rmSync(join(folder, 'file'));
      if (identity().changedNs !== identity().bornNs) return identity().bornNs !== 0n;
    }
    return false;
  };
  mkdirSync(folder);
  const before = identity();
  const knowsBirth = change();
  assert.equal(isSameFolder(before, identity()), true);
  rmdirSync(folder);
  mkdirSync(folder);
  change();
  if (!knowsBirth) return context.skip('the file system keeps no time of birth');
  assert.equal(isSameFolder(before, identity()), false);
});

test('a time of birth that is only the time of the last change does not change the identity of a folder', () => {
  const before = { inode: 7n, bornNs: 1_000n, changedNs: 1_000n };
  assert.equal(isSameFolder(before, { inode: 7n, bornNs: 2_000n, changedNs: 2_000n }), true);
  assert.equal(isSameFolder(before, { inode: 7n, bornNs: 1_500n, changedNs: 2_000n }), false);
  assert.equal(isSameFolder(before, { inode: 8n, bornNs: 1_000n, changedNs: 1_000n }), false);
});

test('a disk that cannot list the epochs is storage_failed', async () => {
  const process = new CrashDisk('/home').process();
  const { journal } = await openStore({ disk: process });
  process.failAt = process.calls.length + 1;
  assert.throws(() => journal.passesFencing(), { code: 'storage_failed' });
  process.failAt = process.calls.length + 1;
  assert.throws(() => journal.lost(), { code: 'storage_failed' });
});

test('a file that cannot be closed at the end is storage_failed', async () => {
  const process = new CrashDisk('/home').process();
  const { journal } = await openStore({ disk: process });
  // There is nothing to sync, and the note is written first.
  process.failAt = process.calls.length + 2;
  await assert.rejects(journal.close(), { code: 'storage_failed' });
  assert.match(process.calls.at(-1) ?? '', /^close /);
});

test('a replaced owner does not take files that its successor removed for corruption', async () => {
  const disk = new CrashDisk('/home');
  const limits = { ...tinyLimits, bodyCacheBytesMax: 0 };
  const first = await openStore({ disk: disk.process(), limits });
  append(first, postedRecord(1, 'x'));
  await first.journal.sync();
  const second = await openStore({ disk: disk.process(), limits });
  await removeOldest(second);
  await removeOldest(second);
  assert.throws(() => first.journal.body(1), { code: 'owner_replaced' });
  assert.equal(second.journal.body(1)?.toString(), 'x');
  const third = await openStore({ disk: disk.process(), limits });
  assert.deepEqual(third.journal.warnings(), []);
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
    assert.equal(next.journal.body(1)?.toString(), 'synced');
    assert.equal(next.model.messages.has(3), false);
  }
});

test('a partial write that cannot be completed ends the journal', async () => {
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

test('a body that is not in memory is read from the disk, and checked', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits: { bodyCacheBytesMax: 10 } });
  append(store, postedRecord(1, 'on disk only'), postedRecord(2, 'damaged there'));
  assert.equal(store.journal.body(1)?.toString(), 'on disk only');
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const bytes = disk.files().get(path);
  assert(bytes);
  bytes[bytes.indexOf('damaged')] = 0;
  disk.tamper(path, bytes);
  assert.equal(store.journal.body(2), undefined);
  assert.equal(store.journal.damagedMessages, 1);
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
      // First a kill, then power losses, which also take sync points that were not synced.
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
