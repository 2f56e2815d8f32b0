// TLS between two ends of a TCP connection. Loopback stands for the network here, and a relay for an
// attacker on it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { IpcError } from '../../../src/base/errors.ts';
import { Patience } from '../../../src/base/standstill.ts';
import {
  type Channel,
  isLocal,
  isLoopback,
  secureAsClient,
  secureAsServer,
} from '../../../src/net/tls.ts';
import {
  keys as bothHave,
  Listener,
  otherKeys,
  rawSocket,
  readAll,
} from '../../support/sockets.ts';

const limitMs = 1_000;
const [key] = bothHave;
const [otherKey] = otherKeys;

interface Ends {
  readonly port: number;
  /** What became of each connection, in the order in which they came. */
  readonly accepted: Promise<Channel | IpcError>[];
}

async function secureServer(context: TestContext, keys = [key], ms = limitMs): Promise<Ends> {
  const accepted: Promise<Channel | IpcError>[] = [];
  const listener = await Listener.start((socket) => {
    accepted.push(secureAsServer(socket, keys, new Patience(ms)).catch((error: IpcError) => error));
  });
  context.after(() => listener.close());
  return { port: listener.port, accepted };
}

async function secureClient(port: number, withKey = key): Promise<Channel> {
  return secureAsClient(await rawSocket(port), withKey, new Patience(limitMs), 'there');
}

/** Passes on what `change` makes of each chunk of the client, and keeps what went over the wire. */
async function relay(
  context: TestContext,
  to: number,
  change: (chunk: Buffer, count: number) => Buffer,
): Promise<{ port: number; seen: Buffer[] }> {
  const seen: Buffer[] = [];
  const listener = await Listener.start((near) => {
    const far = connect(to, '127.0.0.1');
    let count = 0;
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.on('close', () => far.destroy());
    near.on('data', (chunk) => {
      count += 1;
      seen.push(chunk);
      far.write(change(chunk, count));
    });
    far.on('data', (chunk) => {
      seen.push(chunk);
      near.write(chunk);
    });
  });
  context.after(() => listener.close());
  return { port: listener.port, seen };
}

async function outcome(server: Ends): Promise<Channel> {
  const [first] = server.accepted;
  const channel = await first;
  assert.ok(channel && 'socket' in channel, String(channel));
  return channel;
}

test('both ends of a channel have the same binding, and each channel has another one', async (context) => {
  const server = await secureServer(context);
  const client = await secureClient(server.port);
  const accepted = await outcome(server);
  assert.equal(String(client.binding.subarray(32)), `127.0.0.1 ${server.port}`);
  assert.deepEqual(accepted.binding, client.binding);
  client.socket.write('hello');
  assert.equal(String((await once(accepted.socket, 'data'))[0]), 'hello');
  const tls = client.socket as TLSSocket;
  assert.equal(tls.getProtocol(), 'TLSv1.3');
  assert.equal(tls.getEphemeralKeyInfo() !== null, true, 'a stolen key opens no recorded traffic');
  const second = await secureClient(server.port);
  assert.notDeepEqual(second.binding, client.binding);
  client.socket.destroy();
  second.socket.destroy();
});

test('neither a body nor the key can be read on the wire', async (context) => {
  const server = await secureServer(context);
  const { port, seen } = await relay(context, server.port, (chunk) => chunk);
  const client = await secureClient(port);
  const accepted = await outcome(server);
  client.socket.write('the body');
  await once(accepted.socket, 'data');
  const wire = Buffer.concat(seen);
  assert.equal(wire.includes('the body'), false);
  assert.equal(wire.includes(key), false);
  assert.equal(wire.includes(key.toString('hex')), false);
  client.socket.destroy();
});

test('a server with two keys accepts a client with either of them', async (context) => {
  const server = await secureServer(context, [otherKey, key]);
  for (const each of [key, otherKey]) {
    const { socket } = await secureClient(server.port, each);
    socket.destroy();
  }
});

test('another key is refused on both sides', async (context) => {
  const server = await secureServer(context);
  await assert.rejects(secureClient(server.port, otherKey), { code: 'key_mismatch' });
  assert.equal(((await server.accepted[0]) as IpcError).code, 'key_mismatch');
});

test('a connection that does not begin with a ClientHello is closed at the first wrong byte, and gets no byte', async (context) => {
  const server = await secureServer(context);
  const strangers = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0xa9, 0x49, 0x50, 0x43, 0x63, 0x0d, 0x0a, 0x01]),
    Buffer.from([0x16, 0x02]),
    Buffer.from([0x16, 0x03, 0x01, 0xff, 0xff]),
    Buffer.from([0x16, 0x03, 0x01, 0x01, 0x00, 0x02]),
    // A message that would go on in more records.
    Buffer.from([0x16, 0x03, 0x01, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00]),
  ];
  for (const bytes of strangers) {
    const socket = await rawSocket(server.port);
    socket.write(bytes);
    assert.equal((await readAll(socket)).length, 0, bytes.toString('hex'));
  }
});

test('a ClientHello of more than 4,096 bytes is refused at its length field', async (context) => {
  const server = await secureServer(context, [key], 100);
  // The record's head has 5 bytes of them.
  for (const [bytes, code] of [
    [4_091, 'unreachable'],
    [4_092, 'bad_frame'],
  ] as const) {
    const socket = await rawSocket(server.port);
    const head = Buffer.from([0x16, 3, 1, bytes >> 8, bytes & 0xff]);
    socket.write(head);
    assert.equal((await readAll(socket)).length, 0);
    assert.equal(((await server.accepted.at(-1)) as IpcError).code, code);
  }
});

test('a client that is silent, or slow with its first bytes, is closed in time and gets no byte', async (context) => {
  const server = await secureServer(context, [key], 50);
  const silent = await rawSocket(server.port);
  assert.equal((await readAll(silent)).length, 0);
  const slow = await rawSocket(server.port);
  slow.write(Buffer.from([0x16, 0x03, 0x01]));
  assert.equal((await readAll(slow)).length, 0);
});

test('an older TLS, and TLS without the key, get no channel', async (context) => {
  const server = await secureServer(context);
  const older = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  const attempts = [
    { ...older, ciphers: 'PSK', pskCallback: () => ({ psk: key, identity: 'agent-ipc 1' }) },
    { rejectUnauthorized: false },
  ];
  for (const attempt of attempts) {
    const socket = connectTls({ socket: await rawSocket(server.port), ...attempt });
    const [error] = (await once(socket, 'error')) as [Error & { code: string }];
    assert.match(error.code, /ALERT/);
  }
  for (const accepted of server.accepted) {
    assert.equal(((await accepted) as IpcError).code, 'key_mismatch');
  }
});

test('a server that answers in the clear gets only the ClientHello', async (context) => {
  const heard: Buffer[] = [];
  const listener = await Listener.start((socket) => {
    socket.on('data', (chunk) => {
      heard.push(chunk);
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
  });
  context.after(() => listener.close());
  await assert.rejects(secureClient(listener.port), { code: 'port_taken' });
  assert.equal(heard[0]?.[0], 0x16);
});

test('a server that hangs up at once is unreachable', async (context) => {
  const listener = await Listener.start((socket) => socket.destroy());
  context.after(() => listener.close());
  await assert.rejects(secureClient(listener.port), { code: 'unreachable' });
});

test('a byte that a relay changes in the TLS handshake ends it', async (context) => {
  const server = await secureServer(context);
  const { port } = await relay(context, server.port, (chunk, count) => {
    const changed = Buffer.from(chunk);
    if (count === 1) changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    return changed;
  });
  await assert.rejects(secureClient(port), { code: 'key_mismatch' });
});

test('a byte that a relay changes later ends the connection, and is never passed on', async (context) => {
  const server = await secureServer(context);
  let isAfterHandshake = false;
  const { port } = await relay(context, server.port, (chunk) => {
    const changed = Buffer.from(chunk);
    if (isAfterHandshake) changed[500] = (changed[500] ?? 0) ^ 1;
    return changed;
  });
  const client = await secureClient(port);
  const accepted = await outcome(server);
  isAfterHandshake = true;
  const heard: Buffer[] = [];
  accepted.socket.on('data', (chunk: Buffer) => heard.push(chunk));
  const failed = once(accepted.socket, 'close');
  client.socket.on('error', () => {});
  client.socket.write(Buffer.alloc(4_000, 'b'));
  await failed;
  assert.deepEqual(heard, []);
});

test('only loopback at both ends, or a Unix socket, is local', () => {
  const ends = (localAddress?: string, remoteAddress?: string) =>
    isLocal({ localAddress, remoteAddress } as Socket);
  assert.equal(ends('127.0.0.1', '127.0.0.1'), true);
  assert.equal(ends('127.0.0.2', '127.8.8.8'), true);
  assert.equal(ends('::1', '::1'), true);
  assert.equal(ends('::ffff:127.0.0.1', '::ffff:127.0.0.1'), true);
  assert.equal(ends(), true, 'a Unix socket has no addresses');
  assert.equal(ends('192.0.2.1', '192.0.2.1'), false, 'the same machine, by an outer address');
  assert.equal(ends('127.0.0.1', '192.0.2.1'), false);
  assert.equal(ends('192.0.2.1', '127.0.0.1'), false);
  assert.equal(ends('127.0.0.1', undefined), false, 'a peer that is gone');
  assert.equal(isLoopback('fe80::1%eth0'), false);
  assert.equal(isLoopback('0.0.0.0'), false);
});
