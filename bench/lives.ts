// What whole lives of messages cost a broker: posted, delivered to a parked wait, and settled, with 64 at a time. The
// processor time of the broker's process is the figure: 1,000,000 over it is the most that one core can do a second.
// Also the bytes that a life takes in the journal. The same for mail on a NATS server, alone and in a cluster of
// three, where there is a nats-server: with all of it on two cores, rates there say little.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Name } from '../src/model/message.ts';
import { natsMissing } from '../test/support/nats/nats-server.ts';
import { freePort } from '../test/support/places.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { bodyOf, openSession, waitMs } from './support/mail.ts';
import { median, nowUs, print, rounded } from './support/measure.ts';
import { NatsServers } from './support/nats-servers.ts';

const atOnce = 64;
const rounds = 7;
const roundWarmups = 2;
const livesOfRound = 4_000;

for (const bytes of [256, 2_048]) await measure('', bytes);
for (const replicas of natsMissing ? [] : [1, 3]) {
  const servers = await NatsServers.start(makeBenchFolder(), replicas);
  for (const bytes of [256, 2_048]) await measure(`_R${replicas}`, bytes, servers);
  await servers.close();
}

async function measure(label: string, bytes: number, servers?: NatsServers): Promise<void> {
  const url = servers?.url ?? '';
  const home = makeBenchFolder();
  const port = await freePort();
  const broker = new BenchProcess('broker-process.js', home, `${port}`, url);
  await broker.next();
  const poster = openSession(home, port, url);
  const reader = openSession(home, port, url);
  const body = bodyOf(bytes);

  const live = async (mailbox: Name) => {
    const waiting = reader.wait(mailbox, { timeoutMs: waitMs });
    await poster.post(mailbox, body);
    const delivery = await waiting;
    if (delivery) await reader.settle([delivery]);
  };
  const liveMany = async () => {
    let left = livesOfRound;
    const loop = async (_: unknown, index: number) => {
      while (left-- > 0) await live(`reader-${index}` as Name);
    };
    await Promise.all(Array.from({ length: atOnce }, loop));
  };

  const [rates, cpusUs]: [number[], number[]] = [[], []];
  for (let round = -roundWarmups; round < rounds; round++) {
    const startUs = nowUs();
    const cpuUs = await broker.ask<number>('cpu');
    await liveMany();
    if (round < 0) continue;
    rates.push(livesOfRound / ((nowUs() - startUs) / 1_000_000));
    cpusUs.push(((await broker.ask<number>('cpu')) - cpuUs) / livesOfRound);
  }
  await poster.close();
  await reader.close();
  await broker.end();
  const lives = livesOfRound * (rounds + roundWarmups);
  const stream = await servers?.manager.streams.info(`ipc-${port}`);
  print(`life_${bytes}B_${atOnce}at_once${label}`, {
    perSecond: Math.round(median(rates)),
    brokerCpuUs: rounded(median(cpusUs)),
    ...(stream
      ? { server: servers?.version, appends: rounded(stream.state.last_seq / lives) }
      : { journalBytes: Math.round(writtenBytes(join(home, `broker-${port}`)) / lives) }),
  });
}

/** Up to the last byte that is not 0, as segments are preallocated. */
function writtenBytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  return files.reduce((sum, file) => sum + 1 + file.findLastIndex((byte) => byte !== 0), 0);
}
