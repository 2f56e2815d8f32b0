// A server that is, or seems to be, in another place than its client: another machine or network namespace.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { type TestContext, test } from 'node:test';
import { accept, dial } from '../../../src/net/connect.ts';
import type { ConnectionTimes } from '../../../src/net/connection.ts';
import { hardwarePlace, placeHere } from '../../../src/net/place.ts';
import { clearBinding } from '../../../src/net/tls.ts';
import { ClientHandshake, type Keys, ServerHandshake } from '../../../src/protocol/handshake.ts';
import {
  connectedPair,
  keys,
  Listener,
  otherKeys,
  rawSocket,
  readAll,
} from '../../support/sockets.ts';

/** Short enough to wait for, long enough for a busy machine. */
const hasty: ConnectionTimes = { handshakeMs: 100, heartbeatMs: 40, silenceMsDead: 400 };

/** What a client in the clear gets from a server with this binding. */
function answerWith(socket: Socket, binding: Buffer, withKeys = keys): void {
  const handshake = new ServerHandshake({ keys: withKeys, nonce: randomBytes(32), binding });
  socket.once('data', (bytes) => socket.write(handshake.push(bytes).send));
}

function dialledEnd({ localAddress: address, localPort: port }: Socket) {
  return { address, port };
}

/** Returns the first byte of each connection. A first byte of TLS goes to `accept`. */
async function elsewhere(context: TestContext, withKeys: Keys = keys) {
  const firstBytes: number[] = [];
  const listener = await Listener.start((socket) => {
    socket.once('readable', () => {
      const first: Buffer | null = socket.read();
      if (!first) return;
      firstBytes.push(first[0] ?? 0);
      socket.unshift(first);
      if (first[0] === 0x16) return void accept(socket, withKeys).catch(() => {});
      answerWith(socket, clearBinding(dialledEnd(socket), 'another place'), withKeys);
    });
  });
  context.after(() => listener.close());
  return { address: listener.address, firstBytes };
}

test('in one place, both ends of a connection are in the clear', async () => {
  const { client, server } = await connectedPair();
  assert.deepEqual([client.isLocal, server.isLocal], [true, true]);
  client.destroy();
  server.destroy();
});

test('a server with the key in another place gets nothing in the clear but preface and nonce, then TLS', async (context) => {
  const { address, firstBytes } = await elsewhere(context);
  const connection = await dial(address, keys);
  assert.deepEqual(firstBytes, [0xa9, 0x16]);
  assert.equal(connection.isLocal, false);
  assert.deepEqual(connection.key, keys[0]);
  connection.destroy();
});

test('a client with two keys reaches a server in another place that has the old one', async (context) => {
  const { address, firstBytes } = await elsewhere(context);
  const connection = await dial(address, [...otherKeys, ...keys]);
  assert.deepEqual(firstBytes, [0xa9, 0x16, 0x16]);
  assert.deepEqual(connection.key, keys[0]);
  connection.destroy();
});

test('a server that has no key in common with the client is key_mismatch once TLS was refused, too', async (context) => {
  const { address, firstBytes } = await elsewhere(context, otherKeys);
  await assert.rejects(dial(address, keys), { code: 'key_mismatch' });
  assert.deepEqual(firstBytes, [0xa9, 0x16]);
});

test('a server of an older version is version_mismatch, and gets no proof', async (context) => {
  const received: Promise<Buffer>[] = [];
  const listener = await Listener.start((socket) => {
    const { address, port } = dialledEnd(socket);
    answerWith(socket, Buffer.from(`${address} ${port}`));
    received.push(readAll(socket));
  });
  context.after(() => listener.close());
  await assert.rejects(dial(listener.address, keys), {
    code: 'version_mismatch',
    message: 'the program that answered is an older version of agent-ipc',
    hint: 'end the sessions of that version, then try again',
  });
  assert.deepEqual(
    (await Promise.all(received)).map(({ length }) => length),
    [40],
  );
});

test('the server refuses a client in another place in the clear', async (context) => {
  const refused: string[] = [];
  const listener = await Listener.start((socket) => {
    accept(socket, keys).catch(({ code }) => refused.push(code));
  });
  context.after(() => listener.close());
  const there = { address: '127.0.0.1', port: listener.port };
  const socket = await rawSocket(listener.port);
  const binding = clearBinding(there, 'another place');
  const client = new ClientHandshake({ keys, nonce: randomBytes(32), binding });
  socket.write(client.start());
  socket.once('data', (bytes: Buffer) => {
    assert.throws(() => client.push(bytes), { code: 'key_mismatch' });
    socket.write(Buffer.alloc(32));
  });
  assert.equal((await readAll(socket)).length, 72);
  assert.deepEqual(refused, ['key_mismatch']);
});

test('on loopback, too, a client that begins TLS and does not prove the key is bounded in time and bytes', async (context) => {
  const refused: string[] = [];
  const listener = await Listener.start((socket) => {
    accept(socket, keys, hasty).catch(({ code }) => refused.push(code));
  });
  context.after(() => listener.close());
  const firstBytes: readonly [string, string][] = [
    ['16', 'unreachable'],
    ['160301', 'unreachable'],
    ['1602', 'bad_frame'],
    // 4,092 bytes behind a head of 5.
    ['1603010ffc', 'bad_frame'],
    ['160301010002000000', 'bad_frame'],
  ];
  for (const [hex] of firstBytes) {
    const socket = await rawSocket(listener.port);
    socket.write(Buffer.from(hex, 'hex'));
    assert.equal((await readAll(socket)).length, 0, hex);
  }
  assert.deepEqual(
    refused,
    firstBytes.map(([, code]) => code),
  );
});

test('all processes of one place name it alike, and a machine without readable hardware fits nowhere', () => {
  assert.equal(placeHere(), placeHere());
  const one = (mac: string, internal = false) => ({ mac, internal }) as NetworkInterfaceInfo;
  const none = '00:00:00:00:00:00';
  const interfaces = {
    lo: [one(none, true)],
    tun: [one(none)],
    en1: [one('02:00:00:00:00:0b'), one('02:00:00:00:00:0b')],
    en0: [one('02:00:00:00:00:0a')],
  };
  assert.equal(hardwarePlace(interfaces), '02:00:00:00:00:0a 02:00:00:00:00:0b');
  assert.equal(hardwarePlace({ lo: [one(none, true)], tun: [one(none)] }), undefined);
});
