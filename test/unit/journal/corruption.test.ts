import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkStore } from '../../../src/journal/check.ts';
import { encodeRecord } from '../../../src/journal/record-codec.ts';
import { readRecords, sealRecord, segmentSeed } from '../../../src/journal/record-framing.ts';
import { storeId } from '../../../src/journal/recovery.ts';
import { flipped, openCorruptStore, smallFiles } from '../../support/disk/corrupt-store.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { type JournalModel, postedRecord, testSession } from '../../support/disk/journal-model.ts';
import {
  append,
  type OpenStore,
  openStore,
  removeOldest,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { Random } from '../../support/random.ts';

function path(epoch: number, segment: number): string {
  return `${storeFolder}/epochs/0000000${epoch}/seg-00000${segment}.log`;
}

function contents(disk: CrashDisk, file: string): Buffer {
  const bytes = disk.files().get(file);
  assert(bytes, file);
  return bytes;
}

/** Messages 1 and 2 in epoch 1; 3 and 4, each with a sync of its own, in epoch 2. */
async function twoEpochs({ isKilled = false } = {}): Promise<{
  disk: CrashDisk;
  states: string[];
  model: JournalModel;
}> {
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
  if (!isKilled) await second.journal.close();
  return { disk, states, model: second.model };
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

test('the newest segment of a killed owner cut at any byte opens with all the records before the cut', async () => {
  const { disk, states } = await twoEpochs({ isKilled: true });
  const bytes = contents(disk, path(2, 1));
  const posts = [...readRecords(bytes, segmentSeed({ epoch: 2, segment: 1 }))].filter(
    (raw) => raw.type === 16,
  );
  const ends = posts.map((raw) => raw.end);
  assert.equal(ends.length, 2);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const torn = disk.clone();
    torn.tamper(path(2, 1), bytes.subarray(0, cut));
    const { model, journal } = await openStore({ disk: torn.process(), limits: smallFiles });
    const whole = ends.filter((end) => end <= cut).length;
    assert.equal(model.state(), states[whole], `cut at ${cut}`);
    await journal.close();
    const again = await openStore({ disk: torn.process(), limits: smallFiles });
    assert.equal(again.model.state(), states[whole], `cut at ${cut}, opened again`);
  }
});

test('the newest segment of an orderly owner cut at any byte, or missing, is reported', async () => {
  const { disk, model } = await twoEpochs();
  const bytes = contents(disk, path(2, 1));
  const seed = segmentSeed({ epoch: 2, segment: 1 });
  const ends = [...readRecords(bytes, seed)].filter((raw) => raw.type === 16).map((raw) => raw.end);
  for (let cut = -1; cut < bytes.length; cut++) {
    const torn = disk.clone();
    torn.tamper(path(2, 1), cut < 0 ? undefined : bytes.subarray(0, cut));
    const { lost, damaged, reports } = await openCorruptStore(torn, model, `cut at ${cut}`);
    const harmed = ends.filter((end) => end > cut).length;
    assert.equal(lost.length + damaged.length, harmed, `cut at ${cut}`);
    if (harmed > 0) assert.notDeepEqual(reports, [], `cut at ${cut}`);
  }
});

test('any flipped byte below the last sync point costs at most its own message, and is reported', async () => {
  const { disk, model } = await twoEpochs();
  for (const file of [path(1, 1), path(2, 1)]) {
    const bytes = contents(disk, file);
    const epoch = file === path(1, 1) ? 1 : 2;
    const marks = [...readRecords(bytes, segmentSeed({ epoch, segment: 1 }))];
    const end = marks.at(-1)?.offset ?? 0;
    for (let offset = 0; offset < bytes.length; offset++) {
      const damaged = disk.clone();
      damaged.tamper(file, flipped(bytes, offset));
      const what = `byte ${offset} of ${file}`;
      const outcome = await openCorruptStore(damaged, model, what);
      assert(outcome.lost.length + outcome.damaged.length <= 1, what);
      assert.equal(outcome.reports.length > 0, offset < end, what);
    }
  }
});

test('a flipped byte of a body leaves its message in its place, without the body', async () => {
  const { disk, model } = await twoEpochs();
  const bytes = contents(disk, path(1, 1));
  disk.tamper(path(1, 1), flipped(bytes, bytes.indexOf('two')));
  const outcome = await openCorruptStore(disk, model, 'two');
  assert.deepEqual(outcome, {
    lost: [],
    damaged: [2],
    reports: [
      'segment 1 of epoch 1: the body of message #2 is damaged',
      `the reports are in ${storeFolder}/damaged, with the damaged files that are not needed any more; delete a report to stop this warning`,
    ],
  });
});

test('a flipped byte in a record header loses one message, and its number is reported', async () => {
  const { disk, model } = await twoEpochs();
  const bytes = contents(disk, path(2, 1));
  const seed = segmentSeed({ epoch: 2, segment: 1 });
  const [post] = [...readRecords(bytes, seed)].filter((raw) => raw.type === 16);
  assert(post);
  disk.tamper(path(2, 1), flipped(bytes, post.offset + 5));
  const { lost, damaged, reports } = await openCorruptStore(disk, model, 'head');
  assert.deepEqual([lost, damaged], [[3], []]);
  assert.equal(
    reports[0],
    `segment 1 of epoch 2: ${post.end - post.offset} bytes at byte ${post.offset} are lost; messages that may have been there: #3`,
  );
});

test('the report of a lost range has no more messages than fit into it, however many there were before', async () => {
  const disk = new CrashDisk('/home');
  const limits = { segmentBytesMax: 300, segmentReserveBytes: 1, logBytesCompact: 0 };
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1_000_000_000, 'x'.repeat(300)));
  append(store, postedRecord(1_000_000_001, 'behind it'.repeat(40)));
  append(store, { kind: 'settled', numbers: [1_000_000_000] });
  await removeOldest(store);
  await store.journal.close();
  const bytes = contents(disk, path(1, 2));
  disk.tamper(path(1, 2), flipped(bytes, 5));
  const { faults } = await checkStore(storeFolder, disk.process());
  assert.deepEqual(faults, [
    'segment 2 of epoch 1: 86 bytes at byte 0 are lost; messages that may have been there: up to 2',
  ]);
});

test('a segment cut at any byte, empty or missing: the rest is served, and no file is changed', async () => {
  const { disk, store } = await threeSegments();
  for (const segment of [1, 2]) {
    const bytes = contents(disk, path(1, segment));
    for (let cut = -1; cut < bytes.length; cut++) {
      const damaged = disk.clone();
      damaged.tamper(path(1, segment), cut < 0 ? undefined : bytes.subarray(0, cut));
      const before = damaged.files();
      const what = `segment ${segment} cut at ${cut}`;
      const { lost, damaged: harmed, reports } = await openCorruptStore(damaged, store.model, what);
      assert(lost.length + harmed.length <= 1, what);
      assert(
        [...lost, ...harmed].every((number) => number === segment),
        what,
      );
      assert.notDeepEqual(reports, [], what);
      const after = damaged.files();
      for (const [name, content] of before) assert.deepEqual(after.get(name), content, what);
    }
  }
});

test('settled mail whose settle is lost is redelivered, and the corruption is reported', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  append(store, postedRecord(1, 'one'), postedRecord(2, 'two'));
  append(store, { kind: 'settled', numbers: [1] });
  await store.journal.close();
  const bytes = contents(disk, path(1, 1));
  const seed = segmentSeed({ epoch: 1, segment: 1 });
  const settle = [...readRecords(bytes, seed)].find((raw) => raw.type === 19);
  assert(settle);
  disk.tamper(path(1, 1), flipped(bytes, settle.offset));
  const { reports } = await openCorruptStore(disk, store.model, 'settle');
  const next = await openStore({ disk: disk.process() });
  assert.deepEqual([...next.model.messages.keys()], [1, 2]);
  assert.match(reports[0] ?? '', /^segment 1 of epoch 1: 32 bytes at byte \d+ are lost$/);
});

test('a corrupt prologue of the newest segment loses no message behind it', async () => {
  for (const make of [threeSegments, twoEpochs]) {
    const { disk, ...rest } = await make();
    const model = 'store' in rest ? rest.store.model : rest.model;
    const file = make === threeSegments ? path(1, 3) : path(2, 1);
    const damaged = disk.clone();
    damaged.tamper(file, flipped(contents(disk, file), 30));
    const { lost, damaged: harmed, reports } = await openCorruptStore(damaged, model, file);
    assert.deepEqual([lost, harmed], [[], []]);
    assert.match(reports[0] ?? '', /bytes at byte 0 are lost/);
  }
});

/**
 * Message 1 in the first segment of epoch 1, with the sync point behind it in the second; messages 2 and 3
 * in epoch 3, into which that second segment and epoch 2 were merged.
 */
async function mergedEpoch(): Promise<{ disk: CrashDisk; model: JournalModel }> {
  const disk = new CrashDisk('/home');
  const limits = { ...smallFiles, segmentBytesMax: 2_000, segmentsCompact: 1, segmentsMerge: 2 };
  const first = await openStore({ disk: disk.process(), limits });
  append(first, postedRecord(1, 'x'.repeat(2_000)));
  append(first, postedRecord(2, 'two'));
  await first.journal.sync();
  const second = await openStore({ disk: disk.process(), limits });
  append(second, postedRecord(3, 'three'.repeat(50)));
  await second.journal.sync();
  const third = await openStore({ disk: disk.process(), limits });
  await third.journal.close();
  assert.deepEqual(segmentsIn(disk), [path(1, 1), path(3, 1)]);
  return { disk, model: third.model };
}

function segmentsIn(disk: CrashDisk): string[] {
  return [...disk.files().keys()].filter((file) => file.includes('/seg-'));
}

test('a flipped byte in the `segment` record of a merged epoch loses no message of older epochs', async () => {
  const { disk, model } = await mergedEpoch();
  const bytes = contents(disk, path(3, 1));
  const [header] = [...readRecords(bytes, segmentSeed({ epoch: 3, segment: 1 }))];
  assert(header);
  for (let offset = 0; offset < header.end; offset++) {
    const damaged = disk.clone();
    damaged.tamper(path(3, 1), flipped(bytes, offset));
    const { lost, damaged: harmed, reports } = await openCorruptStore(damaged, model, `${offset}`);
    assert.deepEqual([lost, harmed], [[], []], `byte ${offset}`);
    assert.equal(reports[0], `segment 1 of epoch 3: ${header.end} bytes at byte 0 are lost`);
  }
});

test('the id of a store is found in the second `segment` record if the first is corrupt', async () => {
  const disk = new CrashDisk('/home');
  const { journal } = await openStore({ disk: disk.process(), limits: smallFiles });
  await journal.close();
  const bytes = contents(disk, path(1, 1));
  const [header] = [...readRecords(bytes, segmentSeed({ epoch: 1, segment: 1 }))];
  assert(header);
  for (let offset = 0; offset < header.end; offset++) {
    disk.tamper(path(1, 1), flipped(bytes, offset));
    assert.equal(storeId(storeFolder, disk.process()), journal.storeId, `byte ${offset}`);
  }
});

test('without any `segment` record of the newest epoch, the valid records of older epochs count', async () => {
  const { disk, model } = await mergedEpoch();
  const bytes = contents(disk, path(3, 1));
  const seed = segmentSeed({ epoch: 3, segment: 1 });
  const headers = [...readRecords(bytes, seed)].filter((raw) => raw.type === 1);
  for (const { offset } of headers) bytes[offset] = 0;
  disk.tamper(path(3, 1), bytes);
  const { lost, damaged } = await openCorruptStore(disk, model, 'no header');
  assert.deepEqual([headers.length, lost, damaged], [2, [], []]);
});

test('a damaged message survives compaction, and its segment stays in quarantine until it is deleted', async () => {
  const limits = { segmentBytesMax: 300, segmentReserveBytes: 1, logBytesCompact: 0 };
  const disk = new CrashDisk('/home');
  const first = await openStore({ disk: disk.process(), limits });
  append(first, postedRecord(1, 'damaged soon '.repeat(9)), postedRecord(2, 'x'.repeat(300)));
  append(first, postedRecord(3, 'three'), { kind: 'settled', numbers: [2] });
  append(first, { kind: 'released', number: 1, attempt: 4 });
  await first.journal.close();
  const bytes = flipped(contents(disk, path(1, 1)), contents(disk, path(1, 1)).indexOf('soon'));
  disk.tamper(path(1, 1), bytes);

  const second = await openStore({ disk: disk.process(), limits });
  await removeOldest(second);
  await second.journal.close();
  assert.equal(disk.files().has(path(1, 1)), false);
  assert.deepEqual(contents(disk, `${storeFolder}/damaged/00000001-000001.log`), bytes);
  assert.deepEqual((await checkStore(storeFolder, disk.process())).sound, true);

  const third = await openStore({ disk: disk.process(), limits });
  assert.equal(third.model.state(), second.model.state());
  assert.equal(third.model.messages.get(1)?.attempt, 4);
  assert.equal(third.journal.body(1), undefined);
  assert.equal(third.journal.damagedMessages, 1);
  assert.match(third.journal.warnings()[0] ?? '', /the body of message #1 is damaged$/);
  disk.tamper(`${storeFolder}/damaged/00000001-000001.json`, undefined);
  assert.deepEqual(third.journal.warnings(), []);
  append(third, { kind: 'settled', numbers: [1] });
  assert.equal(third.journal.damagedMessages, 0);
});

test('reports that cannot be read neither keep a store from opening nor end its owner, and known corruption is reported', async () => {
  const { disk } = await twoEpochs();
  disk.tamper(
    path(1, 1),
    flipped(contents(disk, path(1, 1)), contents(disk, path(1, 1)).indexOf('two')),
  );
  const broken = disk.process();
  const list = broken.list.bind(broken);
  broken.list = (folder) => {
    if (folder === `${storeFolder}/damaged`) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    return list(folder);
  };
  const { journal } = await openStore({ disk: broken });
  assert.deepEqual(journal.warnings(), [
    'segment 1 of epoch 1: the body of message #2 is damaged',
    `the reports in ${storeFolder}/damaged cannot be read (EIO)`,
  ]);
});

test('if many bodies become corrupt while the owner runs, those beyond the limit are counted', async () => {
  const disk = new CrashDisk('/home');
  const limits = { bodyCacheBytesMax: 0 };
  const { journal, model } = await openStore({ disk: disk.process(), limits });
  const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
  append({ journal, model }, ...numbers.map((number) => postedRecord(number, 'soon damaged')));
  const bytes = Buffer.from(contents(disk, path(1, 1)));
  for (let at = bytes.indexOf('soon'); at !== -1; at = bytes.indexOf('soon', at))
    bytes.write('S', at);
  disk.tamper(path(1, 1), bytes);
  for (const number of numbers) assert.equal(journal.body(number), undefined);
  const warnings = journal.warnings();
  assert.equal(warnings[31], 'segment 1 of epoch 1: the body of message #32 is damaged');
  assert.match(warnings.join('\n'), /segment 1 of epoch 1: 8 more, not listed|and 1 more reports/);
});

test('a damaged message in merged segments keeps its place', async () => {
  const disk = new CrashDisk('/home');
  const many = { ...smallFiles, segmentsCompact: 100, segmentsMerge: 200 };
  for (let number = 1; number <= 7; number++) {
    const store = await openStore({ disk: disk.process(), limits: many });
    const settles = number === 4 ? [1] : [];
    append(store, postedRecord(number, `message ${number}`, { settles }));
    await store.journal.close();
  }
  const bytes = contents(disk, path(4, 1));
  disk.tamper(path(4, 1), flipped(bytes, bytes.indexOf('message 4')));
  const store = await openStore({
    disk: disk.process(),
    limits: { ...many, segmentsCompact: 2, segmentsMerge: 4 },
  });
  assert.equal(disk.files().has(path(4, 1)), false);
  assert(disk.files().has(`${storeFolder}/damaged/00000004-000001.log`));
  append(store, { kind: 'offered', number: 4, holder: testSession, attempt: 3 });
  await store.journal.close();
  const next = await openStore({ disk: disk.process(), limits: many });
  assert.deepEqual([...next.model.messages.keys()].sort(), [2, 3, 4, 5, 6, 7]);
  assert.equal(next.model.messages.get(4)?.attempt, 3);
  assert.deepEqual(
    [3, 4, 5].map((number) => next.journal.body(number)?.toString()),
    ['message 3', undefined, 'message 5'],
  );
});

test('a removed segment is not reported missing, though bytes before its `removed` record are corrupt', async () => {
  const limits = { segmentBytesMax: 300, segmentReserveBytes: 1, logBytesCompact: 0 };
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits });
  append(store, postedRecord(1, 'settled'.repeat(40)));
  append(store, { kind: 'settled', numbers: [1] }, postedRecord(2, 'damaged'));
  await removeOldest(store);
  await store.journal.close();
  const bytes = contents(disk, path(1, 2));
  disk.tamper(path(1, 2), flipped(bytes, bytes.indexOf('damaged')));
  const { damaged, reports } = await openCorruptStore(disk, store.model, 'removed');
  assert.deepEqual(damaged, [2]);
  assert.equal(reports[0], 'segment 2 of epoch 1: the body of message #2 is damaged');
});

test('an owner that dies at any step of opening a corrupt store leaves the same for the next', async () => {
  const { disk: before, model } = await twoEpochs();
  const bytes = contents(before, path(1, 1));
  before.tamper(path(1, 1), flipped(bytes, bytes.indexOf('two')));
  const newest = contents(before, path(2, 1));
  before.tamper(path(2, 1), flipped(newest, 30));
  const { reports } = await openCorruptStore(before.clone(), model, 'no death');
  let steps = 0;
  for (let opened = false; !opened; ) {
    steps++;
    const disk = before.clone();
    const process = disk.process();
    process.dieAt = steps;
    opened = await openStore({ disk: process }).then(
      () => true,
      () => false,
    );
    process.kill();
    const { lost, damaged, reports: again } = await openCorruptStore(disk, model, `step ${steps}`);
    assert.deepEqual([lost, damaged, again], [[], [2], reports], `step ${steps}`);
  }
  assert(steps > 20, `only ${steps} steps`);
});

async function withNewer(epoch: number): Promise<CrashDisk> {
  const { disk } = await twoEpochs();
  const header = {
    kind: 'segment',
    format: 2,
    store: '00'.repeat(16),
    nextNumber: 1,
    prologueBytes: 0,
    durable: { segment: 0, offset: 0 },
    earlier: [],
  } as const;
  const bytes = encodeRecord(header, segmentSeed({ epoch, segment: 1 }));
  disk.tamper(
    path(epoch, 1),
    Buffer.concat([...bytes, Buffer.from('what only a newer one knows')]),
  );
  return disk;
}

test('a newer format is refused, and nothing is written', async () => {
  const disk = await withNewer(2);
  const before = disk.files();
  const process = disk.process();
  await assert.rejects(openStore({ disk: process }), { code: 'store_newer' });
  assert.deepEqual(disk.files(), before);
  assert.deepEqual(
    process.calls.filter((call) => !call.startsWith('list') && !call.startsWith('readPart')),
    [],
  );
});

test('a newer format of an older segment alone is refused, and the store is as before', async () => {
  const disk = await withNewer(1);
  const before = disk.files();
  await assert.rejects(openStore({ disk: disk.process() }), { code: 'store_newer' });
  assert.deepEqual(disk.files(), before);
});

test('a removed segment that a power loss brings back is ignored, and removed again', async () => {
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

test('a record of an unknown type that may be skipped is kept for newer versions', async () => {
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

test('corruption in a segment that is merged is reported, wherever the owner dies that found it', async () => {
  const disk = new CrashDisk('/home');
  for (const number of [1, 2, 3]) {
    const store = await openStore({ disk: disk.process(), limits: smallFiles });
    append(store, postedRecord(number, `number ${number}`));
    await store.journal.close();
  }
  const bytes = contents(disk, path(2, 1));
  disk.tamper(path(2, 1), flipped(bytes, bytes.indexOf('number 2') - 1));
  const limits = { ...smallFiles, segmentsMerge: 1 };
  const what = '102 bytes at byte 305 are lost; messages that may have been there: #2';
  for (let step = 1, hasDied = true; hasDied; step++) {
    const copy = disk.clone();
    const process = copy.process();
    process.dieAt = step;
    await openStore({ disk: process, limits }).catch(() => {});
    hasDied = process.dead;
    process.kill();
    const { journal } = await openStore({ disk: copy.process(), limits });
    const [report] = journal.warnings();
    assert.equal(report, `segment 1 of epoch 2: ${what}`, `died at step ${step}`);
    await journal.close();
  }
});

test('no power loss takes the report of corruption in a segment that was merged', async () => {
  const prepared = new CrashDisk('/home');
  for (const number of [1, 2, 3]) {
    const store = await openStore({ disk: prepared.process(), limits: smallFiles });
    append(store, postedRecord(number, `number ${number}`));
    await store.journal.close();
  }
  const bytes = contents(prepared, path(2, 1));
  prepared.tamper(path(2, 1), flipped(bytes, bytes.indexOf('number 2') - 1));
  const limits = { ...smallFiles, segmentsMerge: 1 };
  const random = new Random(1);
  for (let loss = 0; loss < 20; loss++) {
    const disk = prepared.clone();
    const process = disk.process();
    await openStore({ disk: process, limits });
    assert.deepEqual(
      process.calls.filter((call) => /Note .*damaged|create .*damaged/.test(call)),
      [`create ${storeFolder}/damaged/00000002-000001.json.new`],
    );
    disk.losePower(random);
    const { journal } = await openStore({ disk: disk.process(), limits });
    const [report] = journal.warnings();
    assert.equal(
      report,
      'segment 1 of epoch 2: 102 bytes at byte 305 are lost; messages that may have been there: #2',
    );
  }
});
