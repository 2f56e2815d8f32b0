// The numbers of the engine's records, and the stamps that keep them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startOf } from '../../../src/journal/history-file.ts';
import { readRecords, segmentSeed } from '../../../src/journal/record-framing.ts';
import { readEach } from '../../../src/journal/recovery.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, settledRecord as settled } from '../../support/disk/journal-model.ts';
import { append, openStore, removeOldest, storeFolder } from '../../support/disk/journal-store.ts';
import { toldRecords } from '../../support/disk/told-records.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';

const limits = { segmentReserveBytes: 1, segmentGrowthBytes: 1 };

function fileOf(disk: CrashDisk, epoch: number, segment: number): Buffer {
  const name = `epochs/0000000${epoch}/seg-00000${segment}.log`;
  return disk.files().get(`${storeFolder}/${name}`) ?? assert.fail(name);
}

/** The records of a segment, each with its number, and its stamps. */
function lines(disk: CrashDisk, epoch: number, segment = 1): string[] {
  const bytes = fileOf(disk, epoch, segment);
  const found: string[] = [];
  const reader = {
    lost: () => {},
    stamp: ({ sequence, time }: { sequence: number; time: number }) => {
      found.push(`stamp ${sequence} at ${time}`);
    },
    record: (_: unknown, record: JournalRecord | undefined, place?: { sequence: number }) => {
      found.push(`${record?.kind} ${place?.sequence ?? '-'}`);
    },
  };
  for (const _ of readEach(bytes, { epoch, segment, bytes: bytes.length }, reader));
  return found;
}

test('a segment says where it begins, whatever bit of the first copy of its header is flipped', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1, 'one'));
  await store.journal.close();
  const next = await openStore({ disk: disk.process(), limits });
  append(next, postedRecord(2, 'two'));
  const bytes = fileOf(disk, 2, 1);
  const id = { epoch: 2, segment: 1 };
  const [header] = readRecords(bytes, segmentSeed(id));
  assert(header);
  for (let bit = 0; bit < 8 * header.end; bit++) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.equal(startOf(flipped, id)?.sequence, 2, `bit ${bit}`);
  }
});

test('append() returns the number of its first record, and numbers go on over epochs', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process(), limits });
  assert.deepEqual([first.journal.sequence, first.journal.startSequence], [0, 1]);
  assert.equal(first.journal.append([postedRecord(1, 'one'), postedRecord(2, 'two')]), 1);
  assert.equal(first.journal.append([]), 3);
  assert.equal(first.journal.append([settled(1)]), 3);
  assert.equal(first.journal.sequence, 3);
  await first.journal.close();
  const second = await openStore({ disk: disk.process(), limits });
  assert.deepEqual([second.journal.sequence, second.journal.startSequence], [3, 4]);
  assert.equal(second.journal.append([settled(2)]), 4);
});

test('every prologue ends with a stamp, and an append begins with one when the wall clock has moved by 10 ms', async () => {
  const disk = new CrashDisk('/home');
  const runtime = new ManualRuntime();
  const began = runtime.time();
  const store = await openStore({ disk: disk.process(), limits, runtime });
  append(store, postedRecord(1, 'one'));
  runtime.standStill(9);
  append(store, postedRecord(2, 'two'));
  runtime.standStill(1);
  append(store, settled(1), settled(2));
  assert.deepEqual(lines(disk, 1), [
    `stamp 1 at ${began}`,
    'posted 1',
    'posted 2',
    `stamp 3 at ${began + 10}`,
    'settled 3',
    'settled 4',
  ]);
});

test('a new owner carries over the whole end of the log with its numbers, also what was settled in it', async () => {
  const disk = new CrashDisk('/home');
  const runtime = new ManualRuntime();
  const time = runtime.time();
  const first = await openStore({ disk: disk.process(), limits, runtime });
  append(first, postedRecord(1, 'durable'));
  await first.journal.sync();
  append(first, postedRecord(2, 'not durable'), settled(2));
  runtime.standStill(50);
  append(first, settled(1));
  const second = await openStore({ disk: disk.process(), limits, runtime });
  assert.equal(second.journal.startSequence, 5);
  assert.deepEqual(lines(disk, 2), [
    `stamp 2 at ${time}`,
    'posted 2',
    'settled 3',
    `stamp 4 at ${time + 50}`,
    'settled 4',
    'stamp 0 at 0',
    'session -',
    `stamp 5 at ${time + 50}`,
  ]);
});

test('what is copied by a merge has no number, since history has the original', async () => {
  const disk = new CrashDisk('/home');
  const merging = { ...limits, segmentsCompact: 1, segmentsMerge: 2 };
  for (const number of [1, 2, 3]) {
    const store = await openStore({ disk: disk.process(), limits: merging });
    append(store, postedRecord(number, 'x'.repeat(100)));
    if (number > 1) append(store, settled(number - 1));
    await store.journal.close();
  }
  const last = await openStore({ disk: disk.process(), limits: merging });
  await last.journal.close();
  assert.deepEqual(lines(disk, 4), [
    'settled -',
    'posted -',
    'settled -',
    'session -',
    'stamp 6 at 1700000000000',
  ]);
  const told = await toldRecords(disk.process(), storeFolder);
  assert.deepEqual(
    told.map(({ sequence, record }) => `${sequence} ${record?.kind}`),
    ['1 posted', '2 posted', '3 settled', '4 posted', '5 settled'],
  );
});

test('a record that was lost with the power gives its number to the next owner', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process(), limits });
  append(first, postedRecord(1, 'kept'));
  await first.journal.sync();
  append(first, postedRecord(2, 'lost'));
  const bytes = fileOf(disk, 1, 1);
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  disk.tamper(path, bytes.subarray(0, -1));
  const second = await openStore({ disk: disk.process(), limits });
  assert.equal(second.journal.startSequence, 2);
  append(second, postedRecord(3, 'instead'));
  const told = await toldRecords(disk.process(), storeFolder);
  assert.deepEqual(
    told.map(({ sequence, record }) => {
      return `${sequence} ${record?.kind === 'posted' ? record.body : ''}`;
    }),
    ['1 kept', '2 instead'],
  );
});

test('behind corruption a number is skipped rather than given twice', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process(), limits });
  append(first, postedRecord(1, 'one'), postedRecord(2, 'two'), postedRecord(3, 'three'));
  await first.journal.close();
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const bytes = fileOf(disk, 1, 1);
  // The header of the last record of a message.
  const at = bytes.lastIndexOf(Buffer.of(0xff, 0x4a, 16));
  bytes[at + 16] = (bytes[at + 16] ?? 0) ^ 1;
  disk.tamper(path, bytes);
  const second = await openStore({ disk: disk.process(), limits });
  assert(second.journal.startSequence >= 4, `${second.journal.startSequence}`);
});

test('a stamp of an older segment that was removed is not needed to go on', async () => {
  const disk = new CrashDisk('/home');
  const tiny = {
    ...limits,
    segmentBytesMax: 200,
    segmentsCompact: 0,
    segmentsMerge: 0,
    logBytesCompact: 0,
  };
  const store = await openStore({ disk: disk.process(), limits: tiny });
  for (const number of [1, 2, 3]) {
    append(store, postedRecord(number, 'x'.repeat(200)));
    append(store, settled(number));
  }
  while (store.journal.compactable()) await removeOldest(store);
  await store.journal.close();
  const next = await openStore({ disk: disk.process(), limits: tiny });
  assert.equal(next.journal.sequence, 6);
});
