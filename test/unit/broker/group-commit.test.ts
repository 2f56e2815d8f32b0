// The order of a sync and its sync point in the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '../../../src/model/message.ts';
import { startBroker } from '../../support/brokers.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';

const syncPointType = 2;

test('the sync point of a post is written behind its sync, though no other request follows', async (context) => {
  const gated = new GatedDisk();
  const { client } = await startBroker(context, { disk: gated.disk });
  const poster = client();
  await poster.status();
  const calls: (number | 'synced')[] = [];
  const pointWritten = new Promise<void>((resolve) => {
    gated.onWrite = (buffers) => {
      // The type of the first record.
      const type = Buffer.concat(buffers).readUInt8(2);
      calls.push(type);
      if (type === syncPointType) resolve();
    };
  });
  gated.onSynced = () => {
    calls.push('synced');
  };
  await poster.post('box' as Name, Buffer.from('alone'));
  await pointWritten;
  assert.deepEqual(calls.slice(-2), ['synced', syncPointType]);
  assert.equal(calls.filter((call) => call === syncPointType).length, 1);
});
