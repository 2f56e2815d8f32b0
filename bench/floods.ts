// The cost of a flood to honest sessions: the time from the call of post() until the message is stored and has reached
// a parked wait, before and after the flood, and beside it. Each flood has a broker and a store of its own.
// `--seconds N`: how long each flood lasts. `--only FLOOD`: that one alone.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { freePort } from '../test/support/places.ts';
import { retryWhileRefused } from '../test/support/retry.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { bodyOf, mailbox, openSession } from './support/mail.ts';
import { nowUs, print, rounded, Series } from './support/measure.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, only: { type: 'string' } },
});
const floodSeconds = Number(values.seconds);
const idleSeconds = Math.max(2, floodSeconds / 6);
const warmups = 100;
const keyHolders = [
  ...['status', 'waits_by_question', 'posts_256B', 'posts_1MB', 'fan_out_100_settled_at_once'],
  ...['hello_takeovers', 'peeks_of_20000', 'drops_and_retries', 'slow_readers'],
];
/** 3,000 connections without the key; the number of bytes that each of them sends. */
const strangers = { strangers_39_bytes: '39', strangers_40_bytes: '40' };
const strangersProcess = '../../test/support/processes/strangers-process.js';

const body = bodyOf(256);
for (const flood of keyHolders) {
  await measure(flood, (home, port) => ['attacker-process.js', home, port, flood]);
}
for (const [flood, bytes] of Object.entries(strangers)) {
  await measure(flood, (_, port) => [strangersProcess, port, '3000', bytes]);
}

async function measure(
  flood: string,
  attacker: (home: string, port: string) => readonly [string, ...string[]],
): Promise<void> {
  if (values.only !== undefined && values.only !== flood) return;
  const home = makeBenchFolder();
  const port = await freePort();
  const broker = new BenchProcess('broker-process.js', home, String(port));
  assert.equal(await broker.next(), 'owner');
  const reader = new BenchProcess('reader-process.js', home, String(port));
  await reader.next();
  const poster = openSession(home, port);

  let failed = 0;
  const exchange = async (series: Series): Promise<void> => {
    const startUs = nowUs();
    const stored = retryWhileRefused(
      () => poster.post(mailbox, body),
      () => {
        failed += 1;
      },
    ).then(nowUs);
    series.add(Math.max(await reader.next<number>(), await stored) - startUs);
  };
  const exchangeFor = async (seconds: number, series: Series): Promise<void> => {
    const endUs = nowUs() + seconds * 1_000_000;
    while (nowUs() < endUs) await exchange(series);
  };
  const [idle, flooded] = [new Series(), new Series()];
  for (let left = warmups; left > 0; left--) await exchange(new Series());
  await exchangeFor(idleSeconds / 2, idle);
  const attacking = new BenchProcess(...attacker(home, String(port)));
  await attacking.next();
  await exchangeFor(floodSeconds, flooded);
  await attacking.end();
  // First the requests that the flood has left are answered, and its connections closed.
  for (let left = warmups; left > 0; left--) await exchange(new Series());
  await exchangeFor(idleSeconds / 2, idle);
  const [without, under] = [idle.summary(), flooded.summary()];
  print(`flood_${flood}`, {
    ...under,
    failed,
    idleMedianUs: without.medianUs,
    ratio: { idle: rounded(under.medianUs / without.medianUs) },
  });
  await poster.close();
  for (const each of [reader, broker]) await each.end();
}
