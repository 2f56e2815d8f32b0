// Connections of peers without the key do not stall peers that have it.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pendingHandshakesMax } from '../../../src/base/limits.ts';
import type { Name } from '../../../src/model/message.ts';
import { timesDefault } from '../../../src/net/connection.ts';
import { helloBytes } from '../../../src/protocol/handshake.ts';
import { startBroker } from '../../support/brokers.ts';
import { residentMiB } from '../../support/memory.ts';
import { Flood } from '../../support/processes/flood.ts';
import { place } from '../../support/processes/remote.ts';
import { nextLine, shell } from '../../support/processes/shell.ts';

const floodSockets = 10_000;
const strangersProgram = fileURLToPath(
  new URL('../../support/processes/strangers-process.js', import.meta.url),
);
/** The length of preface, nonce and proof. */
const serverHelloBytes = 72;
function startFlood(context: TestContext, port: number, hello?: Buffer): Flood {
  const flood = new Flood('127.0.0.1', port, hello);
  context.after(() => flood.end());
  return flood;
}

test('10,000 silent connections do not keep a post from the same port, and get no byte', async (context) => {
  const { port, session } = await place(context);
  const [owner, reader, late, later] = [session(), session(), session(), session()];
  await owner.start();
  const waiting = reader.wait('box', 60_000);
  await reader.status();
  const flood = startFlood(context, port);
  let flooding = true;
  const ended = flood.run(floodSockets).finally(() => {
    flooding = false;
  });
  while (flood.made < floodSockets / 4) await new Promise(setImmediate);

  // A session that connects in the middle of the flood, which occupies both processors.
  await late.post('box', 'in the middle');
  assert.ok(flooding, 'the flood was over before the post was stored');
  assert.equal((await waiting)?.body, 'in the middle');

  await ended;
  await later.post('box', 'after it');
  // Until the flood has seen the end of each connection that found no slot.
  while (flood.open.size > pendingHandshakesMax) await new Promise(setImmediate);
  assert.equal(flood.receivedBytes, 0);
});

test('when 1,024 pending handshakes fill all slots, one is evicted for a session that has the key', async (context) => {
  const times = { ...timesDefault, handshakeMs: 600_000 };
  const broker = await startBroker(context, { times });
  const hello = Buffer.concat([Buffer.from('a9495043630d0a01', 'hex'), Buffer.alloc(32, 1)]);
  const flood = startFlood(context, broker.port, hello);
  await flood.run(pendingHandshakesMax);
  while (flood.receivedBytes < pendingHandshakesMax * serverHelloBytes)
    await new Promise(setImmediate);
  assert.equal(flood.open.size, 1_024);
  const { number } = await broker.client().post('box' as Name, Buffer.from('past them'));
  assert.equal(number, 1);
  while (flood.open.size === pendingHandshakesMax) await new Promise(setImmediate);
  assert.equal(flood.open.size, 1_023);
});

/** Strangers keep `count` connections, each of which sends 40 bytes; see strangers-process.ts. */
async function startStrangers(context: TestContext, port: number, count: number): Promise<void> {
  const args = [String(port), String(count), String(helloBytes)];
  const child = fork(strangersProgram, args);
  context.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
}

test('while 3,000 strangers send a hello and dial again as fast as they can, every run of ipc post on this machine stores its message', async (context) => {
  const { port, begin, run } = await shell(context);
  await nextLine(begin(['broker']));
  await startStrangers(context, port, 3_000);
  for (let count = 1; count <= 6; count++) {
    const { code, errors } = await run(['post', 'box', `message ${count}`]);
    assert.equal(code, 0, errors);
  }
});

test('the memory of the broker stays flat over repeated floods of connections', async (context) => {
  const { port, session } = await place(context);
  const owner = session();
  await owner.start();
  const flood = startFlood(context, port);
  const sizes: number[] = [];
  for (let round = 0; round < 12; round++) {
    await flood.run(floodSockets / 2);
    sizes.push(await residentMiB(owner.pid));
  }
  // V8 of Node 24 makes its heap larger for six floods. The lower of two sizes: one may be from before a collection.
  const [early, late] = [Math.min(...sizes.slice(6, 8)), Math.min(...sizes.slice(10))];
  assert.ok(late - early < 24, `MiB after each flood: ${sizes.map(Math.round).join(' ')}`);
});
