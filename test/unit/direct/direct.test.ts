import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { IpcError } from '../../../src/base/errors.ts';
import { connectionsMax, sendRetryMs } from '../../../src/base/limits.ts';
import { type ReceivedMessage, receive } from '../../../src/direct/receive.ts';
import { ping, type SendArguments, send } from '../../../src/direct/send.ts';
import { bodyChecksum, parseName } from '../../../src/model/message.ts';
import type { Response } from '../../../src/model/requests.ts';
import { accept, dial } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { decodeResponse, encodeRequest, encodeResponse } from '../../../src/protocol/codec.ts';
import { tickUntil } from '../../support/mocked-time.ts';
import { freePort } from '../../support/places.ts';
import { replaceResolver } from '../../support/resolver.ts';
import { FrameCollector, keys, Listener, otherKeys, rawSocket } from '../../support/sockets.ts';

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

/** Receives as soon as no other receive has the port. */
async function receivedOnceFree(port: number): Promise<ReceivedMessage> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await received(port);
    } catch (error) {
      const isTaken = error instanceof IpcError && error.code === 'port_taken';
      if (!isTaken || performance.now() > endsAt) throw error;
      await nextTurn();
    }
  }
}

async function nextResponse(frames: FrameCollector): Promise<Response> {
  const [frame] = await frames.next();
  assert.ok(frame);
  return decodeResponse(frame).response;
}

/** A receiver that gives each connection to the test. */
function strangeReceiver(onConnection: (connection: Connection) => void): Promise<Listener> {
  return Listener.start((socket) => {
    accept(socket, keys).then(onConnection);
  });
}

test('a message arrives with its sender, and send() resolves only when it is confirmed', async () => {
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

test('a sender that comes before any receive tries again until there is one', async () => {
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

test('each receive takes the message of one of several senders, and none is lost', async () => {
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

test('while one message waits to be confirmed, another sender gets busy', async () => {
  const port = await freePort();
  const receiving = received(port);
  const done = sending(port, 'first');
  const message = await receiving;
  const second = new FrameCollector(await dial({ host, port }, keys));
  const body = Buffer.from('second');
  const checksum = bodyChecksum(body);
  second.connection.send(encodeRequest({ kind: 'send', request: 1, from, origin, checksum, body }));
  const response = await nextResponse(second);
  assert.deepEqual([response.kind, response.request], ['error', 1]);
  assert.equal(response.kind === 'error' && response.code, 'busy');
  await message.confirm();
  await done;
});

const busy = { kind: 'error', request: 1, code: 'busy', message: 'it came first' } as const;
const going = { kind: 'going', request: 0 } as const;

for (const [call, response] of [
  ['send', busy],
  ['send', going],
  ['ping', going],
] as const) {
  test(`a ${call} whose time ends after the response ${response.kind} ends with busy`, async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    const events = new EventEmitter();
    const firstEnded = once(events, 'first ended');
    const secondBegan = once(events, 'second began');
    let connections = 0;
    const listener = await Listener.start(async (socket) => {
      // The second attempt hangs in its handshake until the time is over.
      if (++connections > 1) return events.emit('second began');
      const connection = await accept(socket, keys);
      const respond = () => connection.send(encodeResponse(response));
      connection.onClose = () => events.emit('first ended');
      connection.onFrame = respond;
      if (response.kind === 'going') respond();
    });
    const { port } = listener;
    // Shorter than the time of a handshake.
    const short = { timeoutMs: 1_000 };
    const called =
      call === 'send' ? sending(port, 'hello', short) : ping({ host, port, keys, ...short });
    const ended = assert.rejects(called, { code: 'busy' });
    await firstEnded;
    context.mock.timers.tick(sendRetryMs);
    await secondBegan;
    await tickUntil(context.mock.timers, short.timeoutMs, ended);
    await ended;
    listener.close();
  });
}

for (const [kind, request] of [
  ['pong', 1],
  ['received', 2],
] as const) {
  test(`${kind} with the number ${request} does not confirm the message with the number 1`, async () => {
    const listener = await strangeReceiver((connection) => {
      connection.onFrame = () => connection.send(encodeResponse({ kind, request }));
    });
    await assert.rejects(sending(listener.port, 'hello'), { code: 'bad_frame', maybeStored: true });
    listener.close();
  });
}

test('pings are answered before a message, between two and while one waits for its confirmation', async () => {
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

test('a receive whose time is over resolves to undefined and frees its port at once', async () => {
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

test('a refused message is sent again automatically, and taken by another receive', async () => {
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

test('after an abort before the confirmation the sender tries again', async () => {
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

test('when the receiver dies after it got the message, the send ends with cut_off and is not repeated', async () => {
  let connections = 0;
  const listener = await strangeReceiver((connection) => {
    connections++;
    connection.onFrame = () => connection.destroy();
  });
  await assert.rejects(sending(listener.port, 'hello'), { code: 'cut_off' });
  assert.equal(connections, 1);
  listener.close();
});

test('a sender tries again when the receiver ends before it takes the message', async () => {
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

test('a permanent error ends the send at once', async () => {
  let connections = 0;
  const listener = await strangeReceiver((connection) => {
    connections++;
    connection.onFrame = ({ request }) => {
      const code = 'wrong_service';
      connection.send(encodeResponse({ kind: 'error', request, code, message: 'a broker' }));
    };
  });
  const wrong = { code: 'wrong_service', message: 'the receiver says: "a broker"' };
  await assert.rejects(sending(listener.port, 'hello'), wrong);
  assert.equal(connections, 1);
  listener.close();
});

test('a send that is cancelled before its confirmation may have been received', async () => {
  const port = await freePort();
  const aborter = new AbortController();
  const receiving = received(port);
  const sent = sending(port, 'hello', { signal: aborter.signal });
  const message = await receiving;
  aborter.abort();
  await assert.rejects(sent, { code: 'cut_off' });
  // The receiver wrote its result; its sender is gone by now.
  await message.confirm();
});

test('when the sender of an unconfirmed message is gone, the port is free, and the confirmation succeeds', async () => {
  const port = await freePort();
  const aborter = new AbortController();
  const receiving = received(port);
  const sent = sending(port, 'first', { signal: aborter.signal });
  const first = await receiving;
  aborter.abort();
  await assert.rejects(sent, { code: 'cut_off' });
  const next = sending(port, 'next');
  const second = await receivedOnceFree(port);
  assert.equal(second.body.toString(), 'next');
  await first.confirm();
  await second.confirm();
  await next;
});

test('a send that was not confirmed in its time may have been received', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const port = await freePort();
  const receiving = received(port);
  const sent = sending(port, 'hello');
  const message = await receiving;
  const ended = assert.rejects(sent, { code: 'cut_off' });
  await tickUntil(context.mock.timers, timeoutMs, ended);
  await ended;
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

test('without a receiver, send and ping end with unreachable when their time is over', async () => {
  const port = await freePort();
  const began = performance.now();
  await assert.rejects(sending(port, 'hello', { timeoutMs: 250 }), { code: 'unreachable' });
  assert.ok(performance.now() - began >= 240);
  await assert.rejects(ping({ host, port, keys, timeoutMs: 50 }), { code: 'unreachable' });
});

test('other programs and peers with another key are refused, and the receive goes on', async () => {
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

test('one connection more than the limit is sent away, and the receive goes on', async (context) => {
  const port = await freePort();
  const idle: Connection[] = [];
  context.after(() => {
    for (const connection of idle) connection.destroy();
  });
  // A thousand handshakes take their time on a busy machine.
  const receiving = receive({ port, timeoutMs: 6 * timeoutMs, keys: () => keys });
  await ping({ host, port, keys, timeoutMs });
  while (idle.length < connectionsMax) idle.push(await dial({ host, port }, keys));
  const more = new FrameCollector(await dial({ host, port }, keys));
  assert.deepEqual(await nextResponse(more), { kind: 'going', request: 0 });
  assert.equal(await more.closed, undefined);
  idle.pop()?.destroy();
  const done = sending(port, 'there was a place');
  const message = await receiving;
  assert.equal(message?.body.toString(), 'there was a place');
  await message?.confirm();
  await done;
});

test('a request for a broker, and a damaged body, get an error, and the receive goes on', async () => {
  const port = await freePort();
  const receiving = received(port);
  await ping({ host, port, keys, timeoutMs });
  const frames = new FrameCollector(await dial({ host, port }, keys));
  const codeOfNext = async (): Promise<string> => {
    const response = await nextResponse(frames);
    return response.kind === 'error' ? response.code : response.kind;
  };
  frames.connection.send(encodeRequest({ kind: 'status', request: 1 }));
  assert.equal(await codeOfNext(), 'wrong_service');
  const body = Buffer.from([0xff]);
  const damaged = { kind: 'send', from, origin, body } as const;
  frames.connection.send(encodeRequest({ ...damaged, request: 2, checksum: bodyChecksum(body) }));
  assert.equal(await codeOfNext(), 'bad_body');
  frames.connection.send(encodeRequest({ ...damaged, request: 3, checksum: 0 }));
  assert.equal(await codeOfNext(), 'body_damaged');
  assert.equal(await frames.closed, undefined);
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

test('an unknown host is host_unknown', async () => {
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

test('a name that resolves to ::1 alone, or to 127.0.0.1 alone, is this machine on both', async (context) => {
  replaceResolver(context, { six: ['::1'], four: ['127.0.0.1'] });
  const port = await freePort();
  for (const host of ['six', 'four']) {
    const receiving = received(port);
    const done = sending(port, 'hello', { host });
    await (await receiving).confirm();
    await done;
  }
  const onSix = receive({ port, bind: '::1', timeoutMs, keys: () => keys });
  const done = sending(port, 'hello', { host: 'four' });
  await (await onSix)?.confirm();
  await done;
  await assert.rejects(sending(port, 'hello', { host: 'six', timeoutMs: 300 }), {
    code: 'unreachable',
    message: `127.0.0.1:${port}: no program answers (ECONNREFUSED)`,
  });
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
