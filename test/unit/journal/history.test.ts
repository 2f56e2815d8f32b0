// What is kept of segments that the log does not need any more.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { History } from '../../../src/journal/history.ts';
import { checkHistory } from '../../../src/journal/history-check.ts';
import { type HistoryBound, packRun } from '../../../src/journal/history-limits.ts';
import { limitsDefault } from '../../../src/journal/journal-options.ts';
import { listSegments } from '../../../src/journal/paths.ts';
import type { SegmentId } from '../../../src/journal/record-framing.ts';
import { readEvents } from '../../../src/journal/store-reader.ts';
import type { Name } from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, settledRecord as settled } from '../../support/disk/journal-model.ts';
import {
  append,
  leaveLog,
  smallLimits as limits,
  type OpenStore,
  openStore,
  removeOldest,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { eventInBrief, readPast } from '../../support/disk/past.ts';
import { toldRecords } from '../../support/disk/told-records.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { Random } from '../../support/random.ts';

const day = 86_400_000;
const month: HistoryBound = { bytesMax: 1_000_000, ageMsMax: 30 * day };

function historyOf(disk: CrashDisk): string[] {
  const path = `${storeFolder}/history/`;
  const files = [...disk.files().keys()].filter((file) => file.startsWith(path));
  return files.map((file) => file.slice(path.length)).sort();
}

function historyBytes(disk: CrashDisk): number {
  const files = [...disk.files()].filter(([file]) => file.startsWith(`${storeFolder}/history/`));
  return files.reduce((sum, [, bytes]) => sum + bytes.length, 0);
}

/** What the store tells: for each record its number, and the body of a post or the numbers that it settles. */
async function told(disk: CrashDisk): Promise<string[]> {
  const records = await toldRecords(disk.process(), storeFolder);
  return records.map(({ sequence, record }) => `${sequence} ${describe(record)}`);
}

function describe(record: JournalRecord | undefined): string {
  if (record?.kind === 'posted') return `${record.body}`;
  return record?.kind === 'settled' ? `-${record.numbers}` : `${record?.kind}`;
}

/** A session that opens the store, posts, settles the message before, and closes it. */
async function postOnce(disk: CrashDisk, number: number, options = {}): Promise<OpenStore> {
  const store = await openStore({ disk: disk.process(), limits, history: month, ...options });
  append(store, postedRecord(number, `body ${number}`));
  if (number > 1) append(store, settled(number - 1));
  await store.journal.close();
  return store;
}

test('a segment that is removed from the log is history, in a folder and a file that only the user can read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ipc-'));
  const small = { ...limits, segmentBytesMax: 100 };
  const store = await openStore({ folder, limits: small, history: month });
  append(store, postedRecord(1, 'x'.repeat(300)));
  append(store, settled(1));
  await removeOldest(store);
  assert.deepEqual(readdirSync(join(folder, 'history')), ['00000001-000001.log']);
  assert.deepEqual(readdirSync(join(folder, 'epochs/00000001')).sort(), [
    'owner.json',
    'seg-000002.log',
  ]);
  assert.equal(statSync(join(folder, 'history')).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, 'history/00000001-000001.log')).mode & 0o777, 0o600);
  await store.journal.close();
});

test('hundreds of one-shot owners leave few files, and the life of each message is told once', async () => {
  const disk = new CrashDisk('/home');
  const expected: string[] = [];
  let sequence = 0;
  for (let number = 1; number <= 300; number++) {
    await postOnce(disk, number);
    expected.push(`${++sequence} body ${number}`);
    if (number > 1) expected.push(`${++sequence} -${number - 1}`);
    assert(historyOf(disk).length <= 16, `${historyOf(disk)}`);
  }
  assert.deepEqual(await told(disk), expected);
  assert(historyBytes(disk) < 60_000, `${historyBytes(disk)} bytes`);
});

test('an owner that dies at any step of moving and packing history, with or without the power, loses none of it', async () => {
  const prepared = new CrashDisk('/home');
  const expected: string[] = [];
  let sequence = 0;
  for (let number = 1; number <= 23; number++) {
    await postOnce(prepared, number);
    expected.push(`${++sequence} body ${number}`);
    if (number > 1) expected.push(`${++sequence} -${number - 1}`);
  }
  const random = new Random(1);
  const packed = new Set<string>();
  for (let step = 1, isDone = false; !isDone; step++) {
    for (const isPower of [false, true, true, true]) {
      const disk = prepared.clone();
      const process = disk.process();
      process.dieAt = step;
      const options = { disk: process, limits, history: month };
      await openStore(options)
        .then(({ journal }) => journal.close())
        .catch(() => {});
      isDone = !process.dead;
      if (isPower) disk.losePower(random);
      packed.add(historyOf(disk).join());
      assert.deepEqual(await told(disk), expected, `step ${step}`);
      // The next owner completes what is left to do.
      await postOnce(disk, 24);
      const more = [`${sequence + 1} body 24`, `${sequence + 2} -23`];
      assert.deepEqual(await told(disk), [...expected, ...more], `behind step ${step}`);
    }
  }
  assert(packed.size > 5, [...packed].join('\n'));
});

/** At each step of its opening an owner dies that merges all segments if there are more than `segmentsMerge`. */
async function dieAtEachStep(
  prepared: CrashDisk,
  segmentsMerge: number,
  check: (disk: CrashDisk, step: number) => Promise<void>,
): Promise<void> {
  for (let step = 1, isDone = false; !isDone; step++) {
    const disk = prepared.clone();
    const process = disk.process();
    process.dieAt = step;
    const options = { disk: process, limits: { ...limits, segmentsMerge }, history: month };
    await openStore(options).catch(() => {});
    isDone = !process.dead;
    await check(disk, step);
  }
}

interface CarriedOptions {
  readonly carried?: readonly JournalRecord[];
  readonly runtime?: typeof systemRuntime;
}

/** A store whose second owner has carried over `carried`, which is nowhere else by now; record 1 is durable. */
async function carriedStore(
  later: (store: OpenStore) => Promise<void> | void,
  { carried = [postedRecord(2, 'carried')], ...options }: CarriedOptions = {},
): Promise<CrashDisk> {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process(), limits, history: month });
  append(first, postedRecord(1, 'durable'));
  await first.journal.sync();
  const segment = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const durableBytes = disk.files().get(segment)?.length;
  append(first, ...carried);
  await later(await openStore({ disk: disk.process(), limits, history: month, ...options }));
  disk.tamper(segment, disk.files().get(segment)?.subarray(0, durableBytes));
  return disk;
}

test('records that an owner carried over are told if it wrote none itself, wherever its successor dies', async () => {
  const carried = [postedRecord(2, 'carried'), settled(2)];
  const prepared = await carriedStore(() => {}, { carried });
  for (const segmentsMerge of [1, 4]) {
    await dieAtEachStep(prepared, segmentsMerge, async (disk, step) => {
      await postOnce(disk, 3);
      const expected = ['1 durable', '2 carried', '3 -2', '4 body 3', '5 -2'];
      assert.deepEqual(await told(disk), expected, `step ${step}, merging ${segmentsMerge}`);
    });
  }
});

test('a prologue that a power loss tore is not told, wherever the owner dies that finds it', async () => {
  const prepared = await carriedStore(() => {});
  const path = `${storeFolder}/epochs/00000002/seg-000001.log`;
  const bytes = prepared.files().get(path) ?? assert.fail();
  const bodyAt = bytes.indexOf('carried');
  const record = bytes.lastIndexOf(Buffer.from('ff4a', 'hex'), bodyAt);
  const stamp = bytes.lastIndexOf(Buffer.from('ff4a', 'hex'), record - 1);
  const torn = bytes.fill(0, stamp, record).subarray(0, bodyAt + 'carried'.length);
  prepared.tamper(path, torn);
  prepared.tamper(`${storeFolder}/epochs/00000002/owner.json`, undefined);
  const events = async (disk: CrashDisk): Promise<string[]> => {
    const past = await readPast(storeFolder, { disk: disk.process() });
    return past.events.map(eventInBrief);
  };
  for (const segmentsMerge of [1, 4]) {
    await dieAtEachStep(prepared, segmentsMerge, async (disk, step) => {
      assert.deepEqual(await events(disk), ['stored #1 durable'], `step ${step}`);
      await openStore({ disk: disk.process(), limits, history: month });
      assert.deepEqual(await events(disk), ['stored #1 durable'], `behind step ${step}`);
    });
  }
});

/** At each step of merging an owner dies; then there is a power loss. */
async function dieMerging(prepared: CrashDisk, expected: readonly string[]): Promise<void> {
  const random = new Random(1);
  await dieAtEachStep(prepared, 1, async (disk, step) => {
    disk.losePower(random);
    await openStore({ disk: disk.process(), limits, history: month });
    const lines = await told(disk);
    assert.deepEqual(lines.slice(0, expected.length), expected, `step ${step}`);
  });
}

test('records that an owner carried over are told if a power loss takes all that it wrote itself', async () => {
  const prepared = await carriedStore((second) => append(second, settled(1)));
  await dieMerging(prepared, ['1 durable', '2 carried']);
});

test('records that an owner carried over are told if it wrote only into its next segment', async () => {
  const prepared = await carriedStore(async (second) => {
    second.journal.beginErase();
    append(second, settled(1));
    await second.journal.sync();
  });
  await dieMerging(prepared, ['1 durable', '2 carried', '3 -1']);
});

test('valid records behind corruption are told, also if their owner had carried over others', async () => {
  let now = 1_700_000_000_000;
  const write = async (second: OpenStore) => {
    append(second, postedRecord(3, 'corrupt'), settled(1));
    // The next record has a stamp in front of it, from which the one before is counted backwards.
    now += 1_000;
    append(second, settled(2));
    await second.journal.sync();
  };
  const disk = await carriedStore(write, { runtime: { ...systemRuntime, time: () => now } });
  const segment = `${storeFolder}/epochs/00000002/seg-000001.log`;
  const bytes = disk.files().get(segment) ?? Buffer.alloc(0);
  const body = bytes.indexOf('corrupt');
  const header = bytes.lastIndexOf(Buffer.from('ff4a', 'hex'), body);
  disk.tamper(segment, bytes.fill(0, header, body));
  await openStore({ disk: disk.process(), limits, history: month });
  const events: string[] = [];
  for await (const batch of readEvents(storeFolder, { disk: disk.process(), partBytesMax: 0 })) {
    events.push(...batch.events.map(({ kind, sequence }) => `${sequence} ${kind}`));
  }
  assert.deepEqual(events, ['1 stored', '2 stored', '4 settled', '5 settled']);
});

test('the log does not grow while one owner after the other carries over the same records', async () => {
  const disk = await carriedStore((second) => {
    append(second, { kind: 'released', number: 2, attempt: 2 }, settled(1));
  });
  const lengths: number[] = [];
  for (let owner = 0; owner < 40; owner++) {
    const process = disk.process();
    await openStore({ disk: process, limits, history: month });
    process.kill();
    const log = [...disk.files()].filter(([path]) => path.includes('/epochs/'));
    lengths.push(log.reduce((sum, [, bytes]) => sum + bytes.length, 0));
  }
  assert(Math.max(...lengths.slice(20)) <= Math.max(...lengths.slice(0, 20)), `${lengths}`);
  assert.deepEqual(await told(disk), ['1 durable', '2 carried', '3 released', '4 -1']);
});

test('a segment that an owner moved into history before it died is told after a power loss', async () => {
  const prepared = new CrashDisk('/home');
  await postOnce(prepared, 1);
  await postOnce(prepared, 2);
  const random = new Random(1);
  for (let loss = 0; loss < 5; loss++) {
    await dieAtEachStep(prepared, 1, async (disk, step) => {
      const options = { limits: { ...limits, segmentsMerge: 1 }, history: month };
      await openStore({ disk: disk.process(), ...options });
      disk.losePower(random);
      assert.deepEqual(await told(disk), ['1 body 1', '2 body 2', '3 -1'], `step ${step}`);
    });
  }
});

test('records that found no room in a segment are told from the prologue of the next one, wherever a later owner dies', async () => {
  const prepared = new CrashDisk('/home');
  prepared.fileBytesMax = 8_000;
  const first = await openStore({ disk: prepared.process(), limits, history: month });
  append(first, postedRecord(1, 'x'.repeat(4_000)));
  for (const number of [1, 2]) append(first, { kind: 'settled', numbers: Array(600).fill(number) });
  await first.journal.sync();
  const segments = listSegments(prepared.process(), storeFolder, 1);
  assert.deepEqual(
    segments.map(({ segment }) => segment),
    [1, 2, 3],
  );
  await first.journal.close();
  prepared.fileBytesMax = Number.POSITIVE_INFINITY;
  await dieAtEachStep(prepared, 1, async (disk, step) => {
    await openStore({ disk: disk.process(), limits, history: month });
    const begins = (await told(disk)).map((line) => line.slice(0, 5));
    assert.deepEqual(begins, ['1 xxx', '2 -1,', '3 -2,'], `step ${step}`);
  });
});

test('the oldest files go beyond the bytes of the bound, and the rest is told without a hole', async () => {
  const disk = new CrashDisk('/home');
  const history = { bytesMax: 24_000, ageMsMax: Number.POSITIVE_INFINITY };
  for (let number = 1; number <= 200; number++) {
    await postOnce(disk, number, { history });
    assert(historyBytes(disk) <= 24_000, `${historyBytes(disk)} bytes at ${number}`);
  }
  const rest = await told(disk);
  assert(rest.length > 30 && rest.length < 390, `${rest.length} records`);
  const [first] = rest[0]?.split(' ').map(Number) ?? [];
  assert.deepEqual(
    rest.map((line) => Number(line.split(' ')[0])),
    Array.from({ length: rest.length }, (_, index) => (first ?? 0) + index),
  );
  assert.equal(rest.at(-1), '399 -199');
});

test('a file goes when all of it is older than the bound', async () => {
  const disk = new CrashDisk('/home');
  const runtime = new ManualRuntime();
  runtime.standStill(100 * day);
  const history = { bytesMax: 1_000_000, ageMsMax: 10 * day };
  for (let number = 1; number <= 40; number++) {
    await postOnce(disk, number, { history, runtime });
    runtime.standStill(day);
  }
  const records = await toldRecords(disk.process(), storeFolder);
  const oldest = records[0]?.time ?? 0;
  const ageDays = (runtime.time() - oldest) / day;
  // A file is kept while any of it is younger than ten days.
  assert(ageDays >= 10 && ageDays <= 22, `${ageDays} days`);
});

test('without history, segments are removed as before, and what was kept goes', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 12; number++) await postOnce(disk, number);
  assert(historyOf(disk).length > 0);
  const history = { bytesMax: 0, ageMsMax: 0 };
  for (let number = 13; number <= 30; number++) {
    await postOnce(disk, number, { history });
    assert.deepEqual(historyOf(disk), []);
  }
});

test('on a full disk history goes first: no post is refused and no ballast is used while there is any', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 60; number++) await postOnce(disk, number);
  const store = await openStore({ disk: disk.process(), limits, history: month });
  assert(store.journal.hasSpaceForPost(100, 0));
  append(store, postedRecord(61, 'the last with room'));
  const spares = () => [...disk.files().keys()].filter((file) => file.includes('/spare/')).length;
  const before = spares();
  disk.bytesMax = [...disk.files().values()].reduce((sum, { length }) => sum + length, 0);
  let number = 62;
  while (historyOf(disk).length > 0) {
    // The last file of history may make too little room.
    if (!store.journal.hasSpaceForPost(1_000, 0)) break;
    append(store, postedRecord(number++, 'x'.repeat(900)));
    assert.equal(spares(), before);
    assert.deepEqual(store.journal.warnings(), []);
  }
  assert.deepEqual(historyOf(disk), []);
  while (store.journal.hasSpaceForPost(1_000, 0)) {
    append(store, postedRecord(number++, 'x'.repeat(900)));
  }
  assert.equal(spares(), before);
  await store.journal.close();
});

test('a packed file tells nothing of records that were never durable, and has no zeros or prologues', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process(), limits, history: month });
  append(first, postedRecord(1, 'body 1'));
  await first.journal.sync();
  append(first, postedRecord(2, 'torn'));
  append(first, postedRecord(3, 'behind the torn one'));
  // The second post is torn, and the third is there.
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const bytes = disk.files().get(path) ?? assert.fail();
  const at = bytes.lastIndexOf('torn');
  assert(bytes.indexOf('behind the torn one') > at - 200);
  bytes[bytes.indexOf('torn')] = 0;
  disk.tamper(path, bytes);
  const expected = ['1 body 1'];
  let sequence = 1;
  for (let number = 2; number <= 40; number++) {
    await postOnce(disk, number);
    expected.push(`${++sequence} body ${number}`, `${++sequence} -${number - 1}`);
  }
  assert.deepEqual(await told(disk), expected);
  const packed = [...disk.files()].filter(([file]) => file.includes('/history/'));
  const texts = packed.map(([, content]) => content.toString('latin1')).join();
  assert(!texts.includes('behind the torn one'));
});

test('a corrupt file of history is left as it is when others are packed', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 6; number++) await postOnce(disk, number);
  const [name] = historyOf(disk);
  const path = `${storeFolder}/history/${name}`;
  const bytes = disk.files().get(path) ?? assert.fail();
  const at = bytes.indexOf('body 1');
  bytes[at] = 0;
  disk.tamper(path, bytes);
  for (let number = 7; number <= 60; number++) await postOnce(disk, number);
  assert.deepEqual(disk.files().get(path), bytes);
  assert(historyOf(disk).length <= 16, `${historyOf(disk)}`);
});

test('a file whose last records are told behind a damaged one is reported, and left as it is when others are packed', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits, history: month });
  append(store, postedRecord(1, 'lost'), postedRecord(2, 'behind it'), settled(1, 2));
  await leaveLog(store);
  append(store, postedRecord(3, 'next'), settled(3));
  await leaveLog(store);
  await store.journal.close();
  const path = `${storeFolder}/history/00000001-000001.log`;
  const bytes = disk.files().get(path) ?? assert.fail();
  const at = bytes.indexOf('lost') - 1;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  disk.tamper(path, bytes);
  const toldOfTwo = async () => {
    const { events } = await readPast(storeFolder, { disk: disk.process() });
    return events.map(eventInBrief).filter((line) => / #2\b/.test(line));
  };
  assert.deepEqual(await toldOfTwo(), ['stored #2 behind it', 'dropped #2']);
  const { messages, faults } = await checkHistory(disk.process(), storeFolder);
  assert.deepEqual(faults, [`history: ${path} has lost some of what it told; no mail is affected`]);
  assert.equal(messages, 2);
  for (let number = 4; number <= 60; number++) await postOnce(disk, number);
  assert.deepEqual(await toldOfTwo(), ['stored #2 behind it', 'dropped #2']);
  assert.deepEqual(disk.files().get(path), bytes);
});

test('the longest run of small files is packed, and none while there are few', () => {
  const run = (...bytes: number[]) => runBeside([], bytes);
  const runBeside = (log: number[], bytes: number[]) => {
    const segments = log.map((epoch) => ({ epoch, segment: 2 }));
    const files = bytes.map((length, index) => {
      return { epoch: index + 1, segment: 1, bytes: length, begin: 10 * index, isLeft: false };
    });
    const limits = { packedBytesMax: 1_000, packedMsMax: 60, smallFilesMax: 2 };
    return packRun(files, segments, limits)?.map((file) => file.bytes);
  };
  assert.equal(run(1, 1), undefined);
  assert.deepEqual(run(1, 1, 1), [1, 1, 1]);
  assert.deepEqual(run(400, 1, 1, 1), [1, 1, 1]);
  assert.deepEqual(run(1, 2, 600, 1, 1, 1), [1, 1, 1]);
  assert.deepEqual(run(1, 1, 1, 600, 1, 1), [1, 1, 1]);
  assert.deepEqual(run(400, 300, 100, 400, 400), [100, 400, 400]);
  assert.equal(run(400, 200, 100, 50), undefined);
  // The first one begins 70 ms before the last.
  assert.deepEqual(run(1, 1, 1, 1, 1, 1, 1, 1), [1, 1, 1, 1, 1, 1, 1]);
  // Segments of the log behind the second file, and behind the last one.
  assert.deepEqual(runBeside([2, 5], [1, 1, 1, 1, 1]), [1, 1, 1]);
});

test('no run begins right behind the segment before, in history or in quarantine', () => {
  const limits = { packedBytesMax: 1_000, packedMsMax: 60, smallFilesMax: 2 };
  const file = (epoch: number, segment: number, bytes: number) => {
    return { epoch, segment, bytes, begin: 0, isLeft: false };
  };
  const runIn = (files: ReturnType<typeof file>[], between: SegmentId[] = []) =>
    packRun(files, between, limits)?.map(({ epoch, segment }) => `${epoch}-${segment}`);
  const files = [file(1, 1, 1), file(1, 2, 1), file(1, 3, 1), file(2, 1, 1), file(3, 1, 1)];
  assert.deepEqual(runIn(files), ['1-1', '1-2', '1-3', '2-1', '3-1']);
  const large = [file(1, 1, 600), ...files.slice(1)];
  assert.deepEqual(runIn(large), ['2-1', '3-1']);
  assert.deepEqual(runIn(files.slice(1)), ['1-2', '1-3', '2-1', '3-1']);
  assert.deepEqual(runIn(files.slice(1), [{ epoch: 1, segment: 1 }]), ['2-1', '3-1']);
});

test('erasing a mailbox takes its settled messages out of log and history, and no other', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 30; number++) {
    const store = await openStore({ disk: disk.process(), limits, history: month });
    const to = number % 2 === 0 ? 'A' : 'secret';
    append(store, postedRecord(number, `body ${number}`, { to }));
    if (number > 2 && number < 30) append(store, settled(number));
    await store.journal.close();
  }
  const store = await openStore({ disk: disk.process(), limits, history: month });
  append(store, postedRecord(31, 'to both', { to: 'secret', alsoTo: ['A'] }), settled(31, 32));
  const before = historyBytes(disk);
  await leaveLog(store);
  const erased = await store.journal.erase('secret' as Name);
  // Numbers 3, 5, ... 29, and 31; 1 is not settled.
  assert.equal(erased.messages, 15);
  assert.equal(erased.bytes > 0, historyBytes(disk) < before);
  const texts = [...disk.files()].map(([, bytes]) => bytes.toString('latin1')).join();
  for (let number = 3; number < 30; number++) {
    assert.equal(texts.includes(`body ${number}\xff`), number % 2 === 0, `body ${number}`);
  }
  assert(texts.includes('body 1\xff') && texts.includes('to both'));
  const records = await toldRecords(disk.process(), storeFolder);
  const sequences = records.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    Array.from({ length: sequences.length }, (_, index) => index + 1),
  );
  const tos = records.flatMap(({ record }) =>
    record?.kind === 'posted' ? [record.envelope, ...record.also].map(({ to }) => to) : [],
  );
  assert(!tos.includes('secret' as Name) && tos.filter((to) => to === 'A').length === 16, `${tos}`);
  await store.journal.close();
  assert.deepEqual([...store.model.messages.keys()].sort(), [1, 2, 30]);
  const next = await openStore({ disk: disk.process(), limits, history: month });
  assert.equal(next.model.state(), store.model.state());
});

test('erasing a mailbox leaves the ends of other messages, which answers to it had settled', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits, history: month });
  append(store, postedRecord(1, 'question', { to: 'A' }));
  append(store, postedRecord(2, 'answer', { to: 'secret', settles: [1] }), settled(2));
  await leaveLog(store);
  assert.equal((await store.journal.erase('secret' as Name)).messages, 1);
  assert.deepEqual(await told(disk), ['1 question', '2 -1', '3 -2']);
});

test('an erase is refused while the log has segments from before it, as on a full disk', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits, history: month });
  append(store, postedRecord(1, 'text', { to: 'secret' }), settled(1));
  append(store, postedRecord(2, 'live', { to: 'A' }));
  const erase = () => store.journal.erase('secret' as Name);
  const isThere = () => [...disk.files().values()].some((bytes) => bytes.includes('text'));
  disk.bytesMax = 0;
  store.journal.beginErase();
  await assert.rejects(erase(), { code: 'store_full' });
  disk.bytesMax = Number.POSITIVE_INFINITY;
  store.journal.beginErase();
  await assert.rejects(erase(), { code: 'store_full' });
  assert.equal(isThere(), true);
  await leaveLog(store);
  assert.equal((await erase()).messages, 1);
  assert.equal(isThere(), false);
});

test('erasing all leaves nothing but unsettled mail', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 30; number++) await postOnce(disk, number);
  const store = await openStore({ disk: disk.process(), limits, history: month });
  await leaveLog(store);
  assert.equal((await store.journal.erase('')).messages, 29);
  assert.deepEqual(historyOf(disk), []);
  const texts = [...disk.files()].map(([, bytes]) => bytes.toString('latin1')).join();
  assert(!texts.includes('body 29') && texts.includes('body 30'));
});

test('an owner that dies at any step of erasing a mailbox loses no message of another', async () => {
  const prepared = new CrashDisk('/home');
  for (let number = 1; number <= 12; number++) {
    const store = await openStore({ disk: prepared.process(), limits, history: month });
    const to = number % 2 === 0 ? 'A' : 'secret';
    append(store, postedRecord(number, `body ${number}`, { to }), settled(number));
    await store.journal.close();
  }
  const random = new Random(2);
  for (let step = 1, isDone = false; !isDone; step++) {
    for (const isPower of [false, true, true]) {
      const disk = prepared.clone();
      const process = disk.process();
      process.dieAt = step;
      const erase = async () => {
        const store = await openStore({ disk: process, limits, history: month });
        await leaveLog(store);
        await store.journal.erase('secret' as Name);
        await store.journal.close();
      };
      await erase().catch(() => {});
      isDone = !process.dead;
      if (isPower) disk.losePower(random);
      const lines = await told(disk);
      for (let number = 2; number <= 12; number += 2) {
        const there = lines.filter((line) => line.endsWith(` body ${number}`));
        assert.equal(there.length, 1, `body ${number} at step ${step}: ${lines}`);
      }
    }
  }
});

test('when the disk has no room for the folder of history, segments are removed, and the owner goes on', async () => {
  const disk = new CrashDisk('/home');
  const process = disk.process();
  const makeFolder = process.makeFolder.bind(process);
  process.makeFolder = (path) => {
    if (!path.endsWith('/history')) return makeFolder(path);
    throw Object.assign(new Error('no inode is free'), { code: 'ENOSPC' });
  };
  const store = await openStore({ disk: process, limits, history: month });
  append(store, postedRecord(1, 'body 1'), settled(1));
  await leaveLog(store);
  append(store, postedRecord(2, 'body 2'));
  await store.journal.close();
  assert.deepEqual(await told(disk), ['3 body 2']);
});

test('an owner that is replaced while it erases leaves the file that its successor writes aside', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 8; number++) await postOnce(disk, number);
  const [file] = historyOf(disk);
  assert.equal(file, '00000005-000001.log');
  const history = new History(disk.process(), storeFolder, month, limitsDefault, systemRuntime);
  const aside = `${storeFolder}/history/5-1.new`;
  history.mayChange = () => {
    if (!disk.files().has(aside)) return true;
    const successor = disk.process();
    successor.removeFile(aside);
    successor.create(aside).close();
    return false;
  };
  await history.erase('other' as Name, []).catch(() => {});
  assert(disk.files().has(aside));
});

test('an owner that is replaced while its oldest file goes leaves the file that its successor packs under that name', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 8; number++) await postOnce(disk, number);
  const path = `${storeFolder}/history/${historyOf(disk)[0]}`;
  const process = disk.process();
  const bound = { ...month, bytesMax: 1 };
  const history = new History(process, storeFolder, bound, limitsDefault, systemRuntime);
  let isReplaced = false;
  history.mayChange = () => !isReplaced;
  const unlink = process.unlink.bind(process);
  process.unlink = (late) => {
    isReplaced = true;
    const successor = disk.process();
    successor.removeFile(path);
    successor.create(path).close();
    return unlink(late);
  };
  history.tidy([]);
  await history.close();
  assert(isReplaced);
  assert(disk.files().has(path));
});

test('a segment that has no record is not moved into history', async () => {
  for (const bytes of [0, 4_096]) {
    const disk = new CrashDisk('/home');
    const first = await openStore({ disk: disk.process(), limits, history: month });
    append(first, postedRecord(1, 'one'), settled(1));
    await first.journal.sync();
    // As a power loss leaves a file that was just begun.
    disk.tamper(`${storeFolder}/epochs/00000001/seg-000002.log`, Buffer.alloc(bytes));
    const second = await openStore({ disk: disk.process(), limits, history: month });
    await second.journal.close();
    assert.deepEqual(historyOf(disk), []);
    assert.deepEqual((await checkHistory(disk.process(), storeFolder)).faults, []);
  }
});

test('an owner that was replaced removes no history when the disk is full', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 8; number++) await postOnce(disk, number);
  const stale = await openStore({ disk: disk.process(), limits, history: month });
  await postOnce(disk, 9);
  const before = historyOf(disk);
  assert.notDeepEqual(before, []);
  disk.bytesMax = 0;
  assert.equal(stale.journal.hasSpaceForPost(1_000, 0), false);
  assert.deepEqual(historyOf(disk), before);
});
