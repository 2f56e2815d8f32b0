// A NATS server that cannot store: posts end with an error after a while, and repeated with their ids they are stored once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../src/base/errors.ts';
import type { MailService } from '../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../src/model/message.ts';
import { type NatsNode, natsCluster, natsServer } from '../support/nats/nats-server.ts';
import { type NatsTeam, natsTeam, untilParked } from '../support/nats/nats-team.ts';

const box = 'box' as Name;
/** The 30 s of docs/jetstream.md, and what a busy machine adds. */
const endMsMax = 60_000;

function post(mail: MailService, text: string) {
  return mail.post(box, Buffer.from(text), { id: `id-of-${text}` as MessageId });
}

/** The error of a post, and how long it took. */
async function failed(mail: MailService, text: string) {
  const began = performance.now();
  const error = await post(mail, text).then(
    () => assert.fail(`${text} is stored`),
    (fault: unknown) => fault,
  );
  assert(error instanceof IpcError);
  return { error, ms: Math.round(performance.now() - began) };
}

/** Posts of the owner, and of a session at it, while `nodes` are suspended, and again when they run. */
async function assertPosts(team: NatsTeam, nodes: readonly NatsNode[]): Promise<string[]> {
  const [owner, guest, reader] = [await team.service(), await team.service(), team.remote()];
  await post(owner, 'before');
  await post(guest, 'before it stands');
  const parked = reader.wait('other', 200_000);
  await untilParked(reader, 'other');
  for (const node of nodes) node.stop();
  const said: string[] = [];
  for (const { error, ms } of await Promise.all([failed(owner, 'owner'), failed(guest, 'guest')])) {
    said.push(`${ms} ms: ${error.code}: ${error.message}`);
    assert.deepEqual([error.code, error.maybeStored], ['unreachable', true], error.message);
    assert.ok(ms < endMsMax, `${ms} ms`);
  }
  for (const node of nodes) node.continue();
  for (const [mail, text] of [
    [owner, 'owner'],
    [guest, 'guest'],
  ] as const) {
    // The server may need a moment, or elects a leader first.
    for (let isStored = false; !isStored; ) {
      isStored = await post(mail, text).then(
        () => true,
        (error: IpcError) => {
          assert.equal(error.code, 'unreachable');
          return false;
        },
      );
    }
  }
  const { deliveries } = await owner.fetch(box);
  const texts = deliveries.map(({ body }) => String(body));
  assert.deepEqual(texts.slice(0, 2), ['before', 'before it stands']);
  assert.deepEqual(texts.slice(2).sort(), ['guest', 'owner']);
  await owner.post('other' as Name, Buffer.from('for the wait'));
  assert.equal((await parked)?.body, 'for the wait');
  return said;
}

test('a server stands still for long: posts of the owner and of another session end, and a wait stays parked', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const said = await assertPosts(await natsTeam(context, server.url), [server]);
  context.diagnostic(said.join(' | '));
});

test('a cluster has no majority for long: posts of the owner and of another session end, and a wait stays parked', async (context) => {
  const cluster = await natsCluster(context);
  if (!cluster) return;
  const [first, second, third] = cluster.nodes;
  assert(first && second && third);
  const said = await assertPosts(await natsTeam(context, first.url), [second, third]);
  context.diagnostic(said.join(' | '));
});
