// Posts to several mailboxes on disk: one record with one body; after that, each message stands alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkStore } from '../../../src/journal/check.ts';
import { type DumpLine, dumpStore } from '../../../src/journal/dump.ts';
import { readRecords, segmentSeed } from '../../../src/journal/record-framing.ts';
import { flipped, openCorruptStore, smallFiles } from '../../support/disk/corrupt-store.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, testSession } from '../../support/disk/journal-model.ts';
import { append, openStore, removeOldest, storeFolder } from '../../support/disk/journal-store.ts';

const first = `${storeFolder}/epochs/00000001/seg-000001.log`;
const toThree = { to: 'A', alsoTo: ['B', 'C'] };

function contents(disk: CrashDisk, file: string): Buffer {
  const bytes = disk.files().get(file);
  assert(bytes, file);
  return bytes;
}

function countOf(bytes: Buffer, text: string): number {
  return bytes.toString('latin1').split(text).length - 1;
}

test('a post to three mailboxes is one record with one body, and three messages when it is read', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  append(store, postedRecord(1, 'said once', toThree));
  append(store, { kind: 'settled', numbers: [2] });
  await store.journal.close();
  assert.equal(countOf(contents(disk, first), 'said once'), 1);

  const next = await openStore({ disk: disk.process() });
  assert.equal(next.model.state(), store.model.state());
  assert.equal(next.journal.nextNumber, 4);
  assert.deepEqual(
    [...next.model.messages].map(([number, { mailbox }]) => {
      return [number, mailbox, next.journal.body(number)?.toString()];
    }),
    [
      [1, 'A', 'said once'],
      [3, 'C', 'said once'],
    ],
  );
  const { messages, bytes, mailboxes, records } = await checkStore(storeFolder, disk.process());
  assert.deepEqual([messages, bytes, records.posted], [2, 18, 1]);
  assert.deepEqual(mailboxes, [
    { mailbox: 'A', messages: 1, bytes: 9 },
    { mailbox: 'C', messages: 1, bytes: 9 },
  ]);
  const lines: DumpLine[] = [];
  for await (const some of dumpStore(storeFolder, disk.process())) lines.push(...some);
  const posted = lines.find(({ kind }) => kind === 'posted');
  const also = posted?.also as { number: number; to: string }[];
  assert.deepEqual(
    also.map(({ number, to }) => [number, to]),
    [
      [2, 'B'],
      [3, 'C'],
    ],
  );
});

test('a write to several mailboxes that is cut at any byte leaves all or none', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits: smallFiles });
  append(store, postedRecord(1, 'before'));
  await store.journal.sync();
  const states = [store.model.state()];
  append(store, postedRecord(2, 'all or none', { ...toThree, settles: [1] }));
  states.push(store.model.state());
  const bytes = contents(disk, first);
  const begin = bytes.indexOf('before') + 'before'.length;
  const seen = new Set<number>();
  for (let cut = begin; cut <= bytes.length; cut++) {
    const torn = disk.clone();
    torn.tamper(first, bytes.subarray(0, cut));
    const next = await openStore({ disk: torn.process(), limits: smallFiles });
    seen.add(states.indexOf(next.model.state()));
    assert.deepEqual(next.journal.warnings(), []);
  }
  assert.deepEqual([...seen], [0, 1]);
});

test('one corrupt body damages three messages, and each of them is reported', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits: smallFiles });
  append(store, postedRecord(1, 'soon damaged', toThree), postedRecord(4, 'sound'));
  await store.journal.close();
  const bytes = contents(disk, first);
  disk.tamper(first, flipped(bytes, bytes.indexOf('soon')));
  const { lost, damaged, reports } = await openCorruptStore(disk, store.model, 'three');
  assert.deepEqual([lost, damaged], [[], [1, 2, 3]]);
  assert.deepEqual(
    reports.slice(0, 3),
    [1, 2, 3].map((number) => `segment 1 of epoch 1: the body of message #${number} is damaged`),
  );
});

test('a lost range behind a post to several mailboxes is not reported with the messages of that post', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits: smallFiles });
  append(store, postedRecord(1, 'to three', toThree), postedRecord(4, 'lost'));
  append(store, postedRecord(5, 'to three again', toThree));
  await store.journal.close();
  const bytes = contents(disk, first);
  const records = readRecords(bytes, segmentSeed({ epoch: 1, segment: 1 }));
  const [one, , again] = [...records].filter(({ type }) => type === 16 || type === 26);
  assert(one && again);
  const without = disk.clone();
  without.tamper(first, flipped(bytes, one.end + 5));
  const { lost, reports } = await openCorruptStore(without, store.model, 'four');
  assert.deepEqual(lost, [4]);
  assert.match(reports[0] ?? '', /; messages that may have been there: #4$/);
  disk.tamper(first, flipped(bytes, again.offset + 5));
  const outcome = await openCorruptStore(disk, store.model, 'again');
  assert.deepEqual(outcome.lost, [5, 6, 7]);
  assert.match(outcome.reports[0] ?? '', /; messages that may have been there: #5 #6 #7/);
});

test('a body that becomes corrupt while the owner runs is missing in every delivery of it', async () => {
  const disk = new CrashDisk('/home');
  const limits = { bodyCacheBytesMax: 0 };
  const { journal, model } = await openStore({ disk: disk.process(), limits });
  append({ journal, model }, postedRecord(1, 'soon damaged', toThree));
  const bytes = contents(disk, first);
  disk.tamper(first, flipped(bytes, bytes.indexOf('soon')));
  assert.deepEqual(journal.bodies([1, 2, 3]), [undefined, undefined, undefined]);
  assert.equal(journal.damagedMessages, 3);
});

test('when the oldest segment is removed, each live message is copied on its own', async () => {
  const disk = new CrashDisk('/home');
  const limits = { segmentBytesMax: 300, segmentReserveBytes: 1, logBytesCompact: 0 };
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1, 'said once', toThree), postedRecord(4, 'x'.repeat(300)));
  append(store, { kind: 'settled', numbers: [2, 4] });
  append(store, { kind: 'offered', number: 3, holder: testSession, attempt: 1 });
  append(store, postedRecord(5, 'y'));
  await removeOldest(store);
  assert.equal(disk.files().has(first), false);
  assert.deepEqual(store.journal.bodies([1, 3]).map(String), ['said once', 'said once']);
  append(store, { kind: 'settled', numbers: [1] });
  await store.journal.close();
  const next = await openStore({ disk: disk.process(), limits });
  assert.equal(next.model.state(), store.model.state());
  assert.deepEqual([...next.model.messages.keys()].sort(), [3, 5]);
});

for (const isDamaged of [false, true]) {
  const how = isDamaged ? 'damaged' : 'sound';
  test(`a ${how} post to several that is written again with small segments keeps what lives of it`, async () => {
    const disk = new CrashDisk('/home');
    const many = { ...smallFiles, segmentsCompact: 100, segmentsMerge: 200 };
    for (const number of [1, 4, 5, 6, 7, 13, 14]) {
      const store = await openStore({ disk: disk.process(), limits: many });
      const more = number === 1 ? toThree : {};
      append(store, postedRecord(number, `message ${number}`, more));
      if (number === 5) append(store, { kind: 'settled', numbers: [2] });
      if (number === 7) {
        append(store, postedRecord(10, 'not needed any more', toThree));
        append(store, { kind: 'settled', numbers: [10, 11, 12] });
      }
      await store.journal.close();
    }
    const bytes = contents(disk, first);
    if (isDamaged) disk.tamper(first, flipped(bytes, bytes.indexOf('message 1')));
    const few = { ...many, segmentsCompact: 2, segmentsMerge: 4 };
    const store = await openStore({ disk: disk.process(), limits: few });
    assert.equal(disk.files().has(first), false);
    await store.journal.close();
    const next = await openStore({ disk: disk.process(), limits: many });
    assert.deepEqual([...next.model.messages.keys()], [1, 3, 4, 5, 6, 7, 13, 14]);
    const logs = [...disk.files()].filter(([path]) => path.includes('/epochs/'));
    assert.equal(countOf(Buffer.concat(logs.map(([, log]) => log)), 'not needed any more'), 0);
    const body = isDamaged ? 'undefined' : 'message 1';
    assert.deepEqual(next.journal.bodies([1, 3, 4]).map(String), [body, body, 'message 4']);
    assert.equal(next.journal.damagedMessages, isDamaged ? 2 : 0);
  });
}

test('the bodies of posts to several mailboxes take few reads', async () => {
  const disk = new CrashDisk('/home');
  const process = disk.process();
  const store = await openStore({ disk: process, limits: { bodyCacheBytesMax: 0 } });
  const numbers = Array.from({ length: 300 }, (_, index) => index + 1);
  for (let number = 1; number <= 300; number += 3)
    append(store, postedRecord(number, `body ${number}`, toThree));
  const calls = process.calls.length;
  const bodies = store.journal.bodies(numbers).map(String);
  assert.deepEqual(
    bodies,
    numbers.map((number) => `body ${number - ((number - 1) % 3)}`),
  );
  assert.equal(process.calls.length - calls, 1);
});
