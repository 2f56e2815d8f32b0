// The reader of the past: stores as earlier versions wrote them, without stamps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRuntime } from '../../../src/base/runtime.ts';
import type { StoreReadOptions } from '../../../src/journal/store-reader.ts';
import type { MailEvent } from '../../../src/model/mail-events.ts';
import type { Name } from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { flipped } from '../../support/disk/corrupt-store.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, testSession } from '../../support/disk/journal-model.ts';
import {
  append,
  type OpenStore,
  openStore,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { eventInBrief, readPast } from '../../support/disk/past.ts';
import { seedFromEnvironment } from '../../support/random.ts';

const holding = { name: 'ben' as Name, since: 1_700_000_005_000 };
const lastHold = {
  name: 'ben' as Name,
  from: 1_700_000_005_000,
  to: 1_700_000_006_000,
  ended: 'released',
} as const;

const seed = seedFromEnvironment();
/** Of the bytes that are flipped. */
const stride = process.env.IPC_TEST_LONG === '1' ? 1 : 7;
const smallFiles = { segmentBytesMax: 700, segmentReserveBytes: 64, segmentGrowthBytes: 64 };

function readAll(disk: CrashDisk, options: Partial<StoreReadOptions> = {}) {
  return readPast(storeFolder, { disk: disk.process(), ...options });
}

/** Two owners, each with several segments; the first is killed. The clock moves by a second before each append. */
async function stampedStore(): Promise<CrashDisk> {
  const disk = new CrashDisk('/home');
  let now = 1_700_000_000_000;
  const runtime = { ...systemRuntime, time: () => now };
  const options = { disk: disk.process(), limits: smallFiles, runtime };
  const add = (store: OpenStore, ...records: JournalRecord[]) => {
    now += 1_000;
    append(store, ...records);
  };
  const first = await openStore(options);
  for (let number = 1; number <= 6; number++) {
    add(first, postedRecord(number, `text ${number}`));
    add(first, { kind: 'offered', number, holder: testSession, attempt: 1, holding });
    if (number % 2 === 0) add(first, { kind: 'settled', numbers: [number] });
    if (number % 3 === 0) await first.journal.sync();
  }
  add(first, { kind: 'released', number: 1, attempt: 2, lastHold });
  options.disk.kill();
  const second = await openStore({ ...options, disk: disk.process() });
  add(second, postedRecord(7, 'text 7', { settles: [1, 3] }));
  add(second, postedRecord(8, 'text 8'));
  add(second, { kind: 'moved', number: 5, mailbox: 'dead-letters' as Name, attempt: 1 });
  await second.journal.close();
  return disk;
}

test('the life of a message is read from a store without stamps, in order, over a change of owners', async () => {
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process() });
  append(first, postedRecord(1, 'one'), postedRecord(2, 'two'));
  append(first, { kind: 'offered', number: 1, holder: testSession, attempt: 1, holding });
  await first.journal.sync();
  await first.journal.close();
  const second = await openStore({ disk: disk.process() });
  append(second, { kind: 'released', number: 1, attempt: 2, lastHold });
  append(second, { kind: 'offered', number: 1, holder: testSession, attempt: 2, holding });
  append(second, { kind: 'settled', numbers: [1, 2] });
  await second.journal.close();
  const { events } = await readAll(disk);
  assert.deepEqual(events.map(eventInBrief), [
    'stored #1 one',
    'stored #2 two',
    'delivered #1',
    'requeued #1',
    'delivered #1',
    'settled #1',
    'dropped #2',
  ]);
  const [settled] = events.slice(5);
  assert.equal(settled?.kind === 'settled' && settled.name, 'ben');
});

test('a message whose post is no longer kept is told of by its copy, with its state', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  const { envelope, body } = postedRecord(1, 'one');
  const copy = { kind: 'copied', envelope, mailbox: 'dead-letters' as Name, attempt: 3 } as const;
  const records: JournalRecord[] = [{ ...copy, holder: testSession, holding, lastHold, body }];
  store.journal.append(records);
  await store.journal.close();
  const { events } = await readAll(disk, { partBytesMax: 2 });
  assert.deepEqual(events.map(eventInBrief), ['stored #1 on', 'deadLettered #1', 'delivered #1']);
});

test('the numbers of records count all that was appended, over segments and owners', async () => {
  const { events, gaps } = await readAll(await stampedStore());
  assert.deepEqual(gaps, []);
  assert.deepEqual(
    events.map((event) => `${event.sequence} ${eventInBrief(event)}`),
    [
      '1 stored #1 text 1',
      '2 delivered #1',
      '3 stored #2 text 2',
      '4 delivered #2',
      '5 settled #2',
      '6 stored #3 text 3',
      '7 delivered #3',
      '8 stored #4 text 4',
      '9 delivered #4',
      '10 settled #4',
      '11 stored #5 text 5',
      '12 delivered #5',
      '13 stored #6 text 6',
      '14 delivered #6',
      '15 settled #6',
      '16 requeued #1',
      '17 stored #7 text 7',
      '17 dropped #1',
      '17 settled #3',
      '18 stored #8 text 8',
      '19 deadLettered #5',
    ],
  );
});

test('an event without a time of its own has that of its stamp', async () => {
  const { events } = await readAll(await stampedStore());
  const settled = events.filter(({ kind }) => kind === 'settled').map(({ time }) => time);
  assert.deepEqual(
    settled,
    [1_700_000_005_000, 1_700_000_010_000, 1_700_000_015_000, 1_700_000_017_000],
  );
});

test('a reading behind a number folds what is before it, and gives the same events from there on', async () => {
  const disk = await stampedStore();
  const whole = await readAll(disk);
  for (let after = 0; after <= 19; after++) {
    const { events, gaps } = await readAll(disk, { after });
    const rest = whole.events.filter(({ sequence }) => sequence > after);
    assert.deepEqual([events, gaps], [rest, []], `after ${after}`);
  }
});

/** Number of the message that the event is about. */
function numberOf(event: MailEvent): number {
  if (event.kind === 'paused' || event.kind === 'resumed') return 0;
  return event.kind === 'stored' ? event.envelope.number : event.message.number;
}

/** All of the event but its time, which is that of an earlier stamp if its own is corrupt. */
function textOf({ time, ...event }: MailEvent): string {
  return JSON.stringify(event);
}

test(`any flipped byte leaves every event exact, in order and once, or in a gap, or without its body or post (SEED=${seed})`, async () => {
  const disk = await stampedStore();
  const { events: all } = await readAll(disk);
  const known = new Set(all.map((event) => textOf(event)));
  for (const [file, bytes] of disk.files()) {
    for (let offset = seed % stride; offset < bytes.length; offset += stride) {
      const corrupt = disk.clone();
      corrupt.tamper(file, flipped(bytes, offset));
      const what = `byte ${offset} of ${file}`;
      const { events, gaps, batches } = await readAll(corrupt, { after: 0 });
      const texts = events.map((event) => textOf(event));
      assert.equal(new Set(texts).size, events.length, what);
      const sequences = events.map(({ sequence }) => sequence);
      assert.deepEqual(
        sequences,
        sequences.toSorted((one, other) => one - other),
        what,
      );
      const altered = events.filter((_, index) => !known.has(texts[index] ?? ''));
      for (const event of altered) {
        const isBodiless = event.kind === 'stored' && !event.part;
        const isGuessed = event.kind === 'settled' && gaps.length > 0;
        assert(isBodiless || isGuessed, `${what}: ${textOf(event)}`);
      }
      const end = batches.at(-1)?.next.sequence ?? 0;
      const stored = new Set(events.filter(({ kind }) => kind === 'stored').map(numberOf));
      for (const event of all) {
        if (texts.includes(textOf(event)) || !stored.has(numberOf(event))) continue;
        if (altered.some(({ sequence }) => sequence === event.sequence)) continue;
        const { sequence } = event;
        const isMissing = gaps.some(({ from, to }) => from <= sequence && sequence <= to);
        assert(isMissing || sequence > end, `${what}: ${textOf(event)}`);
      }
      for (const event of all) {
        if (event.kind !== 'stored' || stored.has(numberOf(event))) continue;
        const { sequence } = event;
        const isMissing = gaps.some(({ from, to }) => from <= sequence && sequence <= to);
        assert(isMissing || sequence > end, `${what}: ${textOf(event)}`);
      }
    }
  }
});

test('an empty store has no events, and a store that is not there has none either', async () => {
  const disk = new CrashDisk('/home');
  assert.deepEqual((await readAll(disk)).batches, [
    { events: [], next: { epoch: 0, sequence: 0 }, gap: undefined, hasMore: false },
  ]);
  const store = await openStore({ disk: disk.process() });
  await store.journal.close();
  assert.deepEqual((await readAll(disk)).events, []);
});

test('a batch has at most 256 KiB of bodies, and all but the last say that there is more', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  for (let number = 1; number <= 5; number++) {
    append(store, postedRecord(number, 'x'.repeat(200_000)));
  }
  await store.journal.close();
  const { batches } = await readAll(disk, { partBytesMax: 1_000_000 });
  assert.deepEqual(
    batches.map(({ events, hasMore }) => [events.length, hasMore]),
    [
      [2, true],
      [2, true],
      [1, false],
    ],
  );
});
