// What sessions cost that follow the events live: posts per second of one session with 256 in flight, at a broker that
// nobody follows, one that one session follows, and one that ten follow. The three alternate, a round each. The
// followers run in a process of low priority, so that on two cores it is not their own work that is measured.
import { freePort } from '../test/support/places.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { bodyOf, mailbox, openSession } from './support/mail.ts';
import { median, nowUs, print, rounded, Series } from './support/measure.ts';

const bytes = 256;
const inFlight = 256;
const rounds = 12;
const roundWarmups = 3;
const postsOfRound = 4_000;

const body = bodyOf(bytes);
const sides = await Promise.all([0, 1, 10].map(openSide));

for (let round = 0; round < roundWarmups + rounds; round++) {
  if (round === roundWarmups) for (const side of sides) clear(side);
  for (const side of sides) {
    const startUs = nowUs();
    const cpuUs = await side.broker.ask<number>('cpu');
    await postMany(side);
    side.rates.push(postsOfRound / ((nowUs() - startUs) / 1_000_000));
    side.cpusUs.push(((await side.broker.ask<number>('cpu')) - cpuUs) / postsOfRound);
    await settleAll(side);
  }
}

const [alone] = sides;
for (const { followers, series, rates, cpusUs, seen } of sides) {
  const ratios = rates.map((rate, round) => rate / (alone?.rates[round] ?? rate));
  const cpuRatios = cpusUs.map((cpuUs, round) => cpuUs / (alone?.cpusUs[round] ?? cpuUs));
  print(`post_${bytes}B_${inFlight}in_flight_${followers}followers`, {
    ...series.summary(),
    perSecond: Math.round(median(rates)),
    ratioPerSecond: { nobody_follows: rounded(median(ratios)) },
    brokerCpuUs: rounded(median(cpusUs)),
    ratioCpu: { nobody_follows: rounded(median(cpuRatios)) },
    eventsSeen: (await seen?.()) ?? 0,
  });
}
for (const { end } of sides) await end();

async function openSide(followers: number) {
  const home = makeBenchFolder();
  const port = await freePort();
  const broker = new BenchProcess('broker-process.js', home, String(port));
  await broker.next();
  const poster = openSession(home, port);
  await poster.status();
  const watchers =
    followers > 0
      ? new BenchProcess('watcher-process.js', home, String(port), String(followers))
      : undefined;
  await watchers?.next();
  const end = async () => {
    await watchers?.end();
    await poster.close();
    await broker.end();
  };
  const seen = watchers && (() => watchers.ask<number>('seen'));
  const figures = { series: new Series(), rates: [] as number[], cpusUs: [] as number[] };
  return { followers, broker, poster, ...figures, seen, end };
}

type Side = Awaited<ReturnType<typeof openSide>>;

function clear({ series, rates, cpusUs }: Side): void {
  series.clear();
  rates.length = 0;
  cpusUs.length = 0;
}

async function postMany({ poster, series }: Side): Promise<void> {
  let left = postsOfRound;
  const postOnAndOn = async () => {
    while (left-- > 0) await series.time(() => poster.post(mailbox, body));
  };
  await Promise.all(Array.from({ length: inFlight }, postOnAndOn));
}

/** Beside the measurement: the mailbox must not fill up. */
async function settleAll({ poster }: Side): Promise<void> {
  await poster.drop(mailbox);
}
