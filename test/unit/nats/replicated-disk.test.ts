// A disk whose files are in a stream: what the next owner restores are the files of this one, as of some change.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DiskFile, realDisk } from '../../../src/journal/disk.ts';
import { makeClaim } from '../../../src/nats/claim.ts';
import { LogAppender } from '../../../src/nats/log-appender.ts';
import { loadMirror } from '../../../src/nats/mirror.ts';
import { ReplicatedDisk } from '../../../src/nats/replicated-disk.ts';
import { FakeServer, FakeStream, turns } from '../../support/nats/fake-stream.ts';
import { filesIn } from '../../support/nats/stored-files.ts';
import { makeHome } from '../../support/places.ts';
import { pick, Random, seedFromEnvironment } from '../../support/random.ts';

const histories = process.env.IPC_TEST_LONG === '1' ? 500 : 20;
const owners = 4;
const opsOfEach = 40;

const folders = ['epochs', 'history', 'spare', 'epochs/1'];
const names = ['a', 'b', 'epochs/x', 'epochs/1/seg', 'history/y', 'spare/00'];

/** One owner with a mirror of its own. */
class Owner {
  readonly folder: string;
  readonly #server: FakeServer;
  readonly #random: Random;
  readonly stream: FakeStream;
  disk!: ReplicatedDisk;
  appender!: LogAppender;
  readonly #open = new Map<string, { file: DiskFile; length: number }>();
  /** The files, by how many messages say so. */
  readonly states = new Map<number, Record<string, string>>();
  added = 0;

  constructor(server: FakeServer, folder: string, random: Random) {
    mkdirSync(folder);
    this.folder = folder;
    this.#server = server;
    this.#random = random;
    this.stream = new FakeStream(server, random);
  }

  async start(claim: string, storedBytesMax = Number.POSITIVE_INFINITY): Promise<number> {
    const data = { claim, pid: 1, program: 'test', machine: 'here' };
    const sequence = (await makeClaim(this.stream, data, this.#server.lastSequence)) ?? 0;
    const mirror = await loadMirror(this.stream, this.folder, sequence);
    this.stream.faults = { lost: 20, silent: 20, late: 20, slowPurges: true };
    const pauses = { pauseMsMin: 1, pauseMsMax: 4, againMsMax: 60_000 };
    const appender = new LogAppender(this.stream, claim, sequence, () => {}, pauses);
    this.appender = appender;
    this.disk = new ReplicatedDisk({
      ...{ local: realDisk, folder: this.folder, mirror, claim },
      ...{ storedBytesMax: () => storedBytesMax, onFull: () => {} },
      appender: {
        add: (message, done) => {
          this.added++;
          return appender.add(message, done);
        },
        stored: () => appender.stored(),
      },
      purge: (file) => void this.stream.purge(file).catch(() => {}),
      partBytesMax: 64,
      storedBytes: this.#server.bytes,
    });
    this.#note();
    return sequence;
  }

  /** A random change. */
  act(): void {
    const name = pick(this.#random, names);
    const path = join(this.folder, name);
    const open = this.#open.get(name);
    switch (this.#random.below(8)) {
      case 0:
        for (const each of folders) this.disk.makeFolder(join(this.folder, each));
        break;
      case 1:
        this.disk.writeNote(join(this.folder, 'note'), 'text '.repeat(this.#random.below(40)));
        break;
      case 2:
        this.#rename(name);
        break;
      case 3:
        this.#closed(name);
        this.disk.removeFile(path);
        break;
      default:
        if (open) this.#write(open);
        else this.#create(name, path);
    }
    this.#note();
  }

  #create(name: string, path: string): void {
    if (this.disk.size(path) !== undefined) return;
    if (this.disk.identity(join(path, '..')) === undefined) return;
    this.#open.set(name, { file: this.disk.create(path), length: 0 });
  }

  #write(open: { file: DiskFile; length: number }): void {
    const random = this.#random;
    const isZeros = random.oneIn(4);
    const bytes = () => Buffer.alloc(random.below(150), isZeros ? 0 : 97 + random.below(26));
    const buffers = [bytes(), bytes()];
    // As a journal does: zeros ahead, then records over them.
    const at = random.oneIn(3) ? random.below(open.length + 1) : open.length;
    open.length = Math.max(open.length, at + open.file.write(buffers, at));
  }

  #rename(name: string): void {
    const to = pick(this.#random, names);
    const [from, target] = [name, to].map((each) => join(this.folder, each)) as [string, string];
    const isPossible = this.disk.size(from) !== undefined && !name.startsWith('spare');
    if (name === to || !isPossible || to.startsWith('spare')) return;
    if (this.disk.identity(join(target, '..')) === undefined) return;
    this.#closed(name);
    this.#closed(to);
    this.disk.rename(from, target);
  }

  #closed(name: string): void {
    this.#open.get(name)?.file.close();
    this.#open.delete(name);
  }

  #note(): void {
    this.states.set(this.added, filesIn(this.folder));
  }

  /** Its process is gone. */
  end(): void {
    this.stream.cut();
    for (const name of [...this.#open.keys()]) this.#closed(name);
  }
}

async function run(seed: number, home: string): Promise<number> {
  const label = `SEED=${seed}`;
  const random = new Random(seed);
  const server = new FakeServer();
  let expected: Record<string, string> | undefined = {};
  let compared = 0;
  for (let count = 0; count < owners; count++) {
    const owner = new Owner(server, join(home, `owner-${count}`), random);
    const claim = String(count).repeat(22);
    const sequence = await owner.start(claim);
    if (expected) {
      assert.deepEqual(filesIn(owner.folder), expected, label);
      if (count > 0) compared++;
    }
    for (let ops = 0; ops < opsOfEach; ops++) {
      owner.act();
      if (random.oneIn(6)) await turns(random.below(6));
      if (random.oneIn(20)) await owner.appender.stored();
    }
    if (random.oneIn(2)) await owner.appender.stored();
    owner.end();
    // One change may be several messages, of which the last are missing.
    expected = owner.states.get(server.lastSequence - sequence);
  }
  return compared;
}

const first = seedFromEnvironment();

test(`what the next owner restores are the files of this one, up to a change (SEED=${first})`, async (context) => {
  const home = await makeHome(context);
  const runs = Array.from({ length: histories }, async (_, index) => {
    const folder = join(home, String(index));
    mkdirSync(folder);
    return run(first + index, folder);
  });
  const compared = (await Promise.all(runs)).reduce((sum, each) => sum + each, 0);
  context.diagnostic(`${compared} owners were compared with the one before`);
  assert.ok(compared > histories, `${compared}`);
});

test('a report of corruption that a person deletes in the mirror is gone for the next owner, and nothing else is', async (context) => {
  const home = await makeHome(context);
  const server = new FakeServer();
  const owner = new Owner(server, join(home, 'first'), new Random(1));
  await owner.start('a'.repeat(22));
  const at = (name: string) => join(owner.folder, name);
  owner.disk.makeFolder(at('damaged'));
  for (const name of ['damaged/1.json', 'damaged/2.json', 'kept'])
    owner.disk.writeNote(at(name), name);
  for (const name of ['damaged/1.json', 'kept']) rmSync(at(name));
  assert.deepEqual(owner.disk.list(at('damaged')), ['2.json']);
  owner.disk.list(owner.folder);
  await owner.appender.stored();
  owner.end();
  const next = new Owner(server, join(home, 'next'), new Random(1));
  await next.start('b'.repeat(22));
  assert.deepEqual(filesIn(next.folder), {
    'damaged/': '',
    'damaged/2.json': 'damaged/2.json',
    kept: 'kept',
  });
  next.end();
});
