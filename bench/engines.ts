// The two engines side by side: a broker that keeps its mail on this machine, and one that keeps it on a NATS server on
// this machine, with one copy and without sync_interval. Owner, reader and poster are processes of their own. The engines
// alternate, a round each.
import assert from 'node:assert/strict';
import { natsMissing, startNats } from '../test/support/nats/nats-server.ts';
import { freePort } from '../test/support/places.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { bodyOf, mailbox, openSession } from './support/mail.ts';
import { median, nowUs, print, rounded, Series } from './support/measure.ts';

const bytes = 256;
const largeBytes = 1_048_576;
const inFlight = 256;
const rounds = 5;
const handoversOfRound = 500;
const postsOfRound = 200;
const postsAtOnceOfRound = 3_000;
const largeOfRound = 10;

interface Engine {
  readonly name: string;
  readonly poster: ReturnType<typeof openSession>;
  readonly reader: BenchProcess;
  readonly processes: readonly BenchProcess[];
  readonly handover: Series;
  readonly post: Series;
  readonly large: Series;
  readonly postRates: number[];
  readonly takeRates: number[];
}

const ending: (() => Promise<void>)[] = [];
const engines = [await begin('embedded', '')];
if (natsMissing) process.stderr.write(`${natsMissing}\n`);
else {
  const { url } = await startNats({ after: (end) => void ending.push(end) });
  engines.push(await begin('nats', url));
}
for (let round = 0; round <= rounds; round++) {
  for (const engine of engines) {
    if (round === 1) forgetWarmup(engine);
    await measure(engine);
  }
}
const [embedded] = engines;
for (const engine of engines) report(engine);
for (const { poster, processes } of engines) {
  await poster.close();
  for (const each of processes) await each.end();
}
for (const end of ending) await end();

async function begin(name: string, url: string): Promise<Engine> {
  const home = makeBenchFolder();
  const port = await freePort();
  const broker = new BenchProcess('broker-process.js', home, String(port), url);
  assert.equal(await broker.next(), 'owner');
  const reader = new BenchProcess('reader-process.js', home, String(port), url);
  await reader.next();
  const poster = openSession(home, port, url);
  const series = { handover: new Series(), post: new Series(), large: new Series() };
  const rates = { postRates: [], takeRates: [] };
  return { name, poster, reader, processes: [reader, broker], ...series, ...rates };
}

function forgetWarmup({ handover, post, large, postRates, takeRates }: Engine): void {
  for (const series of [handover, post, large]) series.clear();
  postRates.length = takeRates.length = 0;
}

async function measure(engine: Engine): Promise<void> {
  const { poster, reader } = engine;
  const body = bodyOf(bytes);
  for (let count = 0; count < handoversOfRound; count++) {
    const startUs = nowUs();
    await poster.post(mailbox, body);
    engine.handover.add((await reader.next<number>()) - startUs);
  }
  const stored = 'stored' as typeof mailbox;
  for (let count = 0; count < postsOfRound; count++) {
    await engine.post.time(() => poster.post(stored, body));
  }
  const large = bodyOf(largeBytes);
  for (let count = 0; count < largeOfRound; count++) {
    await engine.large.time(() => poster.post(stored, large));
  }
  engine.postRates.push(await rate(postsAtOnceOfRound, () => poster.post(stored, body)));
  const total = postsOfRound + largeOfRound + postsAtOnceOfRound;
  const take = async () => {
    const [delivery] = (await poster.fetch(stored, { messagesMax: 1 })).deliveries;
    assert(delivery, 'it was posted');
    await poster.settle([delivery]);
  };
  engine.takeRates.push(await rate(total, take));
}

/** Actions a second, `inFlight` at a time. */
async function rate(count: number, action: () => Promise<unknown>): Promise<number> {
  let left = count;
  const startUs = nowUs();
  const onAndOn = async () => {
    while (left-- > 0) await action();
  };
  await Promise.all(Array.from({ length: inFlight }, onAndOn));
  return count / ((nowUs() - startUs) / 1_000_000);
}

function report(engine: Engine): void {
  const { name, handover, post, large, postRates, takeRates } = engine;
  const timed = (line: string, series: Series, base: Series | undefined) => {
    const summary = series.summary();
    const ratio = base && base !== series && rounded(summary.medianUs / base.summary().medianUs);
    print(`${name}_${line}`, { ...summary, ...(ratio && { ratio: { embedded: ratio } }) });
  };
  const rated = (line: string, rates: number[], base: number[] | undefined) => {
    const perSecond = median(rates);
    const ratio = base && base !== rates && rounded(perSecond / median(base));
    const figures = { perSecond: Math.round(perSecond) };
    print(`${name}_${line}`, { ...figures, ...(ratio && { ratioPerSecond: { embedded: ratio } }) });
  };
  timed(`handover_${bytes}B_1in_flight`, handover, embedded?.handover);
  timed(`post_${bytes}B_1in_flight`, post, embedded?.post);
  timed('post_1MB_1in_flight', large, embedded?.large);
  rated(`post_${bytes}B_${inFlight}in_flight`, postRates, embedded?.postRates);
  rated(`take_and_settle_${inFlight}in_flight`, takeRates, embedded?.takeRates);
}
