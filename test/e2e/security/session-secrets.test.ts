// Every message shows the session of its poster. To another client with the key that id is worth nothing.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  bodyChecksum,
  type Hold,
  type MessageId,
  type Name,
  splitId,
} from '../../../src/model/message.ts';
import { dial } from '../../../src/net/connect.ts';
import {
  decodeResponse,
  encodeRequest,
  requestTypes,
  responseTypes,
} from '../../../src/protocol/codec.ts';
import { startBroker, type TestBroker } from '../../support/brokers.ts';
import { encodeFrame } from '../../support/frames.ts';
import { hello, helloOf } from '../../support/proven-socket.ts';
import { FrameCollector } from '../../support/sockets.ts';

const box = 'box' as Name;

async function connected({ port, keys }: Pick<TestBroker, 'port' | 'keys'>) {
  return new FrameCollector(await dial({ host: '127.0.0.1', port }, keys));
}

/** The hello of a client that has seen a message of the session. */
function forgedHello(session: string, secret?: string): Buffer[] {
  const names = { protocol: 2, version: '0.1.0', session, secret, standby: false, sentUpTo: 0 };
  const header = Buffer.from(JSON.stringify({ ...names, program: 'p', pid: 1, machine: 'm' }));
  return encodeFrame({ type: requestTypes.hello, request: 1, header, body: Buffer.alloc(4) });
}

function rawPost(request: number, count: number, ackedUpTo: number, settles: Hold[] = []) {
  const body = Buffer.from('forged');
  return encodeRequest({
    ...{ kind: 'post', request, count, ackedUpTo, id: '', to: 'away' as Name, alsoTo: [] },
    ...{ from: '', answers: '', settles, checksum: bodyChecksum(body), body },
  });
}

test('with the id that messages show, another client cannot take a session over, forge its mark, settle for it, or make its next post a duplicate', async (context) => {
  const broker = await startBroker(context);
  const [victim, reader] = [broker.client(), broker.client()];
  const { id } = await victim.post(box, Buffer.from('one'));
  await victim.post('tasks' as Name, Buffer.from('a task'));
  const task = await victim.wait('tasks' as Name, { timeoutMs: 60_000 });
  assert(task);
  const hold = { number: task.envelope.number, id: task.envelope.id };
  const session = splitId(id)?.session ?? '';
  const codes: string[] = [];
  for (const secret of [undefined, '00'.repeat(16)]) {
    const intruder = await connected(broker);
    intruder.connection.send(forgedHello(session, secret));
    intruder.connection.send(rawPost(2, 3, 2, [hold]));
    intruder.connection.send(rawPost(3, 900_000_000_000_000, 899_999_999_999_999));
    intruder.connection.send(encodeRequest({ kind: 'settle', request: 4, holds: [hold] }));
    await intruder.closed;
    for (const frame of intruder.frames) {
      const { response } = decodeResponse(frame);
      codes.push(response.kind === 'error' ? response.code : response.kind);
    }
  }
  assert.deepEqual(codes, ['bad_frame', 'bad_frame']);

  const next = await victim.post(box, Buffer.from('two'));
  assert.deepEqual([next.id, next.duplicate], [`${session}.3`, false]);
  const { deliveries } = await reader.fetch(box);
  assert.deepEqual(
    deliveries.map(({ body }) => String(body)),
    ['one', 'two'],
  );
  assert.equal((await reader.settle([task])).length, 1, 'the victim holds its task all the time');
  assert.deepEqual(await victim.settle([task]), []);
});

test('what a session has not posted yet, no other session can hold or settle for it', async (context) => {
  const broker = await startBroker(context);
  const victim = broker.client();
  const { id } = await victim.post(box, Buffer.from('one'));
  const session = splitId(id)?.session ?? '';
  const intruder = await connected(broker);
  const holds = [2, 3].map((count) => ({
    number: 90 + count,
    id: `${session}.${count}` as MessageId,
  }));
  intruder.connection.send(encodeRequest({ ...helloOf(Buffer.alloc(16, 7)), held: holds }));
  intruder.connection.send(encodeRequest({ kind: 'settle', request: 2, holds: holds.slice(0, 1) }));
  await intruder.next(2);
  const posted = [
    await victim.post(box, Buffer.from('two')),
    await victim.post(box, Buffer.from('three')),
  ];
  assert.deepEqual(
    posted.map(({ duplicate }) => duplicate),
    [false, false],
  );
  const { deliveries } = await victim.fetch(box);
  const bodies = deliveries.map(({ body, attempt }) => [String(body), attempt]);
  assert.deepEqual(bodies, [
    ['one', 1],
    ['two', 1],
    ['three', 1],
  ]);
});

test('the secret of a session is in no response of the broker and in no file of its store', async (context) => {
  const broker = await startBroker(context);
  const secret = Buffer.from('the secret bytes');
  const [owner, other] = [await connected(broker), await connected(broker)];
  owner.connection.send(encodeRequest(helloOf(secret)));
  owner.connection.send(rawPost(2, 1, 0));
  const seen = [...(await owner.next(2))];
  other.connection.send(hello('other'));
  const mailbox = 'away' as Name;
  const look = { mailbox, after: 0, messagesMax: 1, partBytesMax: 9 };
  other.connection.send(encodeRequest({ kind: 'status', request: 2 }));
  other.connection.send(
    encodeRequest({ kind: 'wait', request: 3, mailboxes: [mailbox], waitMs: 1_000, answers: '' }),
  );
  seen.push(...(await other.next(3)));
  owner.connection.send(encodeRequest({ kind: 'peek', request: 4, ...look }));
  seen.push(...(await owner.next(2)));
  const kinds = seen.map(({ type }) => type);
  for (const kind of ['stored', 'status', 'offer', 'peeked'] as const) {
    assert.ok(kinds.includes(responseTypes[kind]), kind);
  }
  const texts = seen.flatMap(({ bytes, body }) => [bytes, body]);
  for (const name of await readdir(broker.folder, { recursive: true })) {
    // A folder, or the socket.
    texts.push(await readFile(join(broker.folder, name)).catch(() => Buffer.alloc(0)));
  }
  const { session } = helloOf(secret);
  assert.ok(texts.some((text) => text.includes(session)));
  for (const text of texts) {
    assert.equal(text.includes(secret) || text.includes(secret.toString('hex')), false);
  }
});
