// The files of a store, restored from the messages of its stream.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeClaim } from '../../../src/nats/claim.ts';
import { LogAppender } from '../../../src/nats/log-appender.ts';
import type { FileChange } from '../../../src/nats/log-message.ts';
import { type LoadedMirror, loadMirror } from '../../../src/nats/mirror.ts';
import { FakeServer, FakeStream, turns } from '../../support/nats/fake-stream.ts';
import { FakeOwner, filesIn } from '../../support/nats/stored-files.ts';
import { makeHome } from '../../support/places.ts';
import { pick, Random, seedFromEnvironment } from '../../support/random.ts';

const [claimA, claimB, claimC] = ['a', 'b', 'c'].map((letter) => letter.repeat(22)) as [
  string,
  string,
  string,
];
let folders = 0;

async function load(
  home: string,
  server: FakeServer,
  upTo = server.lastSequence,
): Promise<{ folder: string; mirror: LoadedMirror }> {
  const folder = join(home, `mirror-${++folders}`);
  mkdirSync(folder, { mode: 0o700 });
  const mirror = await loadMirror(new FakeStream(server, new Random(1)), folder, upTo);
  return { folder, mirror };
}

async function loadedFiles(context: TestContext, server: FakeServer) {
  return filesIn((await load(await makeHome(context), server)).folder);
}

const file: FileChange = { kind: 'file' };
const folder: FileChange = { kind: 'folder' };
const remove: FileChange = { kind: 'remove' };
const write = (at: number): FileChange => ({ kind: 'write', at });
const rename: FileChange = { kind: 'rename' };

test('files are made, written, renamed and removed as the messages say', async (context) => {
  const server = new FakeServer();
  const owner = new FakeOwner(server, claimA);
  owner.add('a-1', 'epochs', folder);
  owner.add('a-2', 'epochs/seg-1.log', file);
  owner.add('a-2', 'epochs/seg-1.log', write(0), 'hello');
  owner.add('a-2', 'epochs/seg-1.log', write(5), ' there');
  owner.add('a-3', 'history', folder);
  owner.add('a-4', 'note', file);
  owner.add('a-4', 'note', write(0), 'first');
  owner.add('a-5', 'note', file);
  owner.add('a-5', 'note', write(0), '2nd');
  owner.add('a-4', 'note', remove);
  owner.add('a-2', 'history/seg-1.log', rename);
  owner.add('a-6', 'gone', file);
  owner.add('a-6', 'gone', remove);
  assert.deepEqual(await loadedFiles(context, server), {
    'epochs/': '',
    'history/': '',
    'history/seg-1.log': 'hello there',
    note: '2nd',
  });
});

test('a message that the server lost is a gap of zeros in its file, and nothing else', async (context) => {
  const server = new FakeServer();
  const owner = new FakeOwner(server, claimA);
  const lost = [
    owner.add('a-1', 'epochs', folder),
    owner.add('a-2', 'epochs/seg-1.log', file),
    owner.add('a-2', 'epochs/seg-1.log', write(0), 'one '),
  ];
  owner.add('a-2', 'epochs/seg-1.log', write(4), 'two ');
  lost.push(owner.add('a-2', 'epochs/seg-1.log', write(8), 'three '));
  owner.add('a-2', 'epochs/seg-1.log', write(14), 'four');
  for (const sequence of lost) server.lose(sequence);
  assert.deepEqual(await loadedFiles(context, server), {
    'epochs/': '',
    'epochs/seg-1.log': '\0\0\0\0two \0\0\0\0\0\0four',
  });
});

test('a file whose rename the server lost has the path that its later messages name', async (context) => {
  const server = new FakeServer();
  const owner = new FakeOwner(server, claimA);
  owner.add('a-1', 'old', file);
  owner.add('a-1', 'old', write(0), 'one ');
  server.lose(owner.add('a-1', 'new', rename));
  owner.add('a-1', 'new', write(4), 'two');
  assert.deepEqual(await loadedFiles(context, server), { new: 'one two' });
});

test('a file that is purged in part while it is read vanishes', async (context) => {
  const server = new FakeServer();
  const owner = new FakeOwner(server, claimA);
  owner.add('a-1', 'gone', file);
  owner.add('a-1', 'gone', write(0), 'never seen');
  owner.add('a-2', 'kept', file);
  owner.add('a-1', 'gone', remove);
  const stream = new FakeStream(server, new Random(1));
  const home = await makeHome(context);
  const read = stream.read.bind(stream);
  stream.read = async function* (upTo) {
    for await (const message of read(upTo)) {
      yield message;
      if (message.sequence === 3) server.purge('a-1', 0);
    }
  };
  const { files, removed } = await loadMirror(stream, home, server.lastSequence);
  assert.deepEqual(filesIn(home), { kept: '' });
  assert.deepEqual([...files.keys()], ['kept']);
  assert.deepEqual(removed, []);
});

test('a file that is gone, but whose messages are still there, is named', async (context) => {
  const server = new FakeServer();
  const owner = new FakeOwner(server, claimA);
  owner.add('a-1', 'gone', file);
  owner.add('a-1', 'gone', remove);
  const { mirror } = await load(await makeHome(context), server);
  assert.deepEqual(mirror.removed, ['a-1']);
});

test('what an owner had under way when it was replaced counts for nothing, though it is stored', async (context) => {
  const server = new FakeServer();
  const home = await makeHome(context);
  const stream = new FakeStream(server, new Random(1));
  const claimOf = async (claim: string) => {
    const data = { claim, pid: 1, program: 'test', machine: 'here' };
    return (await makeClaim(stream, data, server.lastSequence)) ?? 0;
  };
  const sequence = await claimOf(claimA);
  const own = new FakeStream(server, new Random(2));
  const replaced = new LogAppender(own, claimA, sequence, () => {});
  const add = (at: number, text: string) => {
    const change = write(at);
    replaced.add({ file: 'a-1', path: 'log', change, bytes: Buffer.from(text) });
  };
  add(0, 'stored');
  await replaced.stored();
  const release = own.hold();
  add(6, ' refused');
  add(14, ' follows it');
  add(25, ' and this');
  await claimOf(claimB);
  const before = filesIn((await load(home, server)).folder);
  release();
  await assert.rejects(replaced.stored(), { code: 'owner_replaced' });
  await turns(20);
  // The server compares numbers only: the claim has that of the message that was refused.
  assert.equal(server.lastSequence, 5);
  const after = await load(home, server);
  assert.deepEqual(before, { log: 'stored' });
  assert.deepEqual(filesIn(after.folder), before);
  await claimOf(claimC);
  assert.deepEqual(filesIn((await load(home, server, 7)).folder), before);
});

test('an owner counts whose claim the server lost', async (context) => {
  const server = new FakeServer();
  new FakeOwner(server, claimA).add('a-1', 'log', file);
  const owner = new FakeOwner(server, claimB);
  owner.add('a-1', 'log', write(0), 'hello');
  owner.add('a-1', 'log', write(5), ' there');
  server.purge('claim', 0);
  assert.deepEqual(await loadedFiles(context, server), { log: 'hello there' });
});

test('bytes that are not of agent-ipc, and subjects that no owner uses, are ignored', async (context) => {
  const server = new FakeServer();
  const owner = new FakeOwner(server, claimA);
  owner.add('a-1', 'log', write(0), 'hello');
  owner.junk('a-1', Buffer.from('junk'));
  const next = new FakeOwner(server, claimB);
  for (const name of ['../a', '/etc/passwd', 'a/b', '*', '>', 'a\0b', 'x'.repeat(300), '']) {
    next.add(name, 'elsewhere', write(0), 'text');
  }
  const { folder, mirror } = await load(await makeHome(context), server);
  assert.deepEqual(filesIn(folder), { log: 'hello' });
  assert.deepEqual(mirror.removed, []);
});

test('no order of messages makes it fail, or write outside its folder', async (context) => {
  const seed = seedFromEnvironment();
  const home = await makeHome(context);
  for (let round = 0; round < 400; round++) {
    const random = new Random(seed + round);
    const server = new FakeServer();
    const owner = new FakeOwner(server, claimA);
    const paths = ['a', 'b', 'a/b', 'a/b/c', 'b/a', 'b/a/c', 'c'];
    for (let count = random.below(30); count > 0; count--) {
      const change = pick(random, [file, folder, remove, write(random.below(9)), write(3)]);
      owner.add(
        pick(random, ['1', '2', '3', '4']),
        pick(random, paths),
        random.oneIn(3) ? rename : change,
        change.kind === 'write' ? 'text' : '',
      );
    }
    const inside = join(home, `round-${round}`);
    mkdirSync(inside);
    await load(inside, server).catch((error: unknown) => {
      throw new Error(`SEED=${seed + round}`, { cause: error });
    });
    assert.equal(readdirSync(inside).length, 1);
  }
  assert.equal(readdirSync(home).length, 400);
});
