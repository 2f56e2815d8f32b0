import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkStore } from '../../../src/journal/check.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { append, openStore, storeFolder } from '../../support/disk/journal-store.ts';

const first = `${storeFolder}/epochs/00000001/seg-000001.log`;

async function smallStore(): Promise<{ disk: CrashDisk; store: string }> {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  append(store, postedRecord(1, 'hello'), postedRecord(2, 'done'));
  append(store, postedRecord(3, 'hi', { to: 'B', settles: [2] }));
  append(store, { kind: 'moved', number: 1, mailbox: 'dead-letters' as never, attempt: 1 });
  await store.journal.close();
  await (await openStore({ disk: disk.process() })).journal.close();
  return { disk, store: store.journal.storeId };
}

test('a check reports what is in a store, and changes nothing', async () => {
  const { disk, store } = await smallStore();
  const before = disk.files();
  const report = await checkStore(storeFolder, disk.process());
  assert.deepEqual(
    { ...report, segments: report.segments.map(({ epoch, segment }) => ({ epoch, segment })) },
    {
      store,
      epoch: 2,
      sound: true,
      faults: [],
      kept: [],
      warnings: [],
      history: { files: 0, bytes: 0, messages: 0, begin: 0, end: 0, faults: [] },
      segments: [
        { epoch: 1, segment: 1 },
        { epoch: 2, segment: 1 },
      ],
      records: { posted: 3, moved: 1, session: 1 },
      mailboxes: [
        { mailbox: 'B', messages: 1, bytes: 2 },
        { mailbox: 'dead-letters', messages: 1, bytes: 5 },
      ],
      messages: 2,
      bytes: 7,
      deadLetters: [{ to: 'A', messages: 1 }],
      paused: [],
    },
  );
  assert.deepEqual(disk.files(), before);
});

test('a check of a damaged store reports the corruption, and counts the records around it', async () => {
  const { disk } = await smallStore();
  const bytes = disk.files().get(first);
  assert(bytes);
  bytes[bytes.indexOf('done')] = 0;
  disk.tamper(first, bytes);
  const report = await checkStore(storeFolder, disk.process());
  assert.equal(report.sound, false);
  assert.deepEqual(report.faults, ['segment 1 of epoch 1: the body of message #2 is damaged']);
  assert.equal(report.messages, 2);
});

test('a check of no store finds nothing', async () => {
  const report = await checkStore(storeFolder, new CrashDisk('/home').process());
  assert.deepEqual(report, {
    store: undefined,
    epoch: 0,
    sound: true,
    faults: [],
    kept: [],
    history: { files: 0, bytes: 0, messages: 0, begin: 0, end: 0, faults: [] },
    warnings: [],
    segments: [],
    records: {},
    mailboxes: [],
    messages: 0,
    bytes: 0,
    deadLetters: [],
    paused: [],
  });
});

test('a check of a store with a running owner finds no fault', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  append(store, postedRecord(1, 'not synced yet'));
  const report = await checkStore(storeFolder, disk.process());
  assert.deepEqual([report.sound, report.messages], [true, 1]);
});

test('a check reports what history has, since when, and which of its files are corrupt', async () => {
  const disk = new CrashDisk('/home');
  const limits = {
    segmentsCompact: 2,
    segmentsMerge: 4,
    segmentReserveBytes: 1,
    segmentGrowthBytes: 1,
  };
  for (let number = 1; number <= 6; number++) {
    const store = await openStore({ disk: disk.process(), limits });
    append(store, postedRecord(number, `body ${number}`), { kind: 'settled', numbers: [number] });
    await store.journal.close();
  }
  const time = 1_700_000_000_000;
  const { history, sound } = await checkStore(storeFolder, disk.process());
  const found = { files: 1, bytes: 732, messages: 5, begin: time, end: time };
  assert.deepEqual([sound, history], [true, { ...found, faults: [] }]);
  const [path, contents] =
    [...disk.files()].find(([file]) => file.includes('/history/')) ?? assert.fail();
  contents[contents.indexOf('body')] = 0;
  disk.tamper(path, contents);
  const { history: corrupt } = await checkStore(storeFolder, disk.process());
  assert.deepEqual(corrupt.faults, [
    `history: ${path} has lost some of what it told; no mail is affected`,
  ]);
});
