// Which replies are given to a connection together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplySender } from '../../../src/broker/reply-sender.ts';
import type { Reply } from '../../../src/engine/commands.ts';
import type { Envelope, Name } from '../../../src/model/message.ts';
import type { Offer } from '../../../src/model/requests.ts';
import { FrameDecoder } from '../../../src/protocol/frame.ts';

const settled = (to: number, request: number): Reply => ({
  to,
  after: 'sync',
  response: { kind: 'settled', request, notHeld: [] },
});

function offer(to: number, request: number, bodyBytes: number) {
  const box = 'box' as Name;
  const origin = { program: 'test', pid: 1, machine: 'm' };
  const names = { id: 'id' as Envelope['id'], to: box, from: box, answers: '' } as const;
  const envelope = { ...names, number: 1, time: 0, origin, bodyBytes, checksum: 0, depth: 0 };
  const rest = { mailbox: box, attempt: 1, others: 0, remaining: 0, elsewhere: [] };
  const response: Offer = { kind: 'offer', request, envelope, ...rest };
  return { to, after: 'write', response, body: Buffer.alloc(bodyBytes, 'x') } as const;
}

/** A sender to connections 1 and 2, which report what they get. */
function makeSender() {
  const calls: string[] = [];
  const requestsOf = (buffers: readonly Buffer[]) =>
    new FrameDecoder()
      .push(Buffer.concat(buffers))
      .map(({ request }) => request)
      .join();
  const peerOf = (id: number) => ({
    send: (buffers: readonly Buffer[]) => void calls.push(`${id} gets ${requestsOf(buffers)}`),
    deliver: (buffers: readonly Buffer[], bytes: number) =>
      void calls.push(`${id} gets ${requestsOf(buffers)} with ${bytes} bytes`),
    flush: () => void calls.push(`${id} is flushed`),
    responseSent: () => {},
    connection: { close: () => void calls.push(`${id} is closed`) },
  });
  const peers = new Map([1, 2].map((id) => [id, peerOf(id)] as const));
  return { calls, peers, sender: new ReplySender(peers, (response) => response) };
}

test('replies to one connection that follow each other are given to it together', () => {
  const { calls, sender } = makeSender();
  sender.send([settled(1, 10), settled(1, 11), settled(2, 20), settled(1, 12)]);
  assert.deepEqual(calls, ['1 gets 10,11', '2 gets 20', '1 gets 12']);
});

test('a reply to a connection that is gone is dropped', () => {
  const { calls, sender } = makeSender();
  sender.send([settled(1, 10), settled(3, 30), settled(1, 11)]);
  assert.deepEqual(calls, ['1 gets 10', '1 gets 11']);
});

test('deliveries are counted with the bytes of their bodies, at most 64 KiB together', () => {
  const { calls, sender } = makeSender();
  sender.send([offer(1, 10, 100), offer(1, 11, 200), settled(1, 12)]);
  sender.send([settled(1, 13)]);
  sender.send([offer(2, 20, 70_000), offer(2, 21, 5), offer(2, 22, 0)]);
  assert.deepEqual(calls, [
    '1 gets 10,11,12 with 300 bytes',
    '1 gets 13',
    '2 gets 20 with 70000 bytes',
    '2 gets 21,22 with 5 bytes',
  ]);
});

test('a connection is closed once it has its fatal error', () => {
  const { calls, sender } = makeSender();
  const response = { kind: 'error', request: 11, code: 'bad_frame', message: 'no' } as const;
  sender.send([settled(1, 10), { to: 1, after: 'write', response }, settled(2, 20)]);
  assert.deepEqual(calls, ['1 gets 10,11', '1 is closed', '2 gets 20']);
});

test('when a reply cannot be encoded, no other connection gets what was encoded before it', () => {
  const { calls, sender } = makeSender();
  assert.throws(() => sender.send([offer(1, 10, 100), settled(1, -1)]), RangeError);
  sender.send([settled(2, 20)]);
  assert.deepEqual(calls, ['2 gets 20']);
});

test('replies that were encoded before are given to the connections that are there by then, and written', () => {
  const { calls, peers, sender } = makeSender();
  const encoded = sender.encode([settled(1, 10), settled(2, 20)]);
  assert.deepEqual(calls, []);
  peers.delete(1);
  sender.giveNow(encoded);
  assert.deepEqual(calls, ['2 gets 20', '2 is flushed']);
});
