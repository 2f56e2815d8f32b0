// The cost of a publish at nats-server, stored and acknowledged: one server, and a cluster of three on loopback, one
// at a time and many in flight. These servers sync their files every two minutes (2.9 knows nothing else). For
// comparison, what a sync adds: a plain append and sync of the same bytes. Last, the rate at which a stream is read
// from its start, as a session does that takes over a store in it.
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { BareFile } from './support/bare-file.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { bodyOf } from './support/mail.ts';
import { median, nowUs, print, rounded, Series } from './support/measure.ts';
import { NatsServers, requireNats } from './support/nats-servers.ts';

const runs = 2_000;
const warmups = 500;
const manyInFlight = 256;
const rounds = 7;
const publishesOfRound = 5_000;
const readMessages = 5_000;
const readMessageBytes = 16_384;

requireNats('nats-posts');
const home = makeBenchFolder();
for (const bytes of [256, 2_048]) await measureAppend(bytes);
for (const replicas of [1, 3]) await measureServers(replicas);

async function measureAppend(bytes: number): Promise<void> {
  const file = new BareFile(join(home, `empty-${bytes}`), 0);
  const series = new Series();
  await timeOneByOne(series, () => file.store(bodyOf(bytes)));
  file.close();
  print(`bare_append_sync_${bytes}B_1in_flight`, series.summary());
}

async function measureServers(replicas: number): Promise<void> {
  const servers = await NatsServers.start(makeBenchFolder(), replicas);
  for (const bytes of [256, 2_048]) await measurePublish(servers, replicas, bytes);
  await measureReading(servers, replicas);
  await servers.close();
}

async function measurePublish(servers: NatsServers, replicas: number, bytes: number) {
  const name = `posts-${bytes}`;
  await servers.addStream({ name, subjects: [name] });
  const client = jetstream(servers.nats);
  const body = bodyOf(bytes);
  const single = new Series();
  await timeOneByOne(single, () => client.publish(name, body));
  const label = `nats_publish_${bytes}B_R${replicas}`;
  print(`${label}_1in_flight`, { server: servers.version, ...single.summary() });

  const rates: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const startUs = nowUs();
    await publishMany(() => client.publish(name, body));
    if (round >= 0) rates.push(publishesOfRound / ((nowUs() - startUs) / 1_000_000));
  }
  print(`${label}_${manyInFlight}in_flight`, {
    server: servers.version,
    perSecond: Math.round(median(rates)),
  });
}

async function measureReading(servers: NatsServers, replicas: number): Promise<void> {
  const name = 'log';
  await servers.addStream({ name, subjects: [name] });
  const client = jetstream(servers.nats);
  const body = bodyOf(readMessageBytes);
  for (let sent = 0; sent < readMessages; sent += 100) {
    await Promise.all(Array.from({ length: 100 }, () => client.publish(name, body)));
  }
  const rates: number[] = [];
  for (let run = 0; run < 3; run++) {
    const startUs = nowUs();
    const consumer = await client.consumers.get(name);
    const messages = await consumer.consume({ max_messages: 500 });
    let read = 0;
    for await (const { data } of messages) {
      read += data.length;
      if (read === readMessages * readMessageBytes) break;
    }
    rates.push(read / (nowUs() - startUs));
  }
  print(`nats_read_${readMessages}x${readMessageBytes}B_R${replicas}`, {
    server: servers.version,
    megabytesPerSecond: rounded(median(rates)),
  });
}

async function timeOneByOne(series: Series, action: () => Promise<unknown>): Promise<void> {
  for (let run = 0; run < warmups + runs; run++) {
    if (run === warmups) series.clear();
    await series.time(action);
  }
}

async function publishMany(publish: () => Promise<unknown>): Promise<void> {
  let left = publishesOfRound;
  const publishOnAndOn = async () => {
    while (left-- > 0) await publish();
  };
  await Promise.all(Array.from({ length: manyInFlight }, publishOnAndOn));
}
