import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRecords, sealRecord, segmentSeed } from '../../src/journal/framing.ts';
import { encodeRecord } from '../../src/journal/records.ts';
import { CrashDisk } from '../support/crash-disk.ts';
import { postedRecord } from '../support/journal-model.ts';
import {
  append,
  type OpenStore,
  openStore,
  removeOldest,
  storeFolder,
} from '../support/journal-store.ts';

function path(epoch: number, segment: number): string {
  return `${storeFolder}/epochs/0000000${epoch}/seg-00000${segment}.log`;
}

function contents(disk: CrashDisk, file: string): Buffer {
  const bytes = disk.files().get(file);
  assert(bytes, file);
  return bytes;
}

/** Messages 1 and 2 in epoch 1; 3 and 4, each with a sync of its own, in epoch 2. */
async function twoEpochs(): Promise<{ disk: CrashDisk; states: string[] }> {
  const disk = new CrashDisk('/home');
  const limits = { segmentReserveBytes: 64, segmentGrowthBytes: 64 };
  const first = await openStore({ disk: disk.process(), limits });
  append(first, postedRecord(1, 'one'), postedRecord(2, 'two'));
  await first.journal.close();
  const states = [first.model.state()];
  const second = await openStore({ disk: disk.process(), limits });
  for (const number of [3, 4]) {
    append(second, postedRecord(number, `number ${number}`));
    states.push(second.model.state());
    await second.journal.sync();
  }
  await second.journal.close();
  return { disk, states };
}

/** Three segments in epoch 1, all of them synced. */
async function threeSegments(): Promise<{ disk: CrashDisk; store: OpenStore }> {
  const disk = new CrashDisk('/home');
  const limits = { segmentBytesMax: 300, segmentReserveBytes: 1, segmentGrowthBytes: 1 };
  const store = await openStore({ disk: disk.process(), limits });
  for (const number of [1, 2]) append(store, postedRecord(number, 'x'.repeat(250)));
  append(store, postedRecord(3, 'three'));
  await store.journal.close();
  return { disk, store };
}

/** It says damaged, and every file is what it was. */
async function assertRefused(disk: CrashDisk, code: string, what: string): Promise<void> {
  const before = disk.files();
  await assert.rejects(openStore({ disk: disk.process() }), { code }, what);
  assert.deepEqual(disk.files(), before, what);
}

test('the newest segment cut at any byte opens with all the records before the cut', async () => {
  const { disk, states } = await twoEpochs();
  const bytes = contents(disk, path(2, 1));
  const posts = [...readRecords(bytes, segmentSeed({ epoch: 2, segment: 1 }))].filter(
    (raw) => raw.type === 16,
  );
  const ends = posts.map((raw) => raw.end);
  assert.equal(ends.length, 2);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const torn = disk.clone();
    torn.tamper(path(2, 1), bytes.subarray(0, cut));
    const { model, journal } = await openStore({ disk: torn.process() });
    const whole = ends.filter((end) => end <= cut).length;
    assert.equal(model.state(), states[whole], `cut at ${cut}`);
    await journal.close();
    const again = await openStore({ disk: torn.process() });
    assert.equal(again.model.state(), states[whole], `cut at ${cut}, opened again`);
  }
});

test('any flipped byte below the last mark is damage, and above it costs no synced record', async () => {
  const { disk, states } = await twoEpochs();
  const bytes = contents(disk, path(2, 1));
  const records = [...readRecords(bytes, segmentSeed({ epoch: 2, segment: 1 }))];
  const mark = records.at(-1);
  assert(mark);
  for (let offset = 0; offset < bytes.length; offset++) {
    const flipped = Buffer.from(bytes);
    flipped[offset] = (flipped[offset] ?? 0) ^ 0x10;
    const damaged = disk.clone();
    damaged.tamper(path(2, 1), flipped);
    if (offset < mark.offset) await assertRefused(damaged, 'store_damaged', `byte ${offset}`);
    else assert.equal((await openStore({ disk: damaged.process() })).model.state(), states[2]);
  }
});

test('an earlier epoch with any flipped or missing byte is damage', async () => {
  const { disk } = await twoEpochs();
  const bytes = contents(disk, path(1, 1));
  const records = [...readRecords(bytes, segmentSeed({ epoch: 1, segment: 1 }))];
  const mark = records.at(-1);
  assert(mark);
  for (let offset = 0; offset < mark.offset; offset++) {
    const flipped = Buffer.from(bytes);
    flipped[offset] = (flipped[offset] ?? 0) ^ 0x01;
    for (const wrong of [flipped, bytes.subarray(0, offset)]) {
      const damaged = disk.clone();
      damaged.tamper(path(1, 1), wrong);
      await assertRefused(damaged, 'store_damaged', `byte ${offset}`);
    }
  }
});

test('a segment that a later mark covers may be neither cut nor missing', async () => {
  const { disk } = await threeSegments();
  for (const segment of [1, 2]) {
    const bytes = contents(disk, path(1, segment));
    for (let cut = 0; cut < bytes.length; cut += 7) {
      const damaged = disk.clone();
      damaged.tamper(path(1, segment), bytes.subarray(0, cut));
      await assertRefused(damaged, 'store_damaged', `segment ${segment} cut at ${cut}`);
    }
    const missing = disk.clone();
    missing.tamper(path(1, segment), undefined);
    await assertRefused(missing, 'store_damaged', `segment ${segment} is missing`);
  }
});

test('a newest segment whose header is gone is damage when its own marks say that it was synced', async () => {
  const { disk } = await threeSegments();
  const bytes = contents(disk, path(1, 3));
  bytes[30] = 0xee;
  disk.tamper(path(1, 3), bytes);
  await assertRefused(disk, 'store_damaged', 'header');
});

test('a newer format is refused, and no byte of the store is changed', async () => {
  const { disk } = await twoEpochs();
  const header = {
    kind: 'segment',
    format: 2,
    store: '00'.repeat(16),
    nextNumber: 1,
    openingBytes: 0,
    durable: { segment: 0, offset: 0 },
    earlier: [],
  } as const;
  const bytes = encodeRecord(header, segmentSeed({ epoch: 1, segment: 1 }));
  disk.tamper(path(1, 1), Buffer.concat([...bytes, Buffer.from('what only a newer one knows')]));
  const before = disk.files();
  const process = disk.process();
  await assert.rejects(openStore({ disk: process }), { code: 'store_newer' });
  assert.deepEqual(disk.files(), before);
  assert.deepEqual(
    process.calls.filter((call) => !call.startsWith('list') && !call.startsWith('readPart')),
    [],
  );
});

test('a removed segment that comes back is passed over, and goes again', async () => {
  const limits = { segmentBytesMax: 300, segmentReserveBytes: 1, logBytesCompact: 0 };
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1, 'settled'.repeat(40)));
  append(store, { kind: 'settled', numbers: [1] });
  append(store, postedRecord(2, 'lives'));
  await store.journal.sync();
  const removed = contents(disk, path(1, 1));
  await removeOldest(store);
  assert.equal(disk.files().has(path(1, 1)), false);
  await store.journal.close();

  disk.tamper(path(1, 1), removed);
  const next = await openStore({ disk: disk.process(), limits });
  assert.equal(next.model.state(), store.model.state());
  assert.equal(disk.files().has(path(1, 1)), false);
});

test('a record of an unknown kind that may be passed over is kept for who knows it', async () => {
  const disk = new CrashDisk('/home');
  const limits = { segmentReserveBytes: 1, segmentGrowthBytes: 1 };
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1, 'one'));
  await store.journal.close();
  const seed = segmentSeed({ epoch: 1, segment: 1 });

  const unknown = { type: 200, flags: 1, body: Buffer.alloc(0), bodyChecksum: 0 };
  const record = sealRecord(unknown, (writer) => writer.text('from the future'), seed);
  const bytes = contents(disk, path(1, 1));
  disk.tamper(path(1, 1), Buffer.concat([bytes, ...record]));

  const next = await openStore({ disk: disk.process(), limits });
  assert.equal(next.model.state(), store.model.state());
  assert(contents(disk, path(2, 1)).includes('from the future'));
});
