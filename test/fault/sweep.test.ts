// Corrupts every byte of every file of a small store, and truncates every file at every byte. Each
// acknowledged message is delivered as posted or reported; one flipped bit affects at most one post.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkStore } from '../../src/journal/check.ts';
import type { Name, SessionId } from '../../src/model/message.ts';
import { flipped, openCorruptStore } from '../support/disk/corrupt-store.ts';
import { CrashDisk } from '../support/disk/crash-disk.ts';
import { type JournalModel, postedRecord } from '../support/disk/journal-model.ts';
import { append, openStore, removeOldest, storeFolder } from '../support/disk/journal-store.ts';

const long = process.env.IPC_TEST_LONG === '1';
const bits = long ? [1, 2, 4, 8, 16, 32, 64, 128] : [16];

/**
 * Builds a store with three owners, one of them killed; with full, compacted and removed segments; with
 * all kinds of records.
 */
async function smallStore(): Promise<{ disk: CrashDisk; model: JournalModel }> {
  const disk = new CrashDisk('/home');
  const limits = {
    ...{ segmentBytesMax: 700, segmentReserveBytes: 1, segmentGrowthBytes: 64 },
    ...{ segmentsCompact: 2, segmentsMerge: 4, logBytesCompact: 0, ballastFilesMin: 0 },
  };
  const first = await openStore({ disk: disk.process(), limits });
  for (const number of [1, 2, 3, 4]) {
    append(first, postedRecord(number, `message ${number}`, { to: number > 2 ? 'B' : 'A' }));
  }
  append(first, { kind: 'settled', numbers: [2] }, postedRecord(5, 'five', { settles: [4] }));
  await first.journal.sync();
  append(first, postedRecord(6, 'x'.repeat(700)), { kind: 'settled', numbers: [6] });
  await first.journal.sync();
  await removeOldest(first);
  const holder = '1111111111111111' as SessionId;
  append(first, { kind: 'offered', number: 3, holder, attempt: 1 });
  append(first, { kind: 'moved', number: 5, mailbox: 'dead-letters' as Name, attempt: 21 });
  await first.journal.sync();
  // This owner is killed.
  const second = await openStore({ disk: disk.process(), limits });
  append(second, postedRecord(7, 'seven', { session: holder, count: 1 }));
  await second.journal.sync();
  append(second, { kind: 'released', number: 3, attempt: 2 }, postedRecord(8, ''));
  await second.journal.close();
  const third = await openStore({ disk: disk.process(), limits });
  append(third, postedRecord(9, 'nine'), { kind: 'forgotten', session: holder });
  append(third, postedRecord(10, 'to three', { to: 'A', alsoTo: ['B', 'C'] }));
  await third.journal.close();
  return { disk, model: third.model };
}

test('any flipped bit in any file affects at most one post, and that is reported', async (context) => {
  const { disk, model } = await smallStore();
  assert.deepEqual([...model.messages.keys()], [1, 3, 5, 7, 8, 9, 10, 11, 12]);
  let tried = 0;
  for (const [file, bytes] of disk.files()) {
    for (let offset = 0; offset < bytes.length; offset++) {
      for (const bit of bits) {
        const damaged = disk.clone();
        damaged.tamper(file, flipped(bytes, offset, bit));
        const place = `bit ${bit} of byte ${offset} of ${file}`;
        const { sound } = await checkStore(storeFolder, damaged.process());
        const { lost, damaged: harmed, reports } = await openCorruptStore(damaged, model, place);
        const isOfThree = [...lost, ...harmed].join() === '10,11,12';
        assert(lost.length + harmed.length <= 1 || isOfThree, place);
        assert.equal(sound, reports.length === 0, place);
        tried++;
      }
    }
  }
  context.diagnostic(`${tried} flips`);
});

test('after truncation of any file at any byte, or its removal, every lost message is reported', async (context) => {
  const { disk, model } = await smallStore();
  let tried = 0;
  for (const [file, bytes] of disk.files()) {
    for (let cut = -1; cut < bytes.length; cut++) {
      const damaged = disk.clone();
      damaged.tamper(file, cut < 0 ? undefined : bytes.subarray(0, cut));
      const { lost, damaged: harmed } = await openCorruptStore(
        damaged,
        model,
        `${file} cut at ${cut}`,
      );
      const ofThree = [...lost, ...harmed].filter((number) => number >= 10).length;
      assert(ofThree === 0 || ofThree === 3, `all or none, ${file} cut at ${cut}`);
      tried++;
    }
  }
  context.diagnostic(`${tried} cuts`);
});
