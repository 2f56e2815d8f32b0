// Messages that were stored in files of history which are gone, and that ended in later ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { History } from '../../../src/journal/history.ts';
import { checkHistory } from '../../../src/journal/history-check.ts';
import { residueId } from '../../../src/journal/history-file.ts';
import type { HistoryBound } from '../../../src/journal/history-limits.ts';
import { limitsDefault } from '../../../src/journal/journal-options.ts';
import { encodeRecord } from '../../../src/journal/record-codec.ts';
import { type SegmentId, segmentSeed } from '../../../src/journal/record-framing.ts';
import type { StoreRecord } from '../../../src/journal/record-types.ts';
import { readEach } from '../../../src/journal/recovery.ts';
import { stampOfNone } from '../../../src/journal/sequence.ts';
import { readEvents } from '../../../src/journal/store-reader.ts';
import type { MailEvent } from '../../../src/model/mail-events.ts';
import type { Name } from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import {
  postedRecord,
  settledRecord as settled,
  testSession,
} from '../../support/disk/journal-model.ts';
import {
  append,
  leaveLog,
  smallLimits as limits,
  type OpenStore,
  openStore,
  removeOldest,
  storeFolder,
} from '../../support/disk/journal-store.ts';
import { eventInBrief, readPast } from '../../support/disk/past.ts';
import { type ResidueSource, residueBytes } from '../../support/disk/plain-residue.ts';
import { toldRecords } from '../../support/disk/told-records.ts';
import { Random } from '../../support/random.ts';

const history: HistoryBound = { bytesMax: 12_000, ageMsMax: Number.POSITIVE_INFINITY };
const allLimits = { ...limitsDefault, ...limits };
const residuePath = `${storeFolder}/history/00000000-000000.log`;
/** Of a segment of the first epoch. */
const historyPathOf = (segment: number) => `${storeFolder}/history/00000001-00000${segment}.log`;

/** Owners that post and settle one message each, from `first` on; the one with the number `at` appends more. */
async function postEach(
  disk: CrashDisk,
  [first, last]: readonly [number, number],
  at = 0,
  more: readonly JournalRecord[] = [],
): Promise<void> {
  for (let number = first; number <= last; number++) {
    const store = await openStore({ disk: disk.process(), limits, history });
    append(store, postedRecord(number, `body ${number}`), settled(number));
    if (number === at) append(store, ...more);
    await store.journal.close();
  }
}

/** A store in which `earlier` was appended before the oldest file, and message 1 was settled within the bound. */
async function storeWith(...earlier: JournalRecord[]): Promise<CrashDisk> {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits, history });
  append(store, ...earlier);
  await store.journal.close();
  await postEach(disk, [10, 110], 107, [settled(1)]);
  return disk;
}

/** What is told of a message. */
async function lifeOf(disk: CrashDisk, number: number): Promise<MailEvent[]> {
  const { events } = await readPast(storeFolder, { disk: disk.process() });
  return events.filter((event) => {
    if ('envelope' in event) return event.envelope.number === number;
    return 'message' in event && event.message.number === number;
  });
}

/** A file of history of these records. */
function sourceOf(id: SegmentId, ...records: (JournalRecord | StoreRecord)[]): ResidueSource {
  const buffers = records.flatMap((each) => encodeRecord(each, segmentSeed(id)));
  return { id, bytes: Buffer.concat(buffers), end: 100 };
}

/** The numbers of the messages in a residue. */
function copiesIn(bytes: Buffer = Buffer.alloc(0)): number[] {
  const numbers: number[] = [];
  const record = (_: unknown, each: JournalRecord | undefined) => {
    if (each?.kind === 'copied') numbers.push(each.envelope.number);
  };
  const file = { ...residueId, bytes: bytes.length };
  for (const _ of readEach(bytes, file, { record, lost: () => assert.fail() }));
  return numbers;
}

async function briefLifeOf(disk: CrashDisk, number: number): Promise<string[]> {
  return (await lifeOf(disk, number)).map(eventInBrief);
}

test('a message whose first record is not kept any more is still known when it is settled', async () => {
  const disk = await storeWith(postedRecord(1, 'kept for long'));
  const [oldest] = await toldRecords(disk.process(), storeFolder);
  assert(oldest && oldest.sequence > 1);
  assert.deepEqual(await briefLifeOf(disk, 1), ['stored #1 kept for long', 'dropped #1']);
});

test('what became of it in files that are gone is known: its mailbox, its attempts, and the session that holds it', async () => {
  const holding = { name: 'ben' as Name, since: 1_700_000_005_000 };
  const disk = await storeWith(
    postedRecord(1, 'held'),
    { kind: 'offered', number: 1, holder: testSession, attempt: 1, holding },
    { kind: 'released', number: 1, attempt: 2 },
    { kind: 'offered', number: 1, holder: testSession, attempt: 2, holding },
  );
  const [stored, delivered, end, ...more] = await lifeOf(disk, 1);
  assert(stored?.kind === 'stored' && delivered?.kind === 'delivered' && end?.kind === 'settled');
  assert.equal(delivered.attempt, 2);
  assert.equal(end.name, 'ben');
  assert.deepEqual(more, []);
});

test('of a post to several mailboxes only those messages are kept that have not ended', async () => {
  const disk = await storeWith(postedRecord(1, 'to both', { alsoTo: ['B'] }), settled(2));
  assert.deepEqual(await briefLifeOf(disk, 1), ['stored #1 to both', 'dropped #1']);
  assert.deepEqual(copiesIn(disk.files().get(residuePath)), [1]);
});

test('a message that was settled in a file that is gone is not told, although another message of its post is kept', async () => {
  const disk = await storeWith(
    postedRecord(1, 'to both', { alsoTo: ['B'] }),
    { kind: 'offered', number: 2, holder: testSession, attempt: 1 },
    settled(2),
  );
  assert.deepEqual(await briefLifeOf(disk, 2), []);
  assert.deepEqual(await briefLifeOf(disk, 1), ['stored #1 to both', 'dropped #1']);
});

test('once the end itself is not kept any more, nothing is told of the message', async () => {
  const disk = await storeWith(postedRecord(1, 'gone at last'));
  assert(disk.files().has(residuePath));
  await postEach(disk, [111, 220]);
  assert.deepEqual(await briefLifeOf(disk, 1), []);
  assert(!disk.files().has(residuePath));
});

test('an owner that dies at any step of giving up the oldest file, with or without the power, loses no message', async () => {
  const prepared = new CrashDisk('/home');
  const store = await openStore({ disk: prepared.process(), limits, history });
  append(store, postedRecord(1, 'long'), postedRecord(2, 'longer'));
  await store.journal.close();
  await postEach(prepared, [10, 60], 50, [settled(1)]);
  const expected = ['stored #1 long', 'dropped #1'];
  const random = new Random(1);
  const seen = new Set<string>();
  for (let step = 1, isDone = false; !isDone; step++) {
    for (const isPower of [false, true, true, true]) {
      const disk = prepared.clone();
      const process = disk.process();
      process.dieAt = step;
      const open = openStore({ disk: process, limits, history: { ...history, bytesMax: 5_000 } });
      await open.then(({ journal }) => journal.close()).catch(() => {});
      isDone = !process.dead;
      if (isPower) disk.losePower(random);
      seen.add([...disk.files().keys()].filter((path) => path.includes('/history/')).join());
      assert.deepEqual(await briefLifeOf(disk, 1), expected, `step ${step}`);
      assert.deepEqual(await briefLifeOf(disk, 2), ['stored #2 longer'], `step ${step}`);
      await postEach(disk, [61, 61], 61, [settled(2)]);
      const life = await briefLifeOf(disk, 2);
      assert.deepEqual(life, ['stored #2 longer', 'dropped #2'], `behind step ${step}`);
    }
  }
  assert(seen.size > 5, [...seen].join('\n'));
});

test('an owner that dies amid several old files tells the whole life of a message that ended in one of them, or nothing', async () => {
  const prepared = new CrashDisk('/home');
  const wide = { ...history, bytesMax: 1_000_000 };
  const store = await openStore({ disk: prepared.process(), limits, history: wide });
  append(store, postedRecord(1, 'beyond the bound'));
  fillSegment(store, 10);
  append(store, settled(1));
  fillSegment(store, 20);
  fillSegment(store, 30);
  await removeOldest(store);
  await removeOldest(store);
  await store.journal.close();
  const [stored, ended] = [historyPathOf(1), historyPathOf(2)];
  assert(prepared.files().has(stored) && prepared.files().has(ended));
  const seen = new Set<string>();
  for (let step = 1, isDone = false; !isDone; step++) {
    const disk = prepared.clone();
    const process = disk.process();
    process.dieAt = step;
    const tight = { ...history, bytesMax: 1_000 };
    const open = openStore({ disk: process, limits, history: tight });
    await open.then(({ journal }) => journal.close()).catch(() => {});
    isDone = !process.dead;
    const files = [stored, ended].filter((path) => disk.files().has(path));
    seen.add(`${files.length} files: ${(await briefLifeOf(disk, 1)).join()}`);
  }
  assert.deepEqual(
    [...seen],
    ['2 files: stored #1 beyond the bound,dropped #1', '1 files: ', '0 files: '],
  );
});

/** Settled mail up to the end of the segment. */
function fillSegment(store: OpenStore, first: number): void {
  for (let number = first; number < first + 5; number++) {
    append(store, postedRecord(number, 'x'.repeat(5_000)), settled(number));
  }
}

test('when history is too long, old files go until an eighth of the bound is free', async () => {
  const disk = await storeWith(postedRecord(1, 'kept for long'));
  const bytesIn = () => {
    const files = [...disk.files()].filter(([path]) => path.includes('/history/'));
    return files.reduce((sum, [, { length }]) => sum + length, 0);
  };
  const before = bytesIn();
  const tight = { ...history, bytesMax: before - 1 };
  await (await openStore({ disk: disk.process(), limits, history: tight })).journal.close();
  assert(bytesIn() <= (tight.bytesMax * 7) / 8);
  // With a bound that is exactly as long as what is left, no file goes.
  const after = bytesIn();
  const exact = { ...history, bytesMax: after };
  const other = new History(disk.process(), storeFolder, exact, allLimits, systemRuntime);
  other.tidy([]);
  await other.close();
  assert.equal(bytesIn(), after);
});

test('an owner that is replaced while it makes the residue leaves every file, also that of its successor', async () => {
  const prepared = await storeWith(postedRecord(1, 'kept for long'));
  const tight = { ...history, bytesMax: 6_000 };
  const ofSuccessor = `${storeFolder}/history/0-0.new`;
  let replacedAt = 1;
  for (let turns = 1; ; replacedAt++) {
    const disk = prepared.clone();
    let clock = 0;
    turns = 0;
    const nextTurn = (work: () => void) => {
      turns++;
      if (turns === replacedAt) {
        old.mayChange = () => false;
        disk.tamper(ofSuccessor, Buffer.from('not complete'));
      }
      return setImmediate(work);
    };
    // Each step is a turn of its own, with a rest or, since the owner closes, without one.
    const runtime = {
      ...{ now: () => (clock += 1_000), time: () => 0 },
      ...{ defer: (work: () => void) => void nextTurn(work), setTimer: nextTurn },
    };
    const old = new History(disk.process(), storeFolder, tight, allLimits, runtime);
    old.tidy([]);
    await old.close();
    if (turns < replacedAt) break;
    const expected = new Map([...prepared.files(), [ofSuccessor, Buffer.from('not complete')]]);
    assert.deepEqual(disk.files(), expected, `turn ${replacedAt}`);
  }
  assert(replacedAt > 2, `${replacedAt - 1} turns`);
});

test('the residue is bounded: live mail goes first, of which the log has copies, and then what was stored first', () => {
  const id = { epoch: 1, segment: 1 };
  const body = 'x'.repeat(300);
  const records = [1, 2, 3, 4, 5, 6].map((number) => postedRecord(number, body));
  const stamp = { kind: 'stamp', sequence: 1, time: 1 } as const;
  const buffers = [stamp, ...records, settled(3)].map((each) =>
    encodeRecord(each, segmentSeed(id)),
  );
  const source = { id, bytes: Buffer.concat(buffers.flat()), end: 100 };
  const numbersIn = (bytesMax: number): number[] => {
    const isLive = (number: number) => number >= 5;
    const bytes = residueBytes([source], bytesMax, isLive);
    assert(bytes.length <= bytesMax);
    return copiesIn(bytes);
  };
  assert.deepEqual(numbersIn(10_000), [1, 2, 4, 5, 6]);
  assert.deepEqual(numbersIn(1_700), [1, 2, 4, 6]);
  assert.deepEqual(numbersIn(1_000), [2, 4]);
  assert.deepEqual(numbersIn(600), [4]);
  assert.deepEqual(numbersIn(100), []);
});

test('a message that ended in a file that is gone is not kept again because another one of its post is repeated', () => {
  const [before, after] = [residueId, { epoch: 1, segment: 1 }];
  const post = postedRecord(1, 'to both', { alsoTo: ['B'] });
  const copied = { kind: 'copied', envelope: post.envelope, mailbox: 'A' as Name } as const;
  const kept = { ...copied, attempt: 1, holder: '', body: post.body } as const;
  const stamp = { kind: 'stamp', sequence: 50, time: 1 } as const;
  const sources = [
    sourceOf(before, stampOfNone, kept),
    sourceOf(after, stampOfNone, post, stamp, postedRecord(3, 'later')),
  ];
  assert.deepEqual(copiesIn(residueBytes(sources, 10_000, () => false)), [1, 3]);
});

test('a message below one of the residue is not kept again because its post is repeated', () => {
  const [before, after] = [residueId, { epoch: 1, segment: 1 }];
  const { envelope, body } = postedRecord(3, 'kept');
  const kept = {
    kind: 'copied',
    envelope,
    mailbox: 'A' as Name,
    attempt: 1,
    holder: '',
    body,
  } as const;
  // The residue had no room for message 1, and message 2 has ended.
  const post = postedRecord(1, 'to both', { alsoTo: ['B'] });
  const stamp = { kind: 'stamp', sequence: 50, time: 1 } as const;
  const sources = [
    sourceOf(before, stampOfNone, kept),
    sourceOf(after, stampOfNone, post, stamp, postedRecord(4, 'later')),
  ];
  assert.deepEqual(copiesIn(residueBytes(sources, 10_000, () => false)), [3, 4]);
});

test('what a power loss left behind a torn record is not told when its file goes', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits, history });
  append(store, postedRecord(1, 'x'.repeat(4_000)), settled(1));
  await store.journal.sync();
  append(store, postedRecord(2, 'torn'), postedRecord(3, 'behind it'));
  const path = `${storeFolder}/epochs/00000001/seg-000001.log`;
  const bytes = disk.files().get(path) ?? assert.fail();
  disk.losePower(new Random(1));
  disk.tamper(path, bytes.fill(0, bytes.indexOf('torn') - 20, bytes.indexOf('torn')));
  await postEach(disk, [10, 60]);
  assert(!disk.files().has(historyPathOf(1)));
  assert.deepEqual(await briefLifeOf(disk, 3), []);
});

test('a message behind a hole in the residue is told', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process(), limits, history });
  append(store, postedRecord(1, 'first'), postedRecord(2, 'second'));
  await store.journal.close();
  await postEach(disk, [10, 110], 107, [settled(1, 2)]);
  const bytes = disk.files().get(residuePath) ?? assert.fail();
  disk.tamper(residuePath, bytes.fill(0, bytes.indexOf('first') - 20, bytes.indexOf('first')));
  assert.deepEqual(await briefLifeOf(disk, 2), ['stored #2 second', 'dropped #2']);
});

test('large messages have an eighth of the residue: those that were stored last', () => {
  const id = { epoch: 1, segment: 1 };
  const large = 'x'.repeat(70_000);
  const bodies = [large, 'small', large, large, 'small', large];
  const records = bodies.map((body, index) => postedRecord(index + 1, body));
  const stamp = { kind: 'stamp', sequence: 1, time: 1 } as const;
  const buffers = [stamp, ...records].map((each) => encodeRecord(each, segmentSeed(id)));
  const source = { id, bytes: Buffer.concat(buffers.flat()), end: 100 };
  const numbersIn = (bytesMax: number, isLive = (_number: number) => false) =>
    copiesIn(residueBytes([source], bytesMax, isLive));
  assert.deepEqual(numbersIn(4_000_000), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(numbersIn(1_200_000), [2, 4, 5, 6]);
  assert.deepEqual(
    numbersIn(1_200_000, (number) => number === 6),
    [2, 3, 4, 5],
  );
  assert.deepEqual(numbersIn(500_000), [2, 5]);
});

test('on a full disk the residue goes first, before any file that has the life of messages', async () => {
  const disk = await storeWith(postedRecord(1, 'kept for long'));
  const store = await openStore({ disk: disk.process(), limits, history });
  assert(store.journal.hasSpaceForPost(100, 0));
  append(store, postedRecord(111, 'the last with room'));
  const paths = () => [...disk.files().keys()].filter((path) => path.includes('/history/'));
  const [first, ...others] = paths().sort();
  assert.equal(first, residuePath);
  disk.bytesMax = [...disk.files().values()].reduce((sum, { length }) => sum + length, 0);
  for (let number = 112; disk.files().has(residuePath); number++) {
    assert(store.journal.hasSpaceForPost(100, 0));
    if (disk.files().has(residuePath)) assert.deepEqual(paths().sort(), [first, ...others]);
    else
      assert.deepEqual(
        paths()
          .sort()
          .slice(-others.length + 1),
        others.slice(1),
      );
    append(store, postedRecord(number, 'x'.repeat(100)));
  }
  await store.journal.close();
});

test('what the residue takes up while it is read beside an owner is told as well, once', async () => {
  const disk = new CrashDisk('/home');
  for (let number = 1; number <= 60; number++) {
    const store = await openStore({ disk: disk.process(), limits, history });
    append(store, postedRecord(number, `body ${number}`));
    if (number > 3) append(store, settled(number - 3));
    await store.journal.close();
  }
  assert(disk.files().has(residuePath));
  let [whole, atRace] = [0, 0];
  for (const bytesMax of [3_000, 5_000, 7_000, 9_000]) {
    for (let step = 1; step <= 4; step++) {
      const copy = disk.clone();
      const told: string[] = [];
      let steps = 0;
      // An owner gives up old files when so many steps of reading were made.
      const trim = async () => {
        if (steps++ !== step) return;
        const tight = { ...history, bytesMax };
        const { journal } = await openStore({ disk: copy.process(), limits, history: tight });
        await journal.close();
      };
      const slow = { now: () => 0, defer: (work: () => void) => void trim().then(work) };
      const options = { disk: copy.process(), partBytesMax: 100, runtime: slow, turnMsMax: 0 };
      let gaps = 0;
      for await (const { events, gap } of readEvents(storeFolder, options)) {
        told.push(...events.map(eventInBrief));
        if (gap) gaps++;
      }
      if (gaps > 0) atRace++;
      const what = `${bytesMax} bytes, after ${step} steps`;
      assert.equal(new Set(told).size, told.length, what);
      // Each record that settles is of three owners later, so all ends are told whose record is kept.
      const { events } = await readPast(storeFolder, { disk: copy.process() });
      for (const end of events.map(eventInBrief).filter((line) => line.startsWith('dropped'))) {
        const id = end.slice('dropped '.length);
        const number = id.slice(1);
        // Behind a gap, which may have had a delivery, a drop is told as a settle.
        const life = told.filter((line) => line === end || line.split(' ')[1] === id);
        const expected = [`stored ${id} body ${number}`, end];
        assert.deepEqual(
          life.map((line) => line.replace('settled', 'dropped')),
          expected,
          what,
        );
        whole++;
      }
    }
  }
  assert(whole > 40 && atRace > 4, `${whole} lives, ${atRace} gaps`);
});

test('erasing a mailbox takes its messages out of the residue', async () => {
  const disk = await storeWith(
    postedRecord(1, 'secret text'),
    postedRecord(2, 'other', { to: 'B' }),
  );
  const store = await openStore({ disk: disk.process(), limits, history });
  await erase(store, 'A' as Name);
  const texts = [...disk.files()].map(([, bytes]) => bytes.toString('latin1')).join();
  assert(!texts.includes('secret text'));
  assert.deepEqual(await briefLifeOf(disk, 2), ['stored #2 other']);
});

async function erase(store: OpenStore, mailbox: Name): Promise<void> {
  await leaveLog(store);
  await store.journal.erase(mailbox);
  await store.journal.close();
}

test('a corrupt residue is reported, and the rest of history is told', async () => {
  const disk = await storeWith(postedRecord(1, 'kept for long'));
  const bytes = disk.files().get(residuePath) ?? assert.fail();
  bytes[bytes.indexOf('kept for long')] = 0;
  disk.tamper(residuePath, bytes);
  const { faults } = await checkHistory(disk.process(), storeFolder);
  assert.deepEqual(faults, [
    `history: ${residuePath} has lost some of what it told; no mail is affected`,
  ]);
  assert.deepEqual((await briefLifeOf(disk, 107)).at(-1), 'dropped #107');
});
