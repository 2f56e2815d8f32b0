// What is told of a store whose first records an earlier version wrote, without stamps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '../../../src/model/message.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { removeStamps } from '../../support/disk/earlier-store.ts';
import { postedRecord, testSession } from '../../support/disk/journal-model.ts';
import { append, openStore, storeFolder } from '../../support/disk/journal-store.ts';
import { eventInBrief, readPast } from '../../support/disk/past.ts';

const limits = {
  segmentReserveBytes: 1,
  segmentGrowthBytes: 1,
  segmentsCompact: 1,
  segmentsMerge: 2,
  logBytesCompact: 1,
  ballastFilesMin: 1,
};
const history = { bytesMax: 1_000_000, ageMsMax: Number.POSITIVE_INFINITY };
const life = [
  'stored #1 one',
  'stored #2 two',
  'stored #3 three',
  'delivered #1',
  'requeued #1',
  'deadLettered #2',
  'delivered #1',
  'settled #1',
  'dropped #3',
];

async function told(disk: CrashDisk): Promise<string[]> {
  const { events } = await readPast(storeFolder, { disk: disk.process() });
  return events.map(eventInBrief);
}

/** `isTail`: what happened to the messages is not durable for certain, and the next owner carries it over. */
async function earlierStore(isTail: boolean): Promise<CrashDisk> {
  const disk = new CrashDisk('/home');
  const process = disk.process();
  const store = await openStore({ disk: process, limits, history });
  append(store, postedRecord(1, 'one'), postedRecord(2, 'two'), postedRecord(3, 'three'));
  if (isTail) await store.journal.sync();
  append(store, { kind: 'offered', number: 1, holder: testSession, attempt: 1 });
  append(store, { kind: 'released', number: 1, attempt: 2 });
  append(store, { kind: 'moved', number: 2, mailbox: 'dead-letters' as Name, attempt: 1 });
  append(store, { kind: 'offered', number: 1, holder: testSession, attempt: 2 });
  append(store, { kind: 'settled', numbers: [1, 3] });
  if (isTail) process.kill();
  else await store.journal.close();
  removeStamps(disk);
  return disk;
}

async function openOften(disk: CrashDisk, check: (events: string[]) => void): Promise<void> {
  for (let number = 4; number <= 24; number++) {
    const store = await openStore({ disk: disk.process(), limits, history });
    append(store, postedRecord(number, `text ${number}`));
    if (number === 20) append(store, { kind: 'settled', numbers: [2] });
    await store.journal.close();
    check((await told(disk)).filter((event) => /#[123]( |$)/.test(event)));
  }
  assert([...disk.files().keys()].some((path) => path.includes('/history/')));
}

test('what happened in a log without stamps is told once, and stays told while later owners pack history', async () => {
  const disk = await earlierStore(false);
  assert.deepEqual(await told(disk), life);
  const found = new Set<string>();
  await openOften(disk, (events) => found.add(events.join()));
  assert.deepEqual([...found], [life.join(), [...life, 'dropped #2'].join()]);
});

test('how the messages ended at the end of a log without stamps is told from what its next owner carried over', async () => {
  const disk = await earlierStore(true);
  assert.deepEqual(await told(disk), life);
  let count = 0;
  await openOften(disk, (events) => {
    const of = (number: number) => events.filter((event) => event.includes(`#${number}`));
    const first = of(1);
    assert.deepEqual(
      [first[0], ...first.slice(-2)],
      ['stored #1 one', 'delivered #1', 'settled #1'],
    );
    const isOver = ++count > 16;
    assert.deepEqual(of(2), [
      'stored #2 two',
      'deadLettered #2',
      ...(isOver ? ['dropped #2'] : []),
    ]);
    assert.deepEqual(of(3), ['stored #3 three', 'dropped #3']);
  });
});
