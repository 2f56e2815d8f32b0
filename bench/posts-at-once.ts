// Throughput and latency of the posts of one session with 256 in flight, so that group commit covers many
// with one sync. For comparison, plain writes over zeros, one after the other, each with its own sync. The
// two alternate, a round each.
import { join } from 'node:path';
import { freePort } from '../test/support/places.ts';
import { BareFile } from './support/bare-file.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { bodyOf, mailbox, openSession } from './support/mail.ts';
import { median, nowUs, print, rounded, Series } from './support/measure.ts';

const bytes = 256;
const inFlight = 256;
const rounds = 10;
const roundWarmups = 2;
const postsOfRound = 5_000;
const writesOfRound = 500;

const home = makeBenchFolder();
const port = await freePort();
const broker = new BenchProcess('broker-process.js', home, String(port));
await broker.next();
const poster = openSession(home, port);
const body = bodyOf(bytes);
const zeros = new BareFile(join(home, 'zeros'), bytes * writesOfRound * (roundWarmups + rounds));

const [posts, writes] = [new Series(), new Series()];
const postRates: number[] = [];
const writeRates: number[] = [];
for (let round = 0; round < roundWarmups + rounds; round++) {
  if (round === roundWarmups) {
    for (const series of [posts, writes]) series.clear();
    for (const rates of [postRates, writeRates]) rates.length = 0;
  }
  postRates.push(postsOfRound / (await secondsOf(() => postMany(posts))));
  writeRates.push(writesOfRound / (await secondsOf(() => writeMany(writes))));
}
zeros.close();

const [postRate, writeRate] = [median(postRates), median(writeRates)];
print(`bare_overwrite_sync_${bytes}B_1in_flight`, {
  ...writes.summary(),
  perSecond: Math.round(writeRate),
});
print(`post_${bytes}B_${inFlight}in_flight`, {
  ...posts.summary(),
  perSecond: Math.round(postRate),
  ratioPerSecond: { bare_overwrite_sync: rounded(postRate / writeRate) },
});

await poster.close();
await broker.end();

async function postMany(series: Series): Promise<void> {
  let left = postsOfRound;
  const postOnAndOn = async () => {
    while (left-- > 0) await series.time(() => poster.post(mailbox, body));
  };
  await Promise.all(Array.from({ length: inFlight }, postOnAndOn));
}

async function writeMany(series: Series): Promise<void> {
  for (let count = 0; count < writesOfRound; count++) await series.time(() => zeros.store(body));
}

async function secondsOf(action: () => Promise<void>): Promise<number> {
  const startUs = nowUs();
  await action();
  return (nowUs() - startUs) / 1_000_000;
}
