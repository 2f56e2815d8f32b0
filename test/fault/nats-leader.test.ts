// A cluster of three servers, whose leader of the stream is killed under load.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IpcError } from '../../src/base/errors.ts';
import type { Name } from '../../src/model/message.ts';
import { natsCluster } from '../support/nats/nats-server.ts';
import { natsTeam } from '../support/nats/nats-team.ts';

test('the leader of the stream is killed under load: nothing acknowledged is lost, and nothing is twice', async (context) => {
  const cluster = await natsCluster(context);
  if (!cluster) return;
  const { service, stream } = await natsTeam(context, cluster.url);
  const [owner, writer, reader] = [await service(), await service(), await service()];
  const { server } = await owner.start();
  assert.equal(server?.replicas, 3);
  let isOver = false;
  const stored = new Set<string>();
  const failed = new Set<string>();
  const codes = new Set<string>();
  let longestMs = 0;
  const write = async (mail: typeof owner, letter: string) => {
    for (let count = 1; !isOver; count++) {
      const text = `${letter}${count}`;
      const began = performance.now();
      try {
        await mail.post('box' as Name, Buffer.from(text));
        stored.add(text);
      } catch (error) {
        failed.add(text);
        codes.add((error as IpcError).code);
      }
      longestMs = Math.max(longestMs, performance.now() - began);
      await sleep(5);
    }
  };
  const read: string[] = [];
  const readAll = async () => {
    for (;;) {
      const delivery = await reader.wait('box' as Name, { timeoutMs: isOver ? 3_000 : 60_000 });
      if (!delivery) return;
      const notHeld = await reader.settle([delivery]);
      assert.deepEqual(notHeld, []);
      read.push(String(delivery.body));
    }
  };
  const writing = [write(owner, 'a'), write(writer, 'b')];
  const reading = readAll();
  await sleep(1_000);
  const leader = await cluster.streamLeader(stream);
  await leader.kill();
  const before = stored.size;
  await cluster.streamLeader(stream);
  while (stored.size < before + 50) await sleep(50);
  await leader.start();
  await sleep(1_000);
  isOver = true;
  await Promise.all(writing);
  await owner.post('box' as Name, Buffer.from('last'));
  await reading;
  context.diagnostic(
    `${stored.size} stored, ${failed.size} failed (${[...codes]}), the longest post took ${Math.round(longestMs)} ms`,
  );
  assert.deepEqual(
    [...stored].filter((text) => !read.includes(text)),
    [],
    'acknowledged, and lost',
  );
  assert.equal(new Set(read).size, read.length, 'read twice');
});

test('a node of a cluster stands still that does not lead: an owner at it goes on at another node, and its post is stored', async (context) => {
  const cluster = await natsCluster(context);
  if (!cluster) return;
  const team = await natsTeam(context, cluster.url);
  const maker = team.remote();
  await maker.start();
  await maker.close();
  const leader = await cluster.streamLeader(team.stream);
  const [node] = cluster.nodes.filter((each) => each !== leader);
  assert(node);
  const owner = team.remote(node.url);
  assert.equal((await owner.start()).role, 'owner');
  node.stop();
  const began = performance.now();
  await owner.post('box', 'stored through another node');
  context.diagnostic(`stored after ${Math.round(performance.now() - began)} ms`);
  assert.equal((await owner.wait('box'))?.body, 'stored through another node');
});
