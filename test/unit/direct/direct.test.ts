import assert from 'node:assert/strict';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { connectionsMax } from '../../../src/base/limits.ts';
import { type ReceivedMessage, receive } from '../../../src/direct/receive.ts';
import { ping, type SendArguments, send } from '../../../src/direct/send.ts';
import { bodyChecksum, parseName } from '../../../src/model/message.ts';
import { accept, dial } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { decodeResponse, encodeRequest, encodeResponse } from '../../../src/protocol/codec.ts';
import { Ear, freePort, keys, Listener, otherKeys, rawSocket } from '../../support/sockets.ts';

const host = '127.0.0.1';
const from = parseName('sender');
const origin = { program: 'test', pid: 7, machine: 'here' };
const timeoutMs = 20_000;

function sending(port: number, text: string, more: Partial<SendArguments> = {}): Promise<void> {
  return send({ host, port, from, origin, body: Buffer.from(text), keys, timeoutMs, ...more });
}

async function received(port: number): Promise<ReceivedMessage> {
  const message = await receive({ port, timeoutMs, keys: () => keys });
  assert.ok(message);
  return message;
}

/** A receiver that does with each connection what the test says. */
function strangeReceiver(onConnection: (connection: Connection) => void): Promise<Listener> {
  return Listener.start((socket) => {
    accept(socket, keys).then(onConnection);
  });
}

test('a message arrives with its sender, and send() ends only when it is confirmed', async () => {
  const port = await freePort();
  const receiving = received(port);
  let sent = false;
  const done = sending(port, 'hello').then(() => {
    sent = true;
  });
  const message = await receiving;
  assert.equal(message.body.toString(), 'hello');
  assert.equal(message.from, 'sender');
  // A round trip later the sender still waits.
  await ping({ host, port, keys, timeoutMs });
  assert.equal(sent, false);
  await message.confirm();
  await done;
});

test('a sender that comes first goes on trying until someone receives', async () => {
  const port = await freePort();
  const done = sending(port, 'early');
  await assert.rejects(dial({ host, port }, keys), { code: 'unreachable' });
  const message = await received(port);
  await message.confirm();
  await done;
});

test('1 MB of any UTF-8 arrives byte for byte', async () => {
  const port = await freePort();
  const body = Buffer.alloc(1_048_576, 'a "line"\n\u0000\\ \u2028 \ufeff é 😀\r\n');
  const sound = Buffer.from(body.toString('utf8').replaceAll('\ufffd', '')).subarray(0, 1_048_576);
  const padded = Buffer.concat([sound, Buffer.alloc(1_048_576 - sound.length, 'x')]);
  const done = send({ host, port, from, origin, body: padded, keys, timeoutMs });
  const message = await received(port);
  assert.ok(message.body.equals(padded));
  await message.confirm();
  await done;
});

test('of several senders at once one is received by each receive, and none is lost', async () => {
  const port = await freePort();
  const texts = ['1', '2', '3', '4', '5'];
  const all = Promise.all(texts.map((text) => sending(port, text)));
  const got: string[] = [];
  for (const _ of texts) {
    const message = await received(port);
    got.push(message.body.toString());
    await message.confirm();
  }
  await all;
  assert.deepEqual(got.sort(), texts);
});

test('while one message waits to be confirmed, another sender is told that it is busy', async () => {
  const port = await freePort();
  const receiving = received(port);
  const done = sending(port, 'first');
  const message = await receiving;
  await assert.rejects(sending(port, 'second', { timeoutMs: 500 }), { code: 'busy' });
  await message.confirm();
  await done;
});

test('pings are answered before, between and after, and disturb nothing', async () => {
  const port = await freePort();
  const receiving = received(port);
  for (let count = 0; count < 3; count++) {
    const { ms } = await ping({ host, port, keys, timeoutMs });
    assert.ok(ms > 0 && ms < timeoutMs);
  }
  const done = sending(port, 'hello');
  const message = await receiving;
  await ping({ host, port, keys, timeoutMs });
  await message.confirm();
  await done;
  await assert.rejects(ping({ host, port, keys, timeoutMs: 50 }), { code: 'unreachable' });
});

test('a receive whose time is over gives nothing and frees its port at once', async () => {
  const port = await freePort();
  assert.equal(await receive({ port, timeoutMs: 20, keys: () => keys }), undefined);
  assert.equal(await receive({ port, timeoutMs: 20, keys: () => keys }), undefined);
});

test('an abort ends a receive and frees its port', async () => {
  const port = await freePort();
  const aborter = new AbortController();
  const receiving = receive({ port, timeoutMs, keys: () => keys, signal: aborter.signal });
  await ping({ host, port, keys, timeoutMs });
  aborter.abort();
  await assert.rejects(receiving, { code: 'cancelled' });
  await assert.rejects(receive({ port, timeoutMs, keys: () => keys, signal: aborter.signal }), {
    code: 'cancelled',
  });
  assert.equal(await receive({ port, timeoutMs: 20, keys: () => keys }), undefined);
});

test('a refused message is sent again by itself, and taken by another receive', async () => {
  const port = await freePort();
  const receiving = received(port);
  const done = sending(port, 'again');
  const first = await receiving;
  first.refuse();
  await assert.rejects(first.confirm(), { code: 'cancelled' });
  const second = await received(port);
  assert.equal(second.body.toString(), 'again');
  await second.confirm();
  second.refuse();
  await done;
});

test('an abort before the confirmation gives the message back to its sender', async () => {
  const port = await freePort();
  const aborter = new AbortController();
  const receiving = receive({ port, timeoutMs, keys: () => keys, signal: aborter.signal });
  const done = sending(port, 'again');
  assert.ok(await receiving);
  aborter.abort();
  const message = await received(port);
  assert.equal(message.body.toString(), 'again');
  await message.confirm();
  await done;
});

test('a receiver that dies after it has the message leaves the sender in doubt, who does not try again', async () => {
  let connections = 0;
  const listener = await strangeReceiver((connection) => {
    connections++;
    connection.onFrame = () => connection.destroy();
  });
  await assert.rejects(sending(listener.port, 'hello'), { code: 'cut_off' });
  assert.equal(connections, 1);
  listener.close();
});

test('a receiver that ends before it takes the message is tried again', async () => {
  let connections = 0;
  const listener = await strangeReceiver((connection) => {
    connections++;
    if (connections === 1) {
      connection.send(encodeResponse({ kind: 'going', request: 0 }));
      connection.close();
      return;
    }
    connection.onFrame = ({ request }) => {
      connection.send(encodeResponse({ kind: 'received', request }));
    };
  });
  await sending(listener.port, 'x'.repeat(1_048_576));
  assert.equal(connections, 2);
  listener.close();
});

test('an error that no later try can mend ends the send at once', async () => {
  let connections = 0;
  const listener = await strangeReceiver((connection) => {
    connections++;
    connection.onFrame = ({ request }) => {
      const code = 'wrong_service';
      connection.send(encodeResponse({ kind: 'error', request, code, message: 'a broker' }));
    };
  });
  const wrong = { code: 'wrong_service', message: 'a broker' };
  await assert.rejects(sending(listener.port, 'hello'), wrong);
  assert.equal(connections, 1);
  listener.close();
});

test('a send that is given up before its confirmation may have been received', async () => {
  const port = await freePort();
  const aborter = new AbortController();
  const receiving = received(port);
  const sent = sending(port, 'hello', { signal: aborter.signal });
  const message = await receiving;
  aborter.abort();
  await assert.rejects(sent, { code: 'cut_off' });
  // The result was written all the same; there is nobody left to tell.
  await message.confirm();
});

test('a send that was not confirmed in its time may have been received', async () => {
  const port = await freePort();
  const receiving = received(port);
  const sent = sending(port, 'hello', { timeoutMs: 1_000 });
  const message = await receiving;
  await assert.rejects(sent, { code: 'cut_off' });
  await message.confirm();
});

test('a sender that is cancelled while nobody listens has sent nothing', async () => {
  const aborter = new AbortController();
  const port = await freePort();
  const sent = sending(port, 'hello', { signal: aborter.signal });
  setImmediate(() => aborter.abort());
  await assert.rejects(sent, { code: 'cancelled' });
  await assert.rejects(sending(port, 'hello', { signal: aborter.signal }), { code: 'cancelled' });
});

test('with nobody there, send and ping say so when their time is over', async () => {
  const port = await freePort();
  const began = performance.now();
  await assert.rejects(sending(port, 'hello', { timeoutMs: 250 }), { code: 'unreachable' });
  assert.ok(performance.now() - began >= 240);
  await assert.rejects(ping({ host, port, keys, timeoutMs: 50 }), { code: 'unreachable' });
});

test('strangers and other keys are turned away, and the receive goes on', async () => {
  const port = await freePort();
  const receiving = received(port);
  await ping({ host, port, keys, timeoutMs });
  const stranger = await rawSocket(port);
  stranger.end('GET / HTTP/1.1\r\n\r\n');
  stranger.resume();
  await once(stranger, 'close');
  const wrongKey = { keys: otherKeys };
  await assert.rejects(sending(port, 'hello', wrongKey), { code: 'key_mismatch' });
  await assert.rejects(ping({ host, port, timeoutMs, ...wrongKey }), { code: 'key_mismatch' });
  const done = sending(port, 'welcome');
  const message = await receiving;
  assert.equal(message.body.toString(), 'welcome');
  await message.confirm();
  await done;
});

test('a receive has so many connections; one more hears that it is busy, and the receive goes on', async () => {
  const port = await freePort();
  const receiving = received(port);
  await ping({ host, port, keys, timeoutMs });
  const idle: Connection[] = [];
  while (idle.length < connectionsMax) idle.push(await dial({ host, port }, keys));
  await assert.rejects(ping({ host, port, keys, timeoutMs: 300 }), { code: 'busy' });
  idle.pop()?.destroy();
  const done = sending(port, 'there was a place');
  const message = await receiving;
  assert.equal(message.body.toString(), 'there was a place');
  await message.confirm();
  await done;
  for (const connection of idle) connection.destroy();
});

test('a request for a broker, and a damaged body, get an error, and the receive goes on', async () => {
  const port = await freePort();
  const receiving = received(port);
  await ping({ host, port, keys, timeoutMs });
  const ear = new Ear(await dial({ host, port }, keys));
  const codeOfNext = async (): Promise<string> => {
    const [frame] = await ear.next();
    assert.ok(frame);
    const { response } = decodeResponse(frame);
    return response.kind === 'error' ? response.code : response.kind;
  };
  ear.connection.send(encodeRequest({ kind: 'status', request: 1 }));
  assert.equal(await codeOfNext(), 'wrong_service');
  const body = Buffer.from([0xff]);
  const damaged = { kind: 'send', from, origin, body } as const;
  ear.connection.send(encodeRequest({ ...damaged, request: 2, checksum: bodyChecksum(body) }));
  assert.equal(await codeOfNext(), 'bad_body');
  ear.connection.send(encodeRequest({ ...damaged, request: 3, checksum: 0 }));
  assert.equal(await codeOfNext(), 'body_damaged');
  assert.equal(await ear.closed, undefined);
  const done = sending(port, 'sound');
  await (await receiving).confirm();
  await done;
});

test('a port that another program holds is taken, for the receiver and for the sender', async () => {
  const listener = await Listener.start((socket) => socket.end('220 mail ready\r\n'));
  const { port } = listener;
  await assert.rejects(receive({ port, timeoutMs, keys: () => keys }), { code: 'port_taken' });
  await assert.rejects(sending(port, 'hello'), { code: 'port_taken' });
  await assert.rejects(ping({ host, port, keys, timeoutMs }), { code: 'port_taken' });
  listener.close();
});

test('a host that nobody knows is said to be unknown', async () => {
  const unknown = { code: 'host_unknown' };
  const port = await freePort();
  await assert.rejects(sending(port, 'hello', { host: 'no-such-host.invalid' }), unknown);
  await assert.rejects(
    receive({ port, bind: 'no-such-host.invalid', timeoutMs, keys: () => keys }),
    unknown,
  );
});

test('an address of another machine cannot be bound', async () => {
  const unusable = { code: 'address_unusable' };
  const port = await freePort();
  await assert.rejects(receive({ port, bind: '192.0.2.1', timeoutMs, keys: () => keys }), unusable);
});

test('localhost and other loopback addresses are this machine', async () => {
  const port = await freePort();
  const receiving = receive({ port, bind: '127.0.0.2', timeoutMs, keys: () => keys });
  const done = sending(port, 'hello', { host: '127.0.0.2' });
  await (await receiving)?.confirm();
  await done;
  const again = received(port);
  const second = sending(port, 'hello', { host: 'localhost' });
  await (await again).confirm();
  await second;
});
