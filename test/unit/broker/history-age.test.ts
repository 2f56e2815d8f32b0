// An owner that has nothing to do keeps to the age of history all the same.
import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { HistoryBound } from '../../../src/journal/history-limits.ts';
import { openBroker } from '../../support/brokers.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { append, openStore } from '../../support/disk/journal-store.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { makeHome } from '../../support/places.ts';

const hour = 3_600_000;
const day = 24 * hour;
const history: HistoryBound = { bytesMax: 1_000_000, ageMsMax: 10 * day };
const limits = { segmentsCompact: 1, segmentsMerge: 2, logBytesCompact: 1 };

test('an owner that idles removes history within an hour after it has become too old', async (context) => {
  const home = await makeHome(context);
  const folder = join(home, 'broker');
  const runtime = new ManualRuntime();
  runtime.standStill(100 * day);
  for (let number = 1; number <= 5; number++) {
    const store = await openStore({ folder, limits, history, runtime });
    append(store, postedRecord(number, 'text'), { kind: 'settled', numbers: [number] });
    await store.journal.close();
  }
  const files = () => readdir(join(folder, 'history'));
  const { broker, close } = await openBroker(folder, { runtime, history, limits });
  context.after(close);
  context.after(() => rm(home, { recursive: true, force: true }));
  const before = await files();
  assert(before.length > 0);
  runtime.standStill(10 * day - hour);
  await runtime.pass(hour);
  assert.deepEqual(await files(), before);
  await runtime.pass(hour);
  await broker.close();
  assert.deepEqual(await files(), []);
});
