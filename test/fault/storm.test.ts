// Long storms with real processes. SEED=N repeats the choice of victims and pauses; the timing within
// the processes is not repeatable.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fleet } from '../support/processes/fleet.ts';
import { type StormOptions, storm } from '../support/processes/storm.ts';
import { StormHistory } from '../support/processes/storm-history.ts';
import type { StormEvent } from '../support/processes/storm-protocol.ts';
import { seedFromEnvironment } from '../support/random.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
const seed = seedFromEnvironment();
const nothing = { lost: [], altered: [], again: [], disordered: [], doubled: [], shared: [] };

test(`${isLong ? 520 : 30} kills of random sessions, owners included, lose, duplicate and alter no message (SEED=${seed})`, async (context) => {
  const figures = await calmAfter(context, {
    seed,
    kills: isLong ? 520 : 30,
    sessions: 5,
    mailboxes: ['ann', 'ben', 'eve'],
    ownersInTen: 4,
    pauseMsMax: 400,
    earlyKillOneIn: 4,
  });
  assert.ok(figures.owners >= 5, `${figures.owners} owners died`);
  assert.ok(figures.acknowledged >= 200, `${figures.acknowledged} posts were acknowledged`);
  assert.ok(figures.ordered >= 20, `the order of ${figures.ordered} deliveries was looked at`);
});

test(`${isLong ? 50 : 8} owners killed in a row under load lose and duplicate no message (SEED=${seed})`, async (context) => {
  const figures = await calmAfter(context, {
    seed,
    kills: isLong ? 50 : 8,
    sessions: 4,
    mailboxes: ['ann', 'ben'],
    ownersInTen: 10,
    pauseMsMax: 60,
    earlyKillOneIn: Number.POSITIVE_INFINITY,
  });
  assert.equal(figures.owners, isLong ? 50 : 8);
});

test(`${isLong ? '10 writers x 10,000 messages x 10 readers' : '4 writers x 252 messages x 4 readers'}: count and order are exact`, async (context) => {
  const size = isLong
    ? { writers: 10, readers: 10, each: 10_000 }
    : { writers: 4, readers: 4, each: 252 };
  const { messagesPerSecond, ...result } = await fleet(context, size);
  context.diagnostic(JSON.stringify({ ...size, messagesPerSecond }));
  const total = isLong ? 100_000 : 1_008;
  assert.deepEqual(result, { written: total, read: total, wrong: [], left: 0 });
});

test('the checker of storms finds each fault in a history that contains it, and none in a valid history', () => {
  const key = { stream: 's1-ann', count: 1 };
  const next = { stream: 's1-ann', count: 2 };
  const stored = { kind: 'stored', ...key, number: 1, duplicate: false } as const;
  const storedNext = { kind: 'stored', ...next, number: 2, duplicate: false } as const;
  const got = { kind: 'got', mailbox: 'ann', number: 1, attempt: 1, key } as const;
  const gotNext = { ...got, number: 2, key: next };
  const settled = { kind: 'settled', number: 1, attempt: 1 } as const;
  const faultsOf = (...events: readonly StormEvent[]) => {
    const history = new StormHistory();
    history.began('s1', ['ann']);
    for (const event of events) history.add('s2', event);
    const {
      lost,
      altered,
      redelivered: again,
      reordered: disordered,
      duplicated: doubled,
      shared,
    } = history.report();
    const faults = { lost, altered, again, disordered, doubled, shared };
    return Object.fromEntries(Object.entries(faults).filter(([, list]) => list.length > 0));
  };
  assert.deepEqual(faultsOf(stored, got, settled, storedNext, gotNext), {});
  assert.deepEqual(faultsOf(stored, got, { ...got, attempt: 2 }, settled), {});
  assert.deepEqual(faultsOf(stored), { lost: ['s1-ann:1'] });
  assert.deepEqual(faultsOf({ ...got, key: undefined }), { altered: ['#1'] });
  assert.deepEqual(faultsOf({ ...got, key: { stream: 's9-ann', count: 1 } }), { altered: ['#1'] });
  assert.deepEqual(faultsOf(stored, got, settled, { ...got, attempt: 2 }), {
    again: ['#1 attempt 2'],
  });
  assert.deepEqual(faultsOf(stored, storedNext, gotNext, got), { disordered: ['#1 after #2'] });
  assert.deepEqual(faultsOf(storedNext, gotNext, { ...stored, number: 1 }, got), {
    disordered: ['s1-ann:1 as #1', '#1 after #2'],
  });
  assert.deepEqual(faultsOf(stored, got, { ...gotNext, key }), { doubled: ['s1-ann:1'] });
  assert.deepEqual(faultsOf(stored, got, got), {
    disordered: ['#1 after #1'],
    shared: ['#1 attempt 1'],
  });
});

/** Prints the report, and asserts that no invariant was violated. */
async function calmAfter(context: TestContext, options: StormOptions) {
  const result = await storm(context, options);
  const {
    lost,
    altered,
    redelivered: again,
    reordered: disordered,
    duplicated: doubled,
    shared,
    ...figures
  } = result;
  const counts = { lost: lost.length, doubled: doubled.length };
  context.diagnostic(JSON.stringify({ seed: options.seed, ...counts, ...figures }));
  assert.deepEqual({ lost, altered, again, disordered, doubled, shared }, nothing);
  return figures;
}
