// A NATS server that cannot store: posts end with an error after a while, and repeated with their ids they are stored once.
// A wait says that no mail can be read.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
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

/** The error of a wait at the mailbox, which has mail. */
function unread(mail: MailService, timeoutMs: number): Promise<string> {
  return mail.wait(box, { timeoutMs }).then(
    (delivery) => assert.fail(`it found ${delivery ? 'mail' : 'nothing'}`),
    ({ code, message }: IpcError) => `${code}: ${message}`,
  );
}

/** Posts of the owner, and of a session at it, while `nodes` are suspended, and again when they run. */
async function assertPosts(team: NatsTeam, nodes: readonly NatsNode[]): Promise<string[]> {
  const [owner, guest, reader] = [await team.service(), await team.service(), team.remote()];
  await post(owner, 'before');
  await post(guest, 'before it stands');
  const parked = reader.wait('other', 200_000);
  await untilParked(reader, 'other');
  for (const node of nodes) node.stop();
  const [ofOwner, ofOwnerSoon, ofGuest, ...ended] = await Promise.all([
    unread(owner, 7_000),
    unread(owner, 2_000),
    unread(guest, 4_000),
    failed(owner, 'owner'),
    failed(guest, 'guest'),
  ]);
  assert.match(ofOwner, /^unreachable: nats:.* mail waits to be stored by the NATS server: /);
  assert.match(ofOwnerSoon, /^unreachable: nats:.* mail waits to be stored by the NATS server$/);
  assert.match(
    ofGuest,
    /^unreachable: nats:.*: the owner of the broker \(pid .*\) has not answered/,
  );
  for (const { error, ms } of ended) {
    assert.deepEqual([error.code, error.maybeStored], ['unreachable', true], error.message);
    assert.ok(ms < endMsMax, `${ms} ms`);
  }
  const ofLate = await unread(await team.service(), 3_000);
  assert.match(ofLate, /^unreachable: nats:.* has not answered: /);
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
  return [...ended.map(({ error, ms }) => `${ms} ms: ${error.message}`), ofOwner, ofGuest, ofLate];
}

test('a server stands still for long: posts of the owner and of another session end, short waits say why, and a long one stays parked', async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const said = await assertPosts(await natsTeam(context, server.url), [server]);
  context.diagnostic(said.join(' | '));
});

test('a cluster has no majority for long: posts of the owner and of another session end, short waits say why, and a long one stays parked', async (context) => {
  const cluster = await natsCluster(context);
  if (!cluster) return;
  const [first, second, third] = cluster.nodes;
  assert(first && second && third);
  const said = await assertPosts(await natsTeam(context, first.url), [second, third]);
  context.diagnostic(said.join(' | '));
});

test('a wait for seconds at a program that says nothing in place of a server ends with an error', async (context) => {
  const silent = createServer((socket) => context.after(() => socket.destroy()));
  context.after(() => silent.close());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const { service } = await natsTeam(context, `nats://127.0.0.1:${port}`);
  const mail = await service();
  await assert.rejects(mail.wait(box, { timeoutMs: 2_000 }), {
    code: 'unreachable',
    message: `nats://127.0.0.1:${port} has not answered: for 3 s`,
  });
});
