// Whoever has no key: he does not stall those who have one.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { unprovenMax } from '../../../src/base/limits.ts';
import type { Name } from '../../../src/model/message.ts';
import { timesDefault } from '../../../src/net/connection.ts';
import { startBroker } from '../../support/brokers.ts';
import { residentMiB } from '../../support/memory.ts';
import { Flood } from '../../support/processes/flood.ts';
import { place } from '../../support/processes/remote.ts';

const floodSockets = 10_000;
/** Preface, nonce and proof. */
const serverHelloBytes = 72;
function startFlood(context: TestContext, port: number, words?: Buffer): Flood {
  const flood = new Flood('127.0.0.1', port, words);
  context.after(() => flood.end());
  return flood;
}

test('10,000 silent connections leave a post through the same port, and get no byte', async (context) => {
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

  // A session that comes in the middle of it, while the flood takes both processors.
  await late.post('box', 'in the middle');
  assert.ok(flooding, 'the flood was over before the post was stored');
  assert.equal((await waiting)?.body, 'in the middle');

  await ended;
  await later.post('box', 'after it');
  // Until the flood has read of the end of all that had no place.
  while (flood.open.size > unprovenMax) await new Promise(setImmediate);
  assert.equal(flood.heard, 0);
});

test('of 1,024 strangers who have said hello one goes for a session that has the key', async (context) => {
  const times = { ...timesDefault, handshakeMs: 600_000 };
  const broker = await startBroker(context, { times });
  const words = Buffer.concat([Buffer.from('a9495043630d0a01', 'hex'), Buffer.alloc(32, 1)]);
  const flood = startFlood(context, broker.port, words);
  await flood.run(unprovenMax);
  while (flood.heard < unprovenMax * serverHelloBytes) await new Promise(setImmediate);
  assert.equal(flood.open.size, 1_024);
  const { number } = await broker.client().post('box' as Name, Buffer.from('past them'));
  assert.equal(number, 1);
  while (flood.open.size === unprovenMax) await new Promise(setImmediate);
  assert.equal(flood.open.size, 1_023);
});

test('flood after flood, the memory of the broker stays flat', async (context) => {
  const { port, session } = await place(context);
  const owner = session();
  await owner.start();
  const flood = startFlood(context, port);
  const sizes: number[] = [];
  for (let round = 0; round < 4; round++) {
    await flood.run(floodSockets / 2);
    sizes.push(await residentMiB(owner.pid));
  }
  const [, second = 0, , last = 0] = sizes;
  assert.ok(last - second < 24, `MiB after each flood: ${sizes.map(Math.round).join(' ')}`);
});
