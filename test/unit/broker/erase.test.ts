// What a real broker with a real disk does when sessions ask it to erase settled mail.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Client } from '../../../src/client/client.ts';
import { type Disk, realDisk } from '../../../src/journal/disk.ts';
import type { Name } from '../../../src/model/message.ts';
import { startBroker } from '../../support/brokers.ts';

const [ann, ben, eve] = ['ann', 'ben', 'eve'] as [Name, Name, Name];

/** A message that is stored, read and settled. */
async function exchange(client: Client, mailbox: Name, text: string): Promise<void> {
  await client.post(mailbox, Buffer.from(text));
  const delivery = await client.wait(mailbox, { timeoutMs: 5_000 });
  assert(delivery);
  await client.settle([delivery]);
}

/** All that the files of the store contain. */
async function contentOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const all = files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1'));
  return (await Promise.all(all)).join('\n');
}

test('an erase that the disk fails is refused, and the broker goes on', async (context) => {
  let isBroken = false;
  const disk: Disk = {
    ...realDisk,
    create(path) {
      if (isBroken && path.includes('/history/')) {
        throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 });
      }
      return realDisk.create(path);
    },
  };
  const { client, folder } = await startBroker(context, { disk });
  const agent = client();
  await exchange(agent, ann, 'text of ann');
  await exchange(agent, ben, 'text of ben');
  isBroken = true;
  await assert.rejects(agent.erase(ann), { code: 'storage_failed' });
  isBroken = false;
  await exchange(agent, ben, 'more of ben');
  assert.equal((await agent.erase(ann)).messages, 1);
  const content = await contentOf(folder);
  assert.equal(content.includes('text of ann'), false);
  assert.equal(content.includes('text of ben'), true);
});

test('a broker that is closed amid a compaction or an erase stops it, and answers nothing', async (context) => {
  for (const kind of ['compact', 'erase'] as const) {
    const { broker, client, folder } = await startBroker(context, {
      limits: { segmentBytesMax: 4_000 },
    });
    const agent = client();
    for (let count = 0; count < 40; count++) {
      await agent.post(count % 4 === 0 ? ann : ben, Buffer.alloc(900));
    }
    for (;;) {
      const delivery = await agent.wait(ben, { timeoutMs: 0 });
      if (!delivery) break;
      await agent.settle([delivery]);
    }
    const removing = kind === 'compact' ? agent.compact() : agent.erase('');
    const refused = assert.rejects(removing, { code: 'unreachable' });
    const segments = () => readdirSync(join(folder, 'epochs', '00000001')).length;
    const before = segments();
    while (segments() >= before) await new Promise(setImmediate);
    await broker.close();
    await refused;
    assert.ok(segments() > before - 5, `${kind}: of ${before} segments ${segments()} are left`);
  }
});

test('two sessions that erase at the same time both get what they asked for', async (context) => {
  const { client, folder } = await startBroker(context);
  const [one, other] = [client(), client()];
  for (let count = 0; count < 20; count++) {
    for (const mailbox of [ann, ben, eve]) await exchange(one, mailbox, `${count} of ${mailbox}`);
  }
  const [ofAnn, ofBen] = await Promise.all([one.erase(ann), other.erase(ben)]);
  assert.deepEqual([ofAnn.messages, ofBen.messages], [20, 20]);
  const content = await contentOf(folder);
  assert.equal(content.includes(' of ann'), false);
  assert.equal(content.includes(' of ben'), false);
  assert.equal(content.match(/\d+ of eve/g)?.length, 20);
});

test('an erase ends while other sessions go on with their mail', async (context) => {
  const { client, folder } = await startBroker(context);
  const person = client();
  await exchange(person, ann, 'text of ann');
  let isErased = false;
  let exchanges = 0;
  const busy = Array.from({ length: 8 }, async (_, index) => {
    const agent = client();
    for (; !isErased && exchanges < 5_000; exchanges++) {
      await exchange(agent, `agent ${index}` as Name, 'x'.repeat(2_000));
    }
  });
  const erased = await person.erase(ann);
  isErased = true;
  await Promise.all(busy);
  assert.equal(erased.messages, 1);
  assert(exchanges < 5_000, 'the erase ended before the traffic did');
  assert.equal((await contentOf(folder)).includes('text of ann'), false);
});

test('an erase that finds no room on the disk is refused, and erases once there is room', async (context) => {
  let isFull = false;
  const disk: Disk = {
    ...realDisk,
    create(path) {
      if (!isFull) return realDisk.create(path);
      throw Object.assign(new Error('ENOSPC: no space left on device'), {
        code: 'ENOSPC',
        errno: -28,
      });
    },
  };
  const { client, folder } = await startBroker(context, { disk });
  const agent = client();
  await exchange(agent, ann, 'text of ann');
  isFull = true;
  await assert.rejects(agent.erase(ann), { code: 'store_full' });
  isFull = false;
  assert.equal((await agent.erase(ann)).messages, 1);
  assert.equal((await contentOf(folder)).includes('text of ann'), false);
});
