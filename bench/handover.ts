// Latency from the call of post() to the end of a wait that was parked before. Poster, broker and reader
// are separate processes. For comparison, a round trip over plain TCP, which has the same number of hops;
// the two alternate. Both are measured under three conditions: see support/cores.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { freePort } from '../test/support/places.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { BenchProcess } from './support/bench-process.ts';
import { keepApart, withAwakeCores } from './support/cores.ts';
import { bodyOf, mailbox, openSession } from './support/mail.ts';
import { nowUs, print, rounded, Series, type Summary } from './support/measure.ts';

const bytes = 256;
const runs = 5_000;
/** Runs until the code of all four processes is fully optimized. */
const warmups = 2_000;

const home = makeBenchFolder();
const port = await freePort();
const broker = new BenchProcess('broker-process.js', home, String(port));
assert.equal(await broker.next(), 'owner');
const reader = new BenchProcess('reader-process.js', home, String(port));
await reader.next();
const echo = new BenchProcess('echo-process.js');
const socket = connect({ host: '127.0.0.1', port: await echo.next<number>(), noDelay: true });
await once(socket, 'connect');
const poster = openSession(home, port);
const body = bodyOf(bytes);

await takeTurns(warmups);
await measure('free');
keepApart([process.pid, reader.pid], [broker.pid, echo.pid]);
await measure('apart');
await withAwakeCores(() => measure('apart_awake'));

socket.destroy();
await poster.close();
for (const helper of [echo, reader, broker]) await helper.end();

async function measure(condition: string): Promise<void> {
  const { handover, echo } = await takeTurns(runs);
  print(`tcp_echo_${bytes}B_1in_flight_${condition}`, echo);
  print(`handover_${bytes}B_1in_flight_${condition}`, {
    ...handover,
    ratio: { tcp_echo: rounded(handover.medianUs / echo.medianUs) },
  });
}

async function takeTurns(count: number): Promise<{ handover: Summary; echo: Summary }> {
  const [handovers, echoes] = [new Series(), new Series()];
  for (let run = 0; run < count; run++) {
    handovers.add(await handOver());
    await echoes.time(goAround);
  }
  return { handover: handovers.summary(), echo: echoes.summary() };
}

/** Also waits until the message is settled and the next wait of the reader is parked. */
async function handOver(): Promise<number> {
  const startUs = nowUs();
  const { reader: isRead } = await poster.post(mailbox, body);
  assert(isRead, 'the wait was parked before the post');
  return (await reader.next<number>()) - startUs;
}

function goAround(): Promise<void> {
  return new Promise((resolve) => {
    let missing = bytes;
    const onData = (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing > 0) return;
      socket.off('data', onData);
      resolve();
    };
    socket.on('data', onData);
    socket.write(body);
  });
}
