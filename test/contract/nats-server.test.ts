// The servers that the tests of the NATS engine start.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type NatsNode, natsCluster, natsServer } from '../support/nats/nats-server.ts';

/** The first line that a client is sent. */
function greeting(node: NatsNode): Promise<{ max_payload: number; auth_required?: boolean }> {
  return new Promise((resolve, reject) => {
    const socket = connect(node.port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', (line) => {
      socket.destroy();
      resolve(JSON.parse(String(line).slice('INFO '.length)));
    });
  });
}

test('a server has its limits and its users, is killed, and serves again at the same port', async (context) => {
  const authorization = { user: 'ann', password: 'secret' };
  const options = { maxPayload: 65_536, storeBytesMax: 10_000_000, authorization };
  const server = await natsServer(context, options);
  if (server === undefined) return;
  const { pid, port } = server;
  const { max_payload, auth_required } = await greeting(server);
  assert.deepEqual([max_payload, auth_required], [65_536, true]);
  await server.kill();
  assert.equal(await server.isHealthy(), false);
  await server.start();
  assert.notEqual(server.pid, pid);
  assert.deepEqual([server.port, (await greeting(server)).auth_required], [port, true]);
});

test('a suspended server says nothing until it continues', async (context) => {
  const server = await natsServer(context);
  if (server === undefined) return;
  server.stop();
  const greeted = greeting(server);
  assert.equal(await Promise.race([greeted, sleep(300)]), undefined);
  server.continue();
  assert.equal((await greeted).max_payload, 1_048_576);
});

test('a cluster of three elects another leader when its leader is killed, which joins again', async (context) => {
  const cluster = await natsCluster(context);
  if (cluster === undefined) return;
  assert.equal(cluster.url.split(',').length, 3);
  const first = await cluster.leader();
  await first.kill();
  const second = await cluster.leader();
  assert.notEqual(second.name, first.name);
  await first.start();
  assert.equal(first.isRunning, true);
});
