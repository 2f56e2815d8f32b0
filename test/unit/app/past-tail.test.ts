import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PastTail } from '../../../src/app/past-tail.ts';
import { startBehindEpoch } from '../../../src/broker/past-events.ts';
import { storeId } from '../../../src/journal/recovery.ts';
import { readEvents } from '../../../src/journal/store-reader.ts';
import type { EventCursor } from '../../../src/model/mail-events.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { append, openStore, storeFolder } from '../../support/disk/journal-store.ts';
import { eventInBrief } from '../../support/disk/past.ts';

/** What a follower of the files of a disk is told, which may be another disk each time. */
function follower(disk: () => CrashDisk) {
  const tail = new PastTail({
    storeId: async () => storeId(storeFolder, disk().process()),
    read: (options) => readEvents(storeFolder, { ...options, disk: disk().process() }),
    startBehind: (epoch) => startBehindEpoch(disk().process(), storeFolder, epoch),
  });
  return async (cursor: EventCursor) => {
    const told: string[] = [];
    for await (const { events } of tail.behind(cursor, { partBytesMax: 100 })) {
      for (const event of events) {
        const id = 'message' in event ? event.message.id : '';
        told.push(`${eventInBrief(event)} ${id}`.trim());
      }
    }
    return told;
  };
}

test('records of a replaced owner that were read before its successor began are forgotten, also if a broker told what is in their place', async () => {
  let disk = new CrashDisk('/home');
  const told = follower(() => disk);
  const first = await openStore({ disk: disk.process() });
  append(first, postedRecord(1, 'kept'));
  await first.journal.sync();
  const before = disk.clone();
  append(first, postedRecord(2, 'of the replaced owner'));
  await first.journal.sync();
  assert.deepEqual(await told({ epoch: 0, sequence: 0 }), [
    'stored #1 kept',
    'stored #2 of the replaced owner',
  ]);
  disk = before;
  const second = await openStore({ disk: disk.process() });
  const own = postedRecord(2, 'of its successor', { count: 99 });
  append(second, own);
  const { epoch, sequence } = second.journal;
  append(second, { kind: 'settled', numbers: [2] });
  await second.journal.sync();
  assert.deepEqual(await told({ epoch, sequence }), [`dropped #2 ${own.envelope.id}`]);
});

test('what was read of a store that was removed is forgotten when another one is in its place', async () => {
  let disk = new CrashDisk('/home');
  const told = follower(() => disk);
  const removed = await openStore({ disk: disk.process() });
  append(removed, postedRecord(1, 'in the one that was removed'));
  await removed.journal.sync();
  assert.deepEqual(await told({ epoch: 0, sequence: 0 }), [
    'stored #1 in the one that was removed',
  ]);
  const { epoch, sequence } = removed.journal;
  disk = new CrashDisk('/home');
  const made = await openStore({ disk: disk.process() });
  const own = postedRecord(1, 'in the new one', { count: 99 });
  append(made, own);
  append(made, { kind: 'settled', numbers: [1] });
  await made.journal.sync();
  assert.deepEqual(await told({ epoch, sequence }), [`dropped #1 ${own.envelope.id}`]);
});
