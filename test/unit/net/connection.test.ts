import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { Patience } from '../../../src/base/standstill.ts';
import { accept, dial, dialAny } from '../../../src/net/connect.ts';
import { Connection, type ConnectionTimes } from '../../../src/net/connection.ts';
import { clearBinding, secureAsClient, secureAsServer } from '../../../src/net/tls.ts';
import { encodeRequest, encodeResponse } from '../../../src/protocol/codec.ts';
import { noBytes } from '../../../src/protocol/frame.ts';
import { ClientHandshake } from '../../../src/protocol/handshake.ts';
import { encodeFrame } from '../../support/frames.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { freePort } from '../../support/places.ts';
import { shakenSocket } from '../../support/proven-socket.ts';
import {
  connectedPair,
  FrameCollector,
  keys,
  Listener,
  otherKeys,
  rawSocket,
  readAll,
} from '../../support/sockets.ts';

const pingType = 0x0b;
const pongType = 0x8b;
/** Short enough to wait for, long enough for a busy machine. */
const hasty: ConnectionTimes = { handshakeMs: 100, heartbeatMs: 40, silenceMsDead: 400 };

function goodbye(request: number): Buffer[] {
  return encodeRequest({ kind: 'goodbye', request });
}

/** The server's end of a connection whose other end is a bare socket. */
async function withProvenSocket(
  times: ConnectionTimes | undefined,
  run: (socket: Socket, server: Connection) => Promise<void>,
): Promise<void> {
  let accepted: (connection: Connection) => void = () => {};
  const accepting = new Promise<Connection>((resolve) => {
    accepted = resolve;
  });
  const listener = await Listener.start((socket) => {
    accept(socket, keys, times).then(accepted);
  });
  try {
    const socket = await shakenSocket({ port: listener.port, keys });
    await run(socket, await accepting);
  } finally {
    listener.close();
  }
}

test('frames go both ways, in order, and an orderly end has no reason at either side', async () => {
  const { client, server } = await connectedPair();
  const [ear, other] = [new FrameCollector(client), new FrameCollector(server)];
  client.send(goodbye(1));
  client.send(goodbye(2));
  server.send(encodeResponse({ kind: 'received', request: 3 }));
  assert.deepEqual(
    (await other.next(2)).map(({ request }) => request),
    [1, 2],
  );
  assert.equal((await ear.next())[0]?.request, 3);
  client.close();
  assert.equal(await ear.closed, undefined);
  assert.equal(await other.closed, undefined);
});

test('of several connections the one on which a turn sent first is written first, once with all its frames', async () => {
  const [one, other] = [await connectedPair(), await connectedPair()];
  const order: string[] = [];
  for (const [name, socket] of Object.entries({
    one: one.serverSocket,
    other: other.serverSocket,
  })) {
    const write = socket.write.bind(socket) as (...given: unknown[]) => boolean;
    const noted = (...given: unknown[]) => {
      order.push(name);
      return write(...given);
    };
    socket.write = noted as typeof socket.write;
  }
  const pong = encodeResponse({ kind: 'pong', request: 1 });
  for (const { server } of [other, one, other, one]) server.send(pong);
  await new Promise(setImmediate);
  assert.deepEqual(order, ['other', 'one']);
  for (const { client, server } of [one, other]) {
    client.destroy();
    server.destroy();
  }
});

test('the frames of one turn arrive in one chunk', async () => {
  const { client, server, serverSocket } = await connectedPair();
  const sizes: number[] = [];
  serverSocket.on('data', (chunk: Buffer) => sizes.push(chunk.length));
  const ear = new FrameCollector(server);
  for (let request = 1; request <= 10; request++) client.send(goodbye(request));
  await ear.next(10);
  assert.deepEqual(sizes, [160]);
  client.close();
  await ear.closed;
});

/** The lengths of what is written to the socket from now on. */
function writesOf(socket: Socket): readonly number[] {
  const sizes: number[] = [];
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean;
  const noted = (bytes: Buffer, ...rest: unknown[]) => {
    sizes.push(bytes.length);
    return write(bytes, ...rest);
  };
  socket.write = noted as typeof socket.write;
  return sizes;
}

test('a flush writes what the turn has sent so far, once', async () => {
  const { client, server, serverSocket } = await connectedPair();
  const sizes = writesOf(serverSocket);
  const ear = new FrameCollector(client);
  for (const request of [1, 2]) server.send(encodeResponse({ kind: 'received', request }));
  assert.deepEqual(sizes, []);
  server.flush();
  server.flush();
  assert.deepEqual(sizes, [32]);
  server.send(encodeResponse({ kind: 'received', request: 3 }));
  const frames = await ear.next(3);
  assert.deepEqual(
    frames.map(({ request }) => request),
    [1, 2, 3],
  );
  assert.deepEqual(sizes, [32, 16]);
  client.close();
  await ear.closed;
});

test('a long turn is written in parts while it goes on, in order, and each byte once', async () => {
  const { client, server, serverSocket } = await connectedPair();
  const sizes = writesOf(serverSocket);
  const ear = new FrameCollector(client);
  const header = Buffer.alloc(0);
  const body = Buffer.alloc(1_008, 'x');
  const written: number[] = [];
  for (let request = 1; request <= 40; request++) {
    server.send(encodeFrame({ type: 0x8a, request, header, body }), () => written.push(request));
    if (request === 15) assert.deepEqual(sizes, []);
    if (request === 39) assert.deepEqual(sizes, [16_384, 16_384]);
  }
  assert.deepEqual(written, []);
  assert.equal(server.bufferedBytes, 40_960);
  assert.equal(server.memoryBytes, 40_960);
  const frames = await ear.next(40);
  assert.deepEqual(sizes, [16_384, 16_384, 8_192]);
  const inOrder = Array.from({ length: 40 }, (_, index) => index + 1);
  assert.deepEqual(
    frames.map(({ request }) => request),
    inOrder,
  );
  assert.deepEqual(written, inOrder);
  assert.equal(server.bufferedBytes, 0);
  client.close();
  await ear.closed;
});

test('an end that wrote a long turn before its end sends its next ping heartbeatMs later', async () => {
  const runtime = new ManualRuntime();
  const sizes: number[] = [];
  const write = (chunk: Buffer, _encoding: string, done: () => void) => {
    sizes.push(chunk.length);
    done();
  };
  const socket = new Duplex({ read() {}, write });
  const proven = { rest: Buffer.alloc(0), key: Buffer.alloc(32) };
  const times = { handshakeMs: 100, heartbeatMs: 100, silenceMsDead: 400 };
  const connection = new Connection(socket, proven, times, runtime);
  await runtime.pass(60);
  const frame = { type: 0x8a, request: 1, header: Buffer.alloc(0), body: Buffer.alloc(1_008) };
  for (let sent = 0; sent < 16; sent++) connection.send(encodeFrame(frame));
  assert.deepEqual(sizes, [16_384]);
  await runtime.pass(99);
  assert.deepEqual(sizes, [16_384]);
  await runtime.pass(1);
  await new Promise(setImmediate);
  assert.deepEqual(sizes, [16_384, 16]);
  connection.destroy();
});

test('the chunks of a large body give their memory back, all but the last', async () => {
  const { client, server, serverSocket } = await connectedPair();
  const chunks: { readonly chunk: Buffer; readonly cameWith: number }[] = [];
  serverSocket.on('data', (chunk: Buffer) => chunks.push({ chunk, cameWith: chunk.length }));
  const ear = new FrameCollector(server);
  const body = Buffer.alloc(1_048_576, 'x');
  client.send(encodeFrame({ type: 1, request: 1, header: Buffer.alloc(0), body }));
  assert.ok((await ear.next())[0]?.body.equals(body));
  const large = chunks.slice(0, -1).filter(({ cameWith }) => cameWith === 65_536);
  assert.ok(large.length > 0);
  assert.deepEqual(new Set(large.map(({ chunk }) => chunk.length)), new Set([0]));
  client.close();
  await ear.closed;
});

test('frames that came before the handlers were set are not lost', async () => {
  const { client, server } = await connectedPair();
  const written = new Promise<void>((resolve) => client.send(goodbye(7), resolve));
  await written;
  const ear = new FrameCollector(server);
  assert.equal((await ear.next())[0]?.request, 7);
  client.destroy();
  await ear.closed;
});

test('frames that come in one chunk with the proof are not lost', async () => {
  const listener = await Listener.start((socket) => {
    accept(socket, keys).then((connection) => {
      connection.onFrame = (frame) => {
        connection.send(encodeResponse({ kind: 'received', request: frame.request }));
      };
    });
  });
  const socket = await rawSocket(listener.port);
  const binding = clearBinding({ address: '127.0.0.1', port: listener.port });
  const handshake = new ClientHandshake({ keys, nonce: Buffer.alloc(32, 1), binding });
  socket.write(handshake.start());
  const [hello] = (await once(socket, 'data')) as [Buffer];
  socket.write(Buffer.concat([handshake.push(hello).send, ...goodbye(9)]));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.equal(answer.toString('hex'), '0000000c8a0000000000000900000000');
  socket.destroy();
  listener.close();
});

test('onWritten is called when the kernel has the bytes, and never for a connection that was lost', async () => {
  const { client, server } = await connectedPair();
  const ear = new FrameCollector(client);
  await new Promise<void>((resolve) => client.send(goodbye(1), resolve));
  server.destroy();
  await ear.closed;
  client.send(goodbye(2), () => assert.fail('the connection was closed'));
  assert.equal(client.open, false);
});

test('close() sends what is buffered first', async () => {
  const { client, server } = await connectedPair();
  const ear = new FrameCollector(server);
  const body = Buffer.alloc(1_000_000, 'x');
  client.send(encodeFrame({ type: 1, request: 1, header: Buffer.alloc(0), body }));
  assert.ok(client.bufferedBytes >= 1_000_000);
  client.close();
  assert.ok((await ear.next())[0]?.body.equals(body));
  assert.equal(await ear.closed, undefined);
});

test('close() ends the connection after 2 s, though its peer never ends its side', async () => {
  const runtime = new ManualRuntime();
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const connection = new Connection(socket, { rest: noBytes, key: keys[0] }, undefined, runtime);
  const reasons: (string | undefined)[] = [];
  connection.onClose = (reason) => reasons.push(reason?.message);
  connection.send(goodbye(1));
  connection.close();
  await runtime.pass(1_999);
  assert.deepEqual(reasons, []);
  await runtime.pass(1);
  assert.deepEqual(reasons, ['the other side was silent for 2000 ms']);
});

test('a handler that pauses gets the rest of the same chunk only after resume()', async () => {
  const { client, server } = await connectedPair();
  const requests: number[] = [];
  let paused: () => void = () => {};
  const pausing = new Promise<void>((resolve) => {
    paused = resolve;
  });
  let ended: () => void = () => {};
  const ending = new Promise<void>((resolve) => {
    ended = resolve;
  });
  server.onFrame = ({ request }) => {
    requests.push(request);
    if (request === 1) {
      server.pause();
      paused();
    }
    if (request === 3) ended();
  };
  for (const request of [1, 2, 3]) client.send(goodbye(request));
  await pausing;
  assert.deepEqual(requests, [1]);
  server.resume();
  await ending;
  assert.deepEqual(requests, [1, 2, 3]);
  client.destroy();
  server.destroy();
});

test('a handler that destroys drops the rest of the same chunk', async () => {
  const { client, server } = await connectedPair();
  const requests: number[] = [];
  const closed = new Promise<void>((resolve) => {
    server.onClose = () => resolve();
  });
  server.onFrame = ({ request }) => {
    requests.push(request);
    server.destroy();
  };
  for (const request of [1, 2, 3]) client.send(goodbye(request));
  await closed;
  assert.deepEqual(requests, [1]);
  client.destroy();
});

test('a ping is answered by the connection itself; a pong with a request number is passed on', async () => {
  const { client, server } = await connectedPair();
  const [ear, other] = [new FrameCollector(client), new FrameCollector(server)];
  client.send(encodeRequest({ kind: 'ping', request: 0 }));
  client.send(encodeRequest({ kind: 'ping', request: 5 }));
  client.send(goodbye(6));
  const [pong] = await ear.next();
  assert.deepEqual([pong?.type, pong?.request], [pongType, 5]);
  assert.equal((await other.next())[0]?.request, 6);
  client.close();
  await other.closed;
  assert.deepEqual([ear.frames, other.frames], [[], []]);
});

test('two idle ends keep each other alive with heartbeats that are never passed on', async () => {
  const { client, server } = await connectedPair(hasty);
  const [ear, other] = [new FrameCollector(client), new FrameCollector(server)];
  const began = performance.now();
  while (performance.now() - began < 2 * hasty.silenceMsDead) {
    const heard = client.lastReceived;
    while (client.lastReceived === heard) await new Promise(setImmediate);
  }
  assert.ok(client.open && server.open);
  assert.deepEqual([ear.frames, other.frames], [[], []]);
  client.close();
  await other.closed;
});

test('an idle end sends a ping with request number 0 after heartbeatMs', async () => {
  await withProvenSocket(hasty, async (socket, server) => {
    new FrameCollector(server);
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    assert.equal(bytes.readUInt8(4), pingType);
    assert.equal(bytes.subarray(0, 16).toString('hex'), '0000000c0b0000000000000000000000');
  });
});

test('the connection of a peer that is silent for too long is closed', async () => {
  await withProvenSocket(hasty, async (socket, server) => {
    const ear = new FrameCollector(server);
    socket.resume();
    const began = performance.now();
    const reason = await ear.closed;
    assert.equal(reason?.code, 'unreachable');
    assert.equal(reason?.message, 'the other side was silent for 400 ms');
    assert.ok(performance.now() - began >= 300);
  });
});

test('while an end is paused, the silence of its peer does not count', async () => {
  await withProvenSocket(hasty, async (socket, server) => {
    const ear = new FrameCollector(server);
    server.pause();
    let pings = 0;
    socket.on('data', () => pings++);
    while (pings < 12) await new Promise(setImmediate);
    assert.ok(server.open);
    server.resume();
    assert.equal((await ear.closed)?.code, 'unreachable');
  });
});

test('an end whose process was suspended reads what came meanwhile before it judges its peer', async () => {
  await withProvenSocket(hasty, async (socket, server) => {
    const ear = new FrameCollector(server);
    socket.write(Buffer.concat(goodbye(1)));
    await ear.next();
    await new Promise<void>((resolve) => socket.write(Buffer.concat(goodbye(2)), () => resolve()));
    const until = performance.now() + hasty.silenceMsDead + 100;
    while (performance.now() < until);
    assert.equal((await ear.next())[0]?.request, 2);
    assert.ok(server.open);
  });
});

/** The server's socket of a TLS connection between the two. */
async function secured(server: Socket, client: Socket): Promise<Socket> {
  const [channel] = await Promise.all([
    secureAsServer(server, keys, new Patience(2_000)),
    secureAsClient(client, keys[0], new Patience(2_000), 'there'),
  ]);
  return channel.socket;
}

for (const isSecure of [false, true]) {
  const what = isSecure ? 'over TLS' : 'in the clear';
  test(`after its process stood still, an end ${what} gives its silent peer the whole time anew`, async () => {
    const runtime = new ManualRuntime();
    let accepted: (socket: Socket) => void = () => {};
    const accepting = new Promise<Socket>((resolve) => {
      accepted = resolve;
    });
    const listener = await Listener.start((socket) => accepted(socket));
    const peer = await rawSocket(listener.port);
    const server = await accepting;
    const socket = isSecure ? await secured(server, peer) : server;
    const times = { handshakeMs: 2_000, heartbeatMs: 15_000, silenceMsDead: 45_000 };
    const end = new Connection(socket, { rest: Buffer.of(), key: keys[0] }, times, runtime);
    end.onFrame = () => {};
    assert.equal(end.isLocal, !isSecure);
    for (const stillMs of [23_000, 60_000, 3_600_000]) {
      await runtime.pass(14_000);
      assert.equal(end.open, true);
      runtime.standStill(stillMs);
      await runtime.pass(30_000);
    }
    await runtime.pass(14_000);
    assert.equal(end.open, true);
    await runtime.pass(1_000);
    await new Promise(setImmediate);
    assert.equal(end.isClosed, true);
    peer.destroy();
    listener.close();
  });
}

test('the connection of a peer that reads nothing is closed, though the peer goes on sending', async () => {
  await withProvenSocket(hasty, async (socket, server) => {
    const ear = new FrameCollector(server);
    socket.pause();
    const body = Buffer.alloc(1_048_576);
    for (let request = 1; request <= 16; request++) {
      server.send(encodeFrame({ type: 1, request, header: Buffer.alloc(0), body }));
    }
    const talk = setInterval(() => socket.write(Buffer.concat(goodbye(1))), 20);
    const reason = await ear.closed;
    clearInterval(talk);
    assert.equal(reason?.code, 'unreachable');
  });
});

test('the connection of a peer that reads slowly but steadily stays, and does not count as stalled', async () => {
  // Longer than any pause of a busy machine.
  const times: ConnectionTimes = { ...hasty, silenceMsDead: 1_500 };
  await withProvenSocket(times, async (socket, server) => {
    const ear = new FrameCollector(server);
    const bytes = 16 * 1_048_576;
    let read = 0;
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        read += chunk.length;
        if (read >= bytes) return resolve();
        socket.pause();
        setTimeout(() => socket.resume(), 15);
      });
    });
    const body = Buffer.alloc(1_048_576);
    for (let request = 1; request <= 16; request++) {
      server.send(encodeFrame({ type: 1, request, header: Buffer.alloc(0), body }));
    }
    const began = performance.now();
    const talk = setInterval(() => socket.write(Buffer.concat(goodbye(1))), 20);
    const stillMs: number[] = [];
    const look = setInterval(() => stillMs.push(performance.now() - server.stalledSince), 20);
    assert.equal(await Promise.race([done, ear.closed]), undefined);
    clearInterval(talk);
    clearInterval(look);
    assert.ok(performance.now() - began > 2 * times.silenceMsDead);
    assert.ok(Math.max(...stillMs) < times.silenceMsDead);
    assert.ok(server.open);
  });
});

test('bytes of one large frame keep their order, and onWritten waits for the last of them', async () => {
  const { client, server } = await connectedPair();
  const ear = new FrameCollector(server);
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
  const written: number[] = [];
  for (const request of [1, 2, 3]) {
    client.send(encodeFrame({ type: 1, request, header: Buffer.alloc(0), body }), () => {
      written.push(request);
    });
  }
  assert.ok(client.bufferedBytes >= 900_000);
  const frames = await ear.next(3);
  assert.deepEqual(
    frames.map((frame) => [frame.request, frame.body.equals(body)]),
    [
      [1, true],
      [2, true],
      [3, true],
    ],
  );
  assert.deepEqual(written, [1, 2, 3]);
  assert.equal(client.bufferedBytes, 0);
  client.close();
  await ear.closed;
});

test('a wrong length, or bytes that are no frame, close the connection with the reason', async () => {
  const wrong = [
    ['ffffffff', 'frame_too_large'],
    ['0000000b', 'bad_frame'],
    ['0000000c 01 01 0000 00000001 00000000', 'bad_frame'],
    ['0000000c 01 00 0000 00000001 00000001', 'bad_frame'],
    ['0000000d 0b 00 0000 00000001 00000001 00', 'bad_frame'],
    ['0000000d 8b 00 0000 00000001 00000000 00', 'bad_frame'],
  ] as const;
  for (const [hex, code] of wrong) {
    await withProvenSocket(undefined, async (socket, server) => {
      const ear = new FrameCollector(server);
      socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
      assert.equal((await ear.closed)?.code, code);
      assert.deepEqual(await readAll(socket), Buffer.alloc(0));
    });
  }
});

test('a peer that sends other bytes, half a handshake or a wrong proof gets no byte beyond the handshake', async () => {
  const refusals: string[] = [];
  const listener = await Listener.start((socket) => {
    accept(socket, keys, hasty).catch((error) => refusals.push(error.code));
  });
  const start = new ClientHandshake({ keys: otherKeys, nonce: Buffer.alloc(32) }).start();
  const first = [
    Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    Buffer.from('a'),
    start.subarray(0, 39),
    Buffer.alloc(100_000, 0xa9),
  ];
  for (const bytes of first) {
    const socket = await rawSocket(listener.port);
    socket.write(bytes);
    assert.equal((await readAll(socket)).length, 0);
  }
  const socket = await rawSocket(listener.port);
  socket.write(start);
  const [hello] = (await once(socket, 'data')) as [Buffer];
  assert.equal(hello.length, 72);
  socket.write(Buffer.concat([Buffer.alloc(32), ...goodbye(1)]));
  assert.equal((await readAll(socket)).length, 0);
  assert.deepEqual(refusals, [
    'bad_frame',
    'bad_frame',
    'unreachable',
    'bad_frame',
    'key_mismatch',
  ]);
  listener.close();
});

test('dialling a port where no program listens is unreachable, an unknown host is host_unknown', async () => {
  const port = await freePort();
  await assert.rejects(dial({ host: '127.0.0.1', port }, keys), { code: 'unreachable' });
  await assert.rejects(dial({ path: join(tmpdir(), 'no-such.sock') }, keys), {
    code: 'unreachable',
  });
  await assert.rejects(dial({ host: 'no-such-host.invalid', port }, keys), {
    code: 'host_unknown',
  });
});

test('dialling a program that is silent, speaks HTTP, hangs up in the middle, or has another key', async () => {
  const preface = Buffer.from('a949504373', 'hex');
  const programs: [(socket: Socket) => void, string][] = [
    [() => {}, 'port_taken'],
    [(socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'port_taken'],
    [(socket) => socket.end(preface), 'port_taken'],
    [(socket) => socket.pipe(socket), 'unreachable'],
    [(socket) => socket.destroy(), 'unreachable'],
    [(socket) => socket.resume().end(), 'unreachable'],
    [(socket) => void accept(socket, otherKeys).catch(() => {}), 'key_mismatch'],
  ];
  for (const [program, code] of programs) {
    const listener = await Listener.start(program);
    await assert.rejects(dial(listener.address, keys, { times: hasty }), { code }, String(program));
    listener.close();
  }
});

test('of several addresses, one that cannot be reached does not hide the error of another', async () => {
  const listener = await Listener.start((socket) => {
    accept(socket, otherKeys).catch(() => {});
  });
  const absent = { path: join(tmpdir(), 'no-such.sock') };
  for (const addresses of [
    [listener.address, absent],
    [absent, listener.address],
  ]) {
    await assert.rejects(dialAny(addresses, keys), { code: 'key_mismatch' });
  }
  await assert.rejects(dialAny([absent, absent], keys), { code: 'unreachable' });
  listener.close();
});

test('when no address can be reached, no timer keeps the process alive', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
  const before = timers();
  const absent = { path: join(tmpdir(), 'no-such.sock') };
  await assert.rejects(dialAny([absent, absent], keys), { code: 'unreachable' });
  assert.equal(timers(), before);
});

test('of several addresses, the connection to one closes the sockets that still shake hands with others', async () => {
  let closed: Promise<unknown> | undefined;
  const silent = await Listener.start((socket) => {
    closed = new Promise((resolve) => socket.resume().on('close', resolve));
  });
  const listener = await Listener.start((socket) => {
    accept(socket, keys).catch(() => {});
  });
  const connection = await dialAny([silent.address, listener.address], keys);
  await closed;
  assert(connection.open);
  connection.destroy();
  silent.close();
  listener.close();
});

test('an abort ends a dial that hangs in its handshake', async () => {
  const aborter = new AbortController();
  const listener = await Listener.start(() => aborter.abort());
  const { signal } = aborter;
  await assert.rejects(dial(listener.address, keys, { signal }), { code: 'cancelled' });
  await assert.rejects(dial(listener.address, keys, { signal }), { code: 'cancelled' });
  listener.close();
});

test('a Unix socket works in the same way', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ipc-'));
  const path = join(folder, 'owner.sock');
  const server = createServer((socket) => {
    accept(socket, keys).then((connection) => {
      connection.onFrame = (frame) => {
        connection.send(encodeResponse({ kind: 'received', request: frame.request }));
      };
    });
  });
  server.listen(path);
  await once(server, 'listening');
  const ear = new FrameCollector(await dial({ path }, keys));
  ear.connection.send(goodbye(4));
  assert.equal((await ear.next())[0]?.request, 4);
  ear.connection.close();
  await ear.closed;
  server.close();
  rmSync(folder, { recursive: true });
});

test('a handshake must be complete within 2 s, however slowly its bytes come', async () => {
  const listener = await Listener.start((socket) => {
    accept(socket, keys).catch(() => {});
  });
  const hello = new ClientHandshake({ keys, nonce: Buffer.alloc(32) }).start();
  const ways: Record<string, (socket: Socket) => void> = {
    silent: () => {},
    'a byte now and then': (socket) => {
      let sent = 0;
      const timer = setInterval(() => socket.write(hello.subarray(sent, ++sent)), 100);
      socket.on('close', () => clearInterval(timer));
    },
    'no proof': (socket) => socket.write(hello),
  };
  const tookMs = Object.values(ways).map(async (way) => {
    const socket = await rawSocket(listener.port);
    const began = performance.now();
    way(socket);
    await readAll(socket);
    return performance.now() - began;
  });
  for (const [index, ms] of (await Promise.all(tookMs)).entries()) {
    assert.ok(ms > 1_900 && ms < 4_000, `${Object.keys(ways)[index]}: ${ms} ms`);
  }
  listener.close();
});
