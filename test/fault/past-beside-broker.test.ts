// The past is read beside a broker that writes, begins segments, compacts, and moves segments into history.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realDisk } from '../../src/journal/disk.ts';
import { listHistory } from '../../src/journal/paths.ts';
import type { MailEvent } from '../../src/model/mail-events.ts';
import type { Name } from '../../src/model/message.ts';
import { startBroker } from '../support/brokers.ts';
import { readPast } from '../support/disk/past.ts';

const mailboxes = ['ann', 'ben', 'cat'] as Name[];
const limits = {
  segmentBytesMax: 4_000,
  segmentReserveBytes: 512,
  segmentGrowthBytes: 512,
  segmentsCompact: 3,
  segmentsMerge: 6,
  logBytesCompact: 8_000,
};

function textOf(event: MailEvent): string {
  return JSON.stringify(event);
}

test('a reading beside a busy broker gives every event up to its end, in order and once', async (context) => {
  const { client, folder } = await startBroker(context, { limits });
  const messages = 450;
  let isBusy = true;

  const agent = async (mailbox: Name, next: Name) => {
    const mail = client();
    for (let count = 1; count <= messages / mailboxes.length; count++) {
      await mail.post(next, Buffer.from(`${mailbox} ${count} ${'x'.repeat(count % 200)}`), {
        from: mailbox,
      });
      const { deliveries } = await mail.fetch(mailbox, { messagesMax: 3 });
      // Some stay, and are copied by compaction.
      const [first, ...rest] = deliveries;
      if (first && count % 50 === 0) await mail.release([first]);
      await mail.settle(first && count % 50 !== 0 ? deliveries : rest);
    }
  };

  const readings: string[][] = [];
  const reader = async () => {
    while (isBusy) {
      const { events, gaps } = await readPast(folder);
      assert.deepEqual(gaps, []);
      readings.push(events.map(textOf));
    }
  };
  const readers = [reader(), reader()];
  await Promise.all(
    mailboxes.map((mailbox, index) => agent(mailbox, mailboxes[(index + 1) % 3] as Name)),
  );
  isBusy = false;
  await Promise.all(readers);
  const { events: all, gaps } = await readPast(folder);
  assert.deepEqual(gaps, []);
  const stored = all.filter(({ kind }) => kind === 'stored');
  assert.equal(stored.length, messages);
  const texts = all.map(textOf);
  assert.equal(new Set(texts).size, texts.length);
  assert(listHistory(realDisk, folder).length > 3, 'segments moved into history');
  assert(readings.length > 10, `only ${readings.length} readings`);
  for (const [index, reading] of readings.entries()) {
    assert.deepEqual(reading, texts.slice(0, reading.length), `reading ${index}`);
  }
});
