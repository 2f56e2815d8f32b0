// An erase takes the messages of one mailbox out of history, and leaves all else as it was told before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { History } from '../../../src/journal/history.ts';
import { prologueOf, residueId } from '../../../src/journal/history-file.ts';
import type { HistoryBound } from '../../../src/journal/history-limits.ts';
import { limitsDefault } from '../../../src/journal/journal-options.ts';
import type { PastFilter } from '../../../src/journal/past-filter.ts';
import { historyFilePath, historyPath, quarantineFilePath } from '../../../src/journal/paths.ts';
import { encodeRecord } from '../../../src/journal/record-codec.ts';
import { type SegmentId, segmentSeed } from '../../../src/journal/record-framing.ts';
import type { StampRecord } from '../../../src/journal/record-types.ts';
import { stampOfNone } from '../../../src/journal/sequence.ts';
import type { Name } from '../../../src/model/message.ts';
import type { CopiedRecord, JournalRecord } from '../../../src/model/records.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, settledRecord as settled } from '../../support/disk/journal-model.ts';
import {
  append,
  leaveLog,
  smallLimits as limits,
  type OpenStore,
  openStore,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { eventInBrief, readPast } from '../../support/disk/past.ts';
import { Random } from '../../support/random.ts';

const history: HistoryBound = { bytesMax: 1_000_000, ageMsMax: Number.POSITIVE_INFINITY };
const secret = 'secret' as Name;
const stamp: StampRecord = { kind: 'stamp', sequence: 50, time: 1 };

/** An owner that appends these records, and closes the store. It merges the segments of those before. */
async function own(disk: CrashDisk, ...records: JournalRecord[]): Promise<void> {
  const merging = { ...limits, segmentsMerge: 1 };
  const store = await openStore({ disk: disk.process(), limits: merging, history });
  append(store, ...records);
  await store.journal.close();
}

async function erase(store: OpenStore, mailbox: Name | ''): Promise<void> {
  await leaveLog(store);
  await store.journal.erase(mailbox);
}

async function told(disk: CrashDisk, filter?: PastFilter): Promise<string[]> {
  const { events } = await readPast(storeFolder, { disk: disk.process(), filter });
  return events.map(eventInBrief);
}

function flip(bytes: Buffer, at: number): void {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
}

/** A file of history. */
function writeFile(
  disk: CrashDisk,
  id: SegmentId,
  ...records: (JournalRecord | StampRecord)[]
): void {
  const process = disk.process();
  process.makeFolder(storeFolder);
  process.makeFolder(historyPath(storeFolder));
  const buffers = records.flatMap((record) => encodeRecord(record, segmentSeed(id)));
  disk.tamper(historyFilePath(storeFolder, id), Buffer.concat(buffers));
}

/** The post of messages 1 to "secret" and 2 to A, which a later file repeats. */
const post = postedRecord(1, 'to both', { to: 'secret', alsoTo: ['A'] });

/** Message 1 in the residue: message 2 has ended in a file that is gone. */
const kept: CopiedRecord = {
  ...{ kind: 'copied', envelope: post.envelope, mailbox: secret, attempt: 1, holder: '' },
  body: post.body,
};

test('settled mail is not told again when the other mailbox of its post is erased', async () => {
  const disk = new CrashDisk('/home');
  await own(disk, postedRecord(1, 'to both', { to: 'A', alsoTo: ['secret'] }), settled(1));
  await own(disk, postedRecord(3, 'next'));
  await own(disk, settled(2));
  const store = await openStore({ disk: disk.process(), limits, history });
  await erase(store, secret);
  assert.deepEqual(await told(disk), ['stored #1 to both', 'dropped #1', 'stored #3 next']);
});

test('settled mail whose end is not kept any more is not told as waiting when the other mailbox of its post is erased', async () => {
  const disk = new CrashDisk('/home');
  writeFile(disk, residueId, stampOfNone, kept);
  const file = { epoch: 1, segment: 1 };
  writeFile(disk, file, stamp, stampOfNone, post, stamp, postedRecord(3, 'later'));
  const process = disk.process();
  const own = new History(process, storeFolder, history, limitsDefault, systemRuntime);
  await own.erase(secret, []);
  assert.deepEqual(await told(disk), ['stored #3 later']);
});

test('a repeated post to several mailboxes is told to nobody who asks for one of them, as it is not told otherwise', async () => {
  const disk = new CrashDisk('/home');
  const file = { epoch: 1, segment: 1 };
  const wants: PastFilter['wants'] = ({ to }) => to === 'A';
  const filters = [
    { wants },
    { wants, mayWant: ({ bytes, body, end }) => bytes.subarray(body, end).includes('to both') },
  ] satisfies PastFilter[];
  // Message 1 has not ended, and message 2 has.
  writeFile(disk, residueId, stampOfNone, kept);
  writeFile(disk, file, stamp, stampOfNone, post, stamp, postedRecord(3, 'to both, too'));
  assert.deepEqual(await told(disk), ['stored #1 to both', 'stored #3 to both, too']);
  for (const filter of filters)
    assert.deepEqual(await told(disk, filter), ['stored #3 to both, too']);
  // Both have ended: their numbers are below that of a message that was stored.
  writeFile(disk, residueId, stampOfNone);
  const later = postedRecord(3, 'later', { to: 'B' });
  writeFile(disk, file, stamp, later, stampOfNone, post, stamp);
  assert.deepEqual(await told(disk), ['stored #3 later']);
  for (const filter of filters) assert.deepEqual(await told(disk, filter), []);
});

test('what a packed file has without numbers is told, although the next file begins at the same number', async () => {
  const disk = new CrashDisk('/home');
  writeFile(disk, { epoch: 1, segment: 1 }, stamp, stampOfNone, postedRecord(1, 'merged'));
  writeFile(disk, { epoch: 2, segment: 1 }, stamp, postedRecord(2, 'next'));
  assert.deepEqual(await told(disk), ['stored #1 merged', 'stored #2 next']);
});

for (const stampMs of [0, 1_000]) {
  const where = stampMs > 0 ? 'stamps' : 'no stamps';
  test(`an erase leaves what is told behind a damaged record, with ${where} behind it`, async () => {
    const disk = new CrashDisk('/home');
    let now = 1_700_000_000_000;
    const runtime = { ...systemRuntime, time: () => now };
    const store = await openStore({ disk: disk.process(), limits, history, runtime });
    const bodies = ['one', 'lost', 'three', 'four', 'five', 'six'];
    for (const [index, body] of bodies.entries()) {
      append(store, postedRecord(index + 1, body, { to: body === 'four' ? 'secret' : 'A' }));
      if (index % 2 === 1) now += stampMs;
    }
    append(store, settled(1, 2, 3, 4, 5));
    await leaveLog(store);
    const path = historyFilePath(storeFolder, { epoch: 1, segment: 1 });
    const bytes = disk.files().get(path) ?? assert.fail();
    flip(bytes, bytes.indexOf('lost') - 1);
    flip(bytes, bytes.indexOf('five'));
    disk.tamper(path, bytes);
    const expected = [
      'stored #1 one',
      'stored #3 three',
      'stored #5 undefined',
      'stored #6 six',
      'dropped #1',
      'dropped #3',
      'dropped #5',
    ];
    const others = (lines: readonly string[]) =>
      lines
        .filter((line) => !line.includes('#4'))
        .map((line) => line.replace('settled', 'dropped'));
    assert.deepEqual(others(await told(disk)), expected);
    await erase(store, secret);
    assert.equal(
      [...disk.files().values()].some((content) => content.includes('four')),
      false,
    );
    assert.deepEqual(
      (await told(disk)).map((line) => line.replace('settled', 'dropped')),
      expected,
    );
  });
}

test('an erase leaves what is told of a file whose stamp behind the prologue is damaged', async () => {
  const disk = new CrashDisk('/home');
  let now = 1_700_000_000_000;
  const runtime = { ...systemRuntime, time: () => now };
  const store = await openStore({ disk: disk.process(), limits, history, runtime });
  now += 1_000;
  append(store, postedRecord(1, 'one'), postedRecord(2, 'two', { to: 'secret' }), settled(1, 2));
  await leaveLog(store);
  const id = { epoch: 1, segment: 1 };
  const path = historyFilePath(storeFolder, id);
  const bytes = disk.files().get(path) ?? assert.fail();
  const { end } = prologueOf(bytes, id) ?? assert.fail();
  flip(bytes, end - 1);
  disk.tamper(path, bytes);
  await erase(store, secret);
  assert.deepEqual(await told(disk), ['stored #1 one', 'dropped #1']);
  assert.equal(
    [...disk.files().values()].some((content) => content.includes('two')),
    false,
  );
});

test('an erase leaves what is told of the end of a damaged file, also if the next segment is in quarantine', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits, history });
  append(store, postedRecord(1, 'lost'), postedRecord(2, 'behind it'), settled(1, 2));
  await leaveLog(store);
  append(store, postedRecord(3, 'next'));
  await leaveLog(store);
  await store.journal.close();
  const path = historyFilePath(storeFolder, { epoch: 1, segment: 1 });
  const bytes = disk.files().get(path) ?? assert.fail();
  flip(bytes, bytes.indexOf('lost') - 1);
  disk.tamper(path, bytes);
  const next = { epoch: 1, segment: 2 };
  const process = disk.process();
  process.makeFolder(`${storeFolder}/damaged`);
  process.rename(historyFilePath(storeFolder, next), quarantineFilePath(storeFolder, next));
  const expected = ['stored #2 behind it', 'dropped #2', 'stored #3 next'];
  assert.deepEqual(await told(disk), expected);
  await erase(await openStore({ disk: disk.process(), limits, history }), secret);
  assert.deepEqual(await told(disk), expected);
});

for (const bytesMax of [0, 1_000_000]) {
  test(`no power loss brings back what was erased, with a history of ${bytesMax} bytes`, async () => {
    const random = new Random(1);
    for (let loss = 0; loss < 40; loss++) {
      const disk = new CrashDisk('/home');
      const bound = { ...history, bytesMax };
      const first = await openStore({ disk: disk.process(), limits, history: bound });
      append(first, postedRecord(1, 'secret text'), postedRecord(2, 'live'), settled(1));
      await first.journal.close();
      const store = await openStore({ disk: disk.process(), limits, history: bound });
      await erase(store, '');
      disk.losePower(random);
      const files = [...disk.files()].filter(([, bytes]) => bytes.includes('secret text'));
      assert.deepEqual(
        files.map(([path]) => path),
        [],
        `loss ${loss}`,
      );
    }
  });
}

test('while mail is taken out of a long file, all else has its turns', async () => {
  const disk = new CrashDisk('/home');
  const file = { epoch: 1, segment: 1 };
  const records = Array.from({ length: 600 }, (_, index) =>
    postedRecord(index + 50, ''.padEnd(2_000), { to: index % 2 === 0 ? 'secret' : 'A' }),
  );
  writeFile(disk, file, stamp, ...records);
  let ms = 0;
  let turns = 0;
  const defer = (callback: () => void) => {
    turns++;
    systemRuntime.defer(callback);
  };
  // Each look at the clock is 5 ms later, so each step is a part of the work.
  const runtime = { ...systemRuntime, now: () => (ms += 5), defer };
  const own = new History(disk.process(), storeFolder, history, limitsDefault, runtime);
  assert.equal((await own.erase(secret, [])).messages, 300);
  assert(turns >= 15, `${turns} turns for 1.2 MB`);
});
