// What nats-server needs for each durable pull consumer, parked pull, connection and subject with a message: memory
// in RAM, open files and files on disk, each in a server of its own with one stream; for consumers also in a cluster
// of three on loopback, replicas 3, of which one server's part is printed. Go gives memory back late, so the figures
// have garbage in them; they are medians of three runs.
import { Socket } from 'node:net';
import { AckPolicy, RetentionPolicy } from '@nats-io/jetstream';
import { makeBenchFolder } from './support/bench-folder.ts';
import { bodyOf } from './support/mail.ts';
import { median, nowUs, print, rounded } from './support/measure.ts';
import { NatsServers, requireNats, type ServerSizes } from './support/nats-servers.ts';

const runs = 3;
const bodyBytes = 256;
/** With 100, consumers of three replicas exceeded the 5 s of the client. */
const inFlight = 10;
const publishMsMax = 10_000;
const stream = 'mail';

/** Returns what ends it. */
type Grow = (servers: NatsServers, count: number) => Promise<() => void>;

interface Growing {
  readonly grow: Grow;
  /** Makes things that are not counted. */
  readonly prepare?: Grow;
  readonly replicas?: number;
}

interface Growth extends ServerSizes {
  /** Its version. */
  readonly server: string;
  readonly us: number;
}

requireNats('nats-memory');
await measureIdle();
for (const count of [1_000, 5_000]) await measure('consumer_R1', count, { grow: addConsumers });
await measure('consumer_R3', 500, { grow: addConsumers, replicas: 3 });
await measure('parked_pull', 1_000, { grow: parkPulls, prepare: addConsumers });
await measure('connection', 1_000, { grow: dial });
await measure('subject', 100_000, { grow: publish });

async function measureIdle(): Promise<void> {
  const servers = await NatsServers.start(makeBenchFolder(), 1);
  print('nats_idle', { server: servers.version, ...servers.sizes });
  await servers.close();
}

/** Prints the growth of a server for each of `count` things. */
async function measure(name: string, count: number, growing: Growing): Promise<void> {
  const growths: Growth[] = [];
  for (let run = 0; run < runs; run++) growths.push(await growthOf(count, growing));
  const each = (figure: 'bytes' | 'openFiles' | 'storedFiles' | 'us') =>
    rounded(median(growths.map((growth) => growth[figure])) / count);
  print(`nats_${name}_${count}`, {
    server: growths[0]?.server,
    bytes: Math.round(each('bytes')),
    openFiles: each('openFiles'),
    storedFiles: each('storedFiles'),
    us: each('us'),
  });
}

async function growthOf(count: number, { grow, prepare, replicas = 1 }: Growing): Promise<Growth> {
  const servers = await NatsServers.start(makeBenchFolder(), replicas);
  const isQueue = grow === addConsumers || prepare === addConsumers;
  await servers.addStream({
    name: stream,
    subjects: ['mail.>'],
    retention: isQueue ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
  });
  const endings = [await prepare?.(servers, count)];
  const before = servers.sizes;
  const startUs = nowUs();
  endings.push(await grow(servers, count));
  const us = nowUs() - startUs;
  const after = servers.sizes;
  for (const end of endings) end?.();
  await servers.close();
  return {
    server: servers.version,
    bytes: after.bytes - before.bytes,
    openFiles: after.openFiles - before.openFiles,
    storedFiles: after.storedFiles - before.storedFiles,
    us,
  };
}

async function addConsumers({ manager }: NatsServers, count: number) {
  await forEach(count, (index) =>
    manager.consumers.add(stream, {
      durable_name: `reader-${index}`,
      filter_subject: `mail.reader-${index}`,
      ack_policy: AckPolicy.Explicit,
    }),
  );
  return () => undefined;
}

/** One pull for each consumer, all of one connection. */
async function parkPulls({ nats, manager }: NatsServers, count: number) {
  const minuteNs = 60_000_000_000;
  for (let index = 0; index < count; index++) {
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.reader-${index}`;
    const options = { reply: `inbox.${index}` };
    nats.publish(subject, JSON.stringify({ batch: 1, expires: minuteNs }), options);
  }
  nats.subscribe('inbox.>');
  await nats.flush();
  // The server reads pulls of a consumer in their order, and info after them.
  await forEach(count, (index) => manager.consumers.info(stream, `reader-${index}`));
  return () => undefined;
}

/** Bare sockets, so that the client's memory plays no part; each has one subscription, as a session has. */
async function dial({ url }: NatsServers, count: number) {
  const port = Number(new URL(url).port);
  const sockets: Socket[] = [];
  await forEach(count, async (index) => {
    const socket = new Socket();
    sockets.push(socket);
    socket.connect(port, '127.0.0.1');
    socket.write(`CONNECT {"verbose":false}\r\nSUB session.${index} 1\r\nPING\r\n`);
    await new Promise<void>((resolve, reject) => {
      let received = '';
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        received += chunk;
        if (received.includes('PONG')) resolve();
      });
    });
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/** Sent at once: the server answers that it has stored each. */
async function publish({ nats }: NatsServers, count: number) {
  const body = bodyOf(bodyBytes);
  await forEach(count, (index) =>
    nats.request(`mail.reader-${index}`, body, { timeout: publishMsMax }),
  );
  return () => undefined;
}

/** With some in flight. */
async function forEach(count: number, action: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const goOn = async () => {
    while (next < count) await action(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, goOn));
}
