// Whole histories determined by seeds: brokers and sessions while processes die, power is lost, syncs
// fail, connections break and owners change, checked against I1 to I8. SEED is the first seed, SEEDS
// the number of seeds. By default the same seeds run each time, with those that failed once, and with
// --long also new ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSeeds, type Seeds } from './child.ts';
import type { Report } from './run.ts';
import { simulate } from './simulation.ts';

const long = process.env.IPC_TEST_LONG === '1';
const first = Number(process.env.SEED ?? 1);
const count = Number(process.env.SEEDS ?? (long ? 40_000 : 2_000));
const isChosen = process.env.SEED !== undefined || process.env.SEEDS !== undefined;
const freshCount = long && !isChosen ? 40_000 : 0;
const partSeeds = long ? 10_000 : 500;
const seedsMax = 2 ** 32;

/**
 * These seeds redelivered a message that was settled at an owner that did not have it, after a repeated
 * post.
 */
const redelivered = [77_012_168, 77_030_701, 77_040_070, 77_050_793, 77_073_282];
/** These delivered a later message on one connection before an earlier one on another. */
const reordered = [610_009_442, 610_102_051, 610_107_915];
/** This lost more than one post when a bit of the newest `segment` record was flipped. */
const unlisted = [810_004_866];
/**
 * These showed faults of the simulator: bytes out of order, a power loss after the last fault, three invariants that did
 * not hold, an epoch that it took to begin with what its owner had carried over, an order between the connections of one
 * step, a fault of the disk that hit a look of its own, files of history that a power loss brought back,
 * a message that was lost because its owner had been replaced, one whose settle had no response.
 */
const simulated = [
  1_200_023_654, 1_200_049_375, 1_400_004_884, 1_220, 3_000_002_519, 70_028, 202_791, 503_740,
  508_993, 509_500, 1_301_835,
];
/** In these a session that follows, or a reader of the files, did not see some of the first records of an epoch. */
const unseen = [3_116, 3_308, 4_396, 5_980, 6_002_476, 2_618, 500_735];
/** This told of a message twice: what said that the record of a replaced owner does not count had gone on a full disk. */
const toldTwice = [1_311_265];
/**
 * With `damaged`: the bit that was flipped was of the end of a pause, which the simulator did not end again; the answers to
 * a watch took longer than the watch.
 */
const damaged = [300_137, 712_910];
const failedOnce = [
  ...redelivered,
  ...reordered,
  ...unlisted,
  ...simulated,
  ...unseen,
  ...toldTwice,
];

/**
 * The seeds in parts, each a separate test, so that a slow machine stays within the timeout of a test.
 */
function partsOf(first: number, count: number): Seeds[] {
  return Array.from({ length: Math.ceil(count / partSeeds) }, (_, part) => ({
    first: first + part * partSeeds,
    count: Math.min(partSeeds, count - part * partSeeds),
  }));
}

const firstFresh = Math.floor(Math.random() * (seedsMax - freshCount));

for (const part of [...partsOf(first, count), ...partsOf(firstFresh, freshCount)]) {
  test(`${part.count} histories from seed ${part.first} on keep the invariants I1 to I8`, async (context) => {
    const half = Math.ceil(part.count / 2);
    const reports = await Promise.all([
      runSeeds({ first: part.first, count: half }),
      runSeeds({ first: part.first + half, count: part.count - half }),
    ]);
    reports.forEach(checkReport);
    const steps = reports.reduce((sum, report) => sum + report.steps, 0);
    const hours = reports.reduce((sum, report) => sum + report.ms, 0) / 3_600_000;
    context.diagnostic(`${part.count} seeds, ${steps} events, ${hours.toFixed(1)} simulated hours`);
  });
}

if (!isChosen) {
  for (const seed of failedOnce) {
    test(`seed ${seed}, which failed once, keeps the invariants I1 to I8`, async () => {
      checkReport(await runSeeds({ first: seed, count: 1 }));
    });
  }
  for (const seed of damaged) {
    test(`seed ${seed}, which failed once when a bit was flipped, keeps the invariants I1 to I8`, async () => {
      checkReport(await runSeeds({ first: seed, count: 1, isDamaged: true }));
    });
  }
}

test('a seed repeats its history, in the same process and in another process', async () => {
  for (const seed of [first, first + 1, first + 2]) {
    const { history } = await simulate(seed);
    assert.equal((await simulate(seed)).history.text(), history.text());
  }
  const seeds = { first, count: 20 };
  assert.equal((await runSeeds(seeds)).hash, (await runSeeds(seeds)).hash);
});

test('different seeds have different histories', async () => {
  const hashes = await Promise.all(
    [1, 2, 3].map(async (seed) => (await simulate(seed)).history.hash()),
  );
  assert.equal(new Set(hashes).size, 3);
});

function checkReport({ failed }: Report): void {
  const again = `SEED=${failed?.seed} SEEDS=1 npm test -- simulation/simulator.test`;
  assert.equal(failed, undefined, `${failed?.violations.join('\n')}\nrepeat with: ${again}`);
}
