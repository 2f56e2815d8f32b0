// Bodies that are on the disk alone: which bytes of the log are read for them.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realDisk } from '../../../src/journal/disk.ts';
import { segmentPath } from '../../../src/journal/paths.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { append, openStore } from '../../support/disk/journal-store.ts';

const current = { epoch: 1, segment: 1 };

/** A store with `count` messages, whose bodies are their numbers in 256 characters, and the lengths of its reads. */
async function storeOf(context: TestContext, count: number) {
  const home = await mkdtemp(join(tmpdir(), 'ipc-journal-'));
  const folder = join(home, 'broker-1');
  const reads: number[] = [];
  const readPart = (path: string, offset: number, bytes: number) => {
    reads.push(bytes);
    return realDisk.readPart(path, offset, bytes);
  };
  const limits = { bodyCacheBytesMax: 0 };
  const store = await openStore({ folder, limits, disk: { ...realDisk, readPart } });
  context.after(async () => {
    await store.journal.close();
    await rm(home, { recursive: true, force: true });
  });
  const post = (number: number) => append(store, postedRecord(number, textOf(number)));
  for (let number = 1; number <= count; number++) post(number);
  reads.length = 0;
  return { journal: store.journal, path: segmentPath(folder, current), reads, post };
}

function textOf(number: number): string {
  return `${number}`.padStart(256, '.');
}

test('bodies that are asked for in the order of the log are read many at a time', async (context) => {
  const { journal, reads } = await storeOf(context, 500);
  for (let number = 1; number <= 500; number++) {
    assert.equal(journal.body(number)?.toString(), textOf(number));
  }
  assert.deepEqual(
    reads.map((bytes) => bytes >> 10),
    [0, 64, 64, 43],
  );
});

test('a body that is not the next one is read alone', async (context) => {
  const { journal, reads } = await storeOf(context, 500);
  for (const number of [400, 1, 200, 100]) {
    assert.equal(journal.body(number)?.toString(), textOf(number));
  }
  assert.deepEqual(reads, [352, 350, 352, 352]);
});

test('a body that was appended behind those that were read together is found', async (context) => {
  const { journal, post } = await storeOf(context, 3);
  for (const number of [1, 2]) journal.body(number);
  post(4);
  assert.deepEqual(
    [3, 4].map((number) => journal.body(number)?.toString()),
    [3, 4].map(textOf),
  );
});

test('a damaged body does not take along those that were read with it', async (context) => {
  const { journal, path } = await storeOf(context, 4);
  const bytes = readFileSync(path);
  bytes.write('X', bytes.indexOf(textOf(3)));
  writeFileSync(path, bytes);
  const found = [1, 2, 3, 4].map((number) => journal.body(number)?.toString());
  assert.deepEqual(found, [textOf(1), textOf(2), undefined, textOf(4)]);
});
