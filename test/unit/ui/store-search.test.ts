// What the page finds in the files of a store is what it finds in the events of the store's broker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { exportMail } from '../../../src/ui/mail-export.ts';
import { BrokerFeed, StoreFeed } from '../../../src/ui/mail-feed.ts';
import { searchStore } from '../../../src/ui/store-search.ts';
import type { WireFilter } from '../../../src/ui/wire.ts';
import { startBroker } from '../../support/brokers.ts';

test('a search and an export find the same in the files of a store and at its broker', async (context) => {
  const { client, folder } = await startBroker(context);
  const mail = client();
  const ann = 'ann' as Name;
  await mail.post(ann, Buffer.from('Größe: XL'), { id: 'order-Ä1' as MessageId });
  await mail.post('ben' as Name, Buffer.from('no order'), { id: 'second' as MessageId });
  await mail.post(ann, Buffer.from('third'), {});
  const { deliveries } = await mail.fetch(ann, { messagesMax: 1 });
  await mail.settle(deliveries);
  const { signal } = new AbortController();
  const found = async (filter: WireFilter) => {
    const all = [new StoreFeed(mail, folder), new BrokerFeed(mail)].map(async (feed) => {
      const { events } = await searchStore(feed, filter, 10, signal);
      let lines = '';
      for await (const text of await exportMail(feed, filter, 'jsonl', signal)) lines += text;
      const exported = lines.split('\n').filter((line) => line !== '');
      return {
        found: events.flatMap((event) => (event.kind === 'stored' ? [event.text] : [event.kind])),
        exported: exported.map((line) => JSON.parse(line).body),
      };
    });
    const [inFiles, atBroker] = await Promise.all(all);
    assert.deepEqual(inFiles, atBroker);
    return inFiles;
  };
  const first = ['Größe: XL', 'delivered', 'settled'];
  assert.deepEqual(await found({ text: 'GRÖSSE' }), { found: [], exported: [] });
  assert.deepEqual(await found({ text: 'GRÖßE' }), { found: first, exported: ['Größe: XL'] });
  assert.deepEqual(await found({ text: 'der-ä' }), { found: first, exported: ['Größe: XL'] });
  assert.deepEqual(await found({ text: 'order', to: ann }), {
    found: first,
    exported: ['Größe: XL'],
  });
  assert.deepEqual(await found({ mailbox: 'ben' as Name }), {
    found: ['no order'],
    exported: ['no order'],
  });
});
