// The reader of the past: stores as earlier versions wrote them, without stamps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PastOptions, readEvents } from '../../../src/journal/store-reader.ts';
import type { EventBatch, MailEvent } from '../../../src/model/mail-events.ts';
import type { Name } from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, testSession } from '../../support/disk/journal-model.ts';
import { append, openStore, storeFolder } from '../../support/disk/journal-store.ts';

const holding = { name: 'ben' as Name, since: 1_700_000_005_000 };
const lastHold = {
  name: 'ben' as Name,
  from: 1_700_000_005_000,
  to: 1_700_000_006_000,
  ended: 'released',
} as const;

async function readAll(disk: CrashDisk, options: Partial<PastOptions> = {}) {
  const batches: EventBatch[] = [];
  const all = { partBytesMax: 100, disk: disk.process(), ...options };
  for await (const batch of readEvents(storeFolder, all)) batches.push(batch);
  return { batches, events: batches.flatMap(({ events }) => events) };
}

function inBrief(event: MailEvent): string {
  if (event.kind === 'paused' || event.kind === 'resumed') return event.kind;
  if (event.kind !== 'stored') return `${event.kind} #${event.message.number}`;
  return `stored #${event.envelope.number} ${event.part?.toString()}`;
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
  assert.deepEqual(events.map(inBrief), [
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
  assert.deepEqual(events.map(inBrief), ['stored #1 on', 'deadLettered #1', 'delivered #1']);
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
