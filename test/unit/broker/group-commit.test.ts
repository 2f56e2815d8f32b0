// The order of syncs and of what is written and sent between them.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Disk, realDisk } from '../../../src/journal/disk.ts';
import type { Name } from '../../../src/model/message.ts';
import { startBroker } from '../../support/brokers.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';

const segmentType = 1;
const syncPointType = 2;
const recordMagic = '\xff\x4a';

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

test('a post that came before the removal of a segment waits for its own sync, and for none of the removal', async (context) => {
  const gated = new GatedDisk();
  const limits = {
    segmentBytesMax: 2_000,
    logBytesCompact: 1,
    segmentsCompact: 1,
    segmentsMerge: 2,
  };
  const { client } = await startBroker(context, { disk: gated.disk, limits });
  const [poster, other] = [client(), client()];
  await other.status();
  await poster.post('box' as Name, Buffer.alloc(3_000, 'x'));

  const [ofDrop, ofRemoval] = [new Gate(), new Gate()];
  const gates = [ofDrop.opened, Promise.resolve(), ofRemoval.opened];
  const dropBegan = new Gate();
  gated.onSync = () => {
    gated.gate = gates.shift() ?? Promise.resolve();
    dropBegan.open();
  };
  const dropped = poster.drop('box' as Name);
  await dropBegan.opened;
  const written = new Gate();
  gated.onWrite = () => written.open();
  const stored = other.post('other' as Name, Buffer.from('while the drop is synced'));
  await written.opened;
  ofDrop.open();
  await Promise.all([dropped, stored]);
  assert.equal(gates.length, 0, 'the removal has begun');
  ofRemoval.open();
});

test('many deliveries of one turn are written and sent in parts', async (context) => {
  const gated = new GatedDisk();
  const { client } = await startBroker(context, { disk: gated.disk });
  const [poster, reader] = [client(), client()];
  const count = 200;
  const numbers = Array.from({ length: count }, (_, index) => `${index}`);
  await Promise.all(numbers.map((each) => poster.post('box' as Name, Buffer.from(each))));
  const recordsOf: number[] = [];
  gated.onWrite = (buffers) => {
    recordsOf.push(Buffer.concat(buffers).toString('latin1').split(recordMagic).length - 1);
  };
  const waits = numbers.map(() => reader.wait(['box' as Name], { timeoutMs: 60_000 }));
  const bodies = (await Promise.all(waits)).map((each) => each?.body?.toString());
  assert.deepEqual(bodies, numbers);
  // Without the sync point of the posts.
  const all = recordsOf.reduce((sum, each) => sum + each, 0);
  assert.ok(all >= count, `${all} records`);
  assert.ok(Math.max(...recordsOf) <= 65, `writes of ${recordsOf} records`);
});

test('an erase that comes while a segment is being removed takes out the later ones, too', async (context) => {
  const ofFolder = new Gate();
  const removalBegan = new Gate();
  const gated = new GatedDisk();
  const disk: Disk = {
    ...gated.disk,
    // Of the store, once it has the folder of history: before the first segment is moved there.
    syncFolder: async (path) => {
      if (existsSync(join(path, 'history'))) {
        removalBegan.open();
        await ofFolder.opened;
      }
      await realDisk.syncFolder(path);
    },
  };
  const limits = {
    segmentBytesMax: 2_000,
    logBytesCompact: 1,
    segmentsCompact: 1,
    segmentsMerge: 2,
  };
  const { client, folder } = await startBroker(context, { disk, limits });
  const poster = client();
  await poster.post('box' as Name, Buffer.alloc(3_000, 'x'));
  await poster.drop('box' as Name);
  await removalBegan.opened;

  const eraseBegan = new Gate();
  gated.onWrite = (buffers) => {
    // The first record of a segment.
    if (Buffer.concat(buffers).readUInt8(2) === segmentType) eraseBegan.open();
  };
  const posted = poster.post('box' as Name, Buffer.from('a secret'));
  const dropped = poster.drop('box' as Name);
  const erased = poster.erase('');
  await eraseBegan.opened;
  await setImmediate();
  ofFolder.open();
  await Promise.all([posted, dropped, erased]);
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names
    .filter((name) => name.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const all = Buffer.concat(await Promise.all(files.map((file) => readFile(file))));
  assert.equal(all.includes('a secret'), false);
});

class Gate {
  open!: () => void;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}
