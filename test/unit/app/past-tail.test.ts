import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PastTail } from '../../../src/app/past-tail.ts';
import { startBehindEpoch } from '../../../src/broker/past-events.ts';
import { readEvents } from '../../../src/journal/store-reader.ts';
import type { EventCursor } from '../../../src/model/mail-events.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { append, openStore, storeFolder } from '../../support/disk/journal-store.ts';
import { eventInBrief } from '../../support/disk/past.ts';

test('records of a replaced owner that were read before its successor began are forgotten, also if a broker told what is in their place', async () => {
  let disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process() });
  append(first, postedRecord(1, 'kept'));
  await first.journal.sync();
  const before = disk.clone();
  append(first, postedRecord(2, 'of the replaced owner'));
  await first.journal.sync();
  const tail = new PastTail({
    read: (options) => readEvents(storeFolder, { ...options, disk: disk.process() }),
    startBehind: (epoch) => startBehindEpoch(disk.process(), storeFolder, epoch),
  });
  const told = async (cursor: EventCursor) => {
    const found: string[] = [];
    for await (const { events } of tail.behind(cursor, { partBytesMax: 100 })) {
      for (const event of events) {
        const id = 'message' in event ? event.message.id : '';
        found.push(`${eventInBrief(event)} ${id}`.trim());
      }
    }
    return found;
  };
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
