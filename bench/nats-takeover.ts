// How long a session takes to take over the mail on a NATS server, by what is in its stream: from the start of a
// session, when none has the broker, to its first response. It claims the stream, loads it, and replays the journal.
import type { Name } from '../src/model/message.ts';
import { freePort } from '../test/support/places.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { bodyOf, openSession } from './support/mail.ts';
import { median, nowUs, print, rounded } from './support/measure.ts';
import { NatsServers, requireNats } from './support/nats-servers.ts';

const bodyBytes = 2_048;
const atOnce = 200;
const runs = 5;

requireNats('nats-takeover');
for (const replicas of [1, 3]) {
  for (const messages of [0, 5_000, 20_000]) await measure(replicas, messages);
}

async function measure(replicas: number, messages: number): Promise<void> {
  const servers = await NatsServers.start(makeBenchFolder(), replicas);
  const home = makeBenchFolder();
  const port = await freePort();
  const poster = openSession(home, port, servers.url);
  await poster.start();
  const body = bodyOf(bodyBytes);
  for (let sent = 0; sent < messages; sent += atOnce) {
    const posts = Array.from({ length: atOnce }, (_, index) =>
      poster.post(`reader-${index}` as Name, body),
    );
    await Promise.all(posts);
  }
  await poster.close();

  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const next = openSession(home, port, servers.url);
    const startUs = nowUs();
    await next.start();
    times.push((nowUs() - startUs) / 1_000);
    await next.close();
  }
  const { state } = await servers.manager.streams.info(`ipc-${port}`);
  await servers.close();
  print(`nats_takeover_${messages}x${bodyBytes}B_R${replicas}`, {
    server: servers.version,
    medianMs: rounded(median(times)),
    streamMessages: state.messages,
    streamBytes: state.bytes,
  });
}
