// Requests that take the broker time: a post that waits for space, one that has its share of a sync, and a compaction.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bodyBytesMax, silenceMsResponse } from '../../../src/base/limits.ts';
import { checkStore } from '../../../src/journal/check.ts';
import { byteLength } from '../../../src/journal/segment-writer.ts';
import type { Name } from '../../../src/model/message.ts';
import { startBroker } from '../../support/brokers.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';

const box = 'box' as Name;

/** The sync of a small post of another session lasts until open(). */
async function startWithHangingSync(context: TestContext) {
  const gated = new GatedDisk();
  const { broker, client } = await startBroker(context, { disk: gated.disk });
  const [poster, other] = [client(), client()];
  await Promise.all([poster.status(), other.status()]);
  let open = () => {};
  gated.gate = new Promise((resolve) => {
    open = resolve;
  });
  const syncing = new Promise<void>((resolve) => {
    gated.onSync = resolve;
  });
  const small = other.post(box, Buffer.from('small'));
  await syncing;
  return { broker, gated, poster, small, open };
}

test('a session with a post that waits for space while the disk hangs does not take its broker for silent', async (context) => {
  const { gated, poster, small, open } = await startWithHangingSync(context);
  gated.onWrite = (buffers) => {
    if (byteLength(buffers) < bodyBytesMax / 2) return;
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
  };
  const large = poster.post(box, Buffer.alloc(bodyBytesMax));
  const refused = assert.rejects(large, { code: 'store_full' });
  await sleep(silenceMsResponse / 2);
  const status = poster.status();
  const answered = assert.doesNotReject(status);
  await sleep(silenceMsResponse * 1.5);
  open();
  await Promise.all([small, refused, answered]);
});

test('a post that waits for space when its broker is closed is not refused: the next owner may have room', async (context) => {
  const { broker, gated, poster, small, open } = await startWithHangingSync(context);
  const waits = new Promise<void>((resolve) => {
    gated.onWrite = (buffers) => {
      if (byteLength(buffers) < bodyBytesMax / 2) return;
      resolve();
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
    };
  });
  const large = poster.post(box, Buffer.alloc(bodyBytesMax));
  const unanswered = assert.rejects(large, { code: 'unreachable', maybeStored: true });
  await waits;
  const closing = broker.close();
  open();
  await Promise.all([closing, small, unanswered]);
});

test('a session that has its share of a sync while the disk hangs does not take its broker for silent', async (context) => {
  const { poster, small, open } = await startWithHangingSync(context);
  const large = poster.post(box, Buffer.alloc(bodyBytesMax));
  const order: string[] = [];
  const all = [
    large.then(() => order.push('post')),
    poster.status().then(() => order.push('status')),
  ];
  await sleep(silenceMsResponse * 2);
  assert.deepEqual(order, []);
  open();
  await Promise.all([small, ...all]);
  assert.deepEqual(order, ['post', 'status']);
});

test('a session gets the answer to a compaction before that to its next request', async (context) => {
  const { client } = await startBroker(context);
  const mail = client();
  await mail.post(box, Buffer.alloc(20_000, 'x'));
  await mail.settle((await mail.fetch(box)).deliveries);
  const order: string[] = [];
  await Promise.all([
    mail.compact().then(() => order.push('compact')),
    mail.status().then(() => order.push('status')),
  ]);
  assert.deepEqual(order, ['compact', 'status']);
});

test('a compaction ends although each segment has more for itself than the mail in it', {
  timeout: 20_000,
}, async (context) => {
  const limits = { segmentBytesMax: 150, segmentReserveBytes: 1, segmentGrowthBytes: 1 };
  const { client, folder } = await startBroker(context, { limits });
  const mail = client();
  for (let number = 1; number <= 5; number++) await mail.post(box, Buffer.from(`text ${number}`));
  await mail.compact();
  const { messages, sound } = await checkStore(folder);
  assert.deepEqual([messages, sound], [5, true]);
});

test('a post on a full disk is refused once all segments were written again without a gain', {
  timeout: 20_000,
}, async (context) => {
  const gated = new GatedDisk();
  const limits = { segmentBytesMax: 150, segmentReserveBytes: 1, segmentGrowthBytes: 1 };
  const { client } = await startBroker(context, { disk: gated.disk, limits });
  const mail = client();
  for (let number = 1; number <= 5; number++) await mail.post(box, Buffer.from(`text ${number}`));
  gated.onWrite = (buffers) => {
    if (byteLength(buffers) < bodyBytesMax / 2) return;
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
  };
  await assert.rejects(mail.post(box, Buffer.alloc(bodyBytesMax)), { code: 'store_full' });
});
