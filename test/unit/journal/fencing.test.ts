// An owner must notice every newer epoch, though most of its checks do not list the epochs.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { type Disk, realDisk } from '../../../src/journal/disk.ts';
import type { Epoch } from '../../../src/journal/epoch.ts';
import { Fencing } from '../../../src/journal/fencing.ts';
import { hasWallClock } from '../../../src/journal/filesystem.ts';
import { epochPath, epochsPath } from '../../../src/journal/paths.ts';
import { CrashDisk, type ProcessDisk } from '../../support/disk/crash-disk.ts';
import { settledRecord } from '../../support/disk/journal-model.ts';
import { openStore, storeFolder } from '../../support/disk/journal-store.ts';
import { Random } from '../../support/random.ts';

/** An owner of epoch 1, on a machine whose clocks and file system the test controls. */
class Owner {
  readonly disk = new CrashDisk('/home', storeFolder, epochsPath(storeFolder));
  readonly process: ProcessDisk;
  readonly fencing: Fencing;
  /** Monotonic, and the wall clock: both in milliseconds. */
  now = 5_000;
  time = 1_700_000_000_000;

  /** `granularityMs`: the times of the file system are multiples of it. */
  constructor(granularityMs: number, trustsTimes = true) {
    this.process = this.disk.process();
    this.disk.changeTime = () =>
      BigInt(Math.floor(this.time / granularityMs) * granularityMs) * 1_000_000n;
    const path = epochPath(storeFolder, 1);
    this.process.makeFolder(path);
    const own: Epoch = { epoch: 1, path, identity: this.process.identity(path) };
    const runtime = { now: () => this.now, time: () => this.time };
    this.fencing = new Fencing(this.process, storeFolder, own, runtime);
    this.fencing.trustsTimes = trustsTimes;
  }

  pass(ms: number): void {
    this.now += ms;
    this.time += ms;
  }

  /** Whether the check passes, and whether it listed the epochs. */
  check(): { passes: boolean; lists: boolean } {
    const before = this.process.calls.length;
    const passes = this.fencing.passes();
    const calls = this.process.calls.slice(before);
    return { passes, lists: calls.some((call) => call.startsWith('list ')) };
  }

  successor(epoch = 2): void {
    this.disk.process().makeFolder(epochPath(storeFolder, epoch));
  }
}

test('once the epochs have been the same for a while, a check does not list them, and still notices a successor', () => {
  const owner = new Owner(1);
  assert.deepEqual(owner.check(), { passes: true, lists: true });
  owner.pass(3_999);
  assert.deepEqual(owner.check(), { passes: true, lists: true });
  owner.pass(1);
  assert.deepEqual(owner.check(), { passes: true, lists: true });
  assert.deepEqual(owner.check(), { passes: true, lists: false });
  owner.pass(1);
  owner.successor();
  assert.deepEqual(owner.check(), { passes: false, lists: true });
  assert.deepEqual(owner.check(), { passes: false, lists: true });
});

test('a successor whose own successor has removed its epoch is noticed', () => {
  const owner = new Owner(2_000);
  owner.check();
  owner.pass(4_000);
  owner.check();
  owner.successor();
  owner.successor(3);
  owner.disk.process().removeFolder(epochPath(storeFolder, 2));
  assert.equal(owner.check().passes, false);
});

test('an epoch that was removed and created anew is not the one of the owner, even in the same tick of the clock', () => {
  const owner = new Owner(2_000);
  const other = owner.disk.process();
  owner.check();
  other.removeFolder(epochPath(storeFolder, 1));
  other.makeFolder(epochPath(storeFolder, 1));
  assert.equal(owner.check().passes, false);
});

for (const granularityMs of [1, 10, 1_000, 2_000]) {
  test(`with time stamps of ${granularityMs} ms, a successor is noticed by the first check, whenever it comes`, () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const owner = new Owner(granularityMs);
      for (let step = random.below(30); step > 0; step--) {
        owner.pass(random.oneIn(2) ? random.below(5) : random.below(2_500));
        assert.equal(owner.check().passes, true, `seed ${seed}`);
      }
      owner.pass(random.oneIn(2) ? 0 : random.below(3_000));
      owner.successor();
      assert.equal(owner.check().passes, false, `seed ${seed}`);
    }
  });
}

test('after the wall clock was set back, a successor that comes at the time of the last change is noticed', () => {
  const owner = new Owner(1);
  const changed = owner.time;
  owner.check();
  owner.pass(4_000);
  owner.check();
  assert.equal(owner.check().lists, false);
  owner.now += 1;
  owner.time = changed;
  owner.successor();
  assert.deepEqual(owner.check(), { passes: false, lists: true });
});

test('where the times are not from the clock of this machine, every check lists the epochs', async () => {
  const owner = new Owner(1, false);
  for (let count = 0; count < 5; count++) {
    owner.pass(10_000);
    assert.deepEqual(owner.check(), { passes: true, lists: true });
  }
  const nfs = new CrashDisk('/home').process();
  nfs.fileSystem = 0x6969;
  let [now, time] = [0, 0];
  const clocks = { now: () => (now += 10_000), time: () => (time += 10_000) };
  const { journal } = await openStore({ disk: nfs, runtime: { ...systemRuntime, ...clocks } });
  for (let count = 0; count < 3; count++) {
    const before = nfs.calls.length;
    assert.equal(journal.passesFencing(), true);
    assert(nfs.calls.slice(before).includes(`list ${epochsPath(storeFolder)}`));
  }
});

test('on the real disk, a check that lists nothing notices an epoch that was just created', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'fencing-'));
  context.after(() => rmSync(folder, { recursive: true }));
  if (!hasWallClock(await realDisk.fileSystemType(folder))) {
    return context.skip('the times of this file system are not trusted, so each check lists');
  }
  let lists = 0;
  const disk: Disk = {
    ...realDisk,
    list: (path) => {
      if (path === epochsPath(folder)) lists++;
      return realDisk.list(path);
    },
  };
  const { journal } = await openStore({ folder, disk, runtime: systemRuntime });
  assert.equal(journal.passesFencing(), true);
  await sleep(4_500);
  assert.equal(journal.passesFencing(), true);
  lists = 0;
  assert.equal(journal.passesFencing(), true);
  assert.equal(lists, 0);
  mkdirSync(join(epochsPath(folder), '00000002'));
  assert.equal(journal.passesFencing(), false);
  await journal.close();
});

test('when the store was moved away, nothing leaves, and no sync that began during an append succeeds', async () => {
  const disk = new CrashDisk('/home');
  const { journal } = await openStore({ disk: disk.process() });
  disk.process().rename(storeFolder, '/home/elsewhere');
  let synced: Promise<void> | undefined;
  const onWritten = () => {
    synced = journal.syncFiles();
  };
  const onInPlace = () => assert.fail('something leaves');
  assert.throws(() => journal.append([settledRecord(1)], { onWritten, onInPlace }), {
    code: 'storage_failed',
  });
  assert(synced, 'it began once the record was written');
  await assert.rejects(synced, { code: 'storage_failed' });
  journal.abandon();
});
