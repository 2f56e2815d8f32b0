// Arbitrary and mutated bytes cause no crash, no memory growth, and no response to a peer that has not
// proved the key. 50,000 inputs in all, a million with --long; their shares are below.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { IpcError } from '../../src/base/errors.ts';
import { bodyBytesMax } from '../../src/base/limits.ts';
import { bodyChecksum } from '../../src/model/message.ts';
import { dial } from '../../src/net/connect.ts';
import type { Connection } from '../../src/net/connection.ts';
import { loadKeys } from '../../src/net/keys.ts';
import { decodeRequest, decodeResponse } from '../../src/protocol/codec.ts';
import { type Frame, FrameDecoder } from '../../src/protocol/frame.ts';
import {
  ClientHandshake,
  type HandshakeStep,
  type Keys,
  ServerHandshake,
} from '../../src/protocol/handshake.ts';
import { asDecoded, type PlainFrame } from '../support/frames.ts';
import { cut, frames, mutate, requestFrames, rubbish, soundHello } from '../support/fuzz.ts';
import { collectGarbage, residentMiB } from '../support/memory.ts';
import { place, type Remote } from '../support/processes/remote.ts';
import { pick, Random, seedFromEnvironment } from '../support/random.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
const decoderInputs = isLong ? 600_000 : 28_000;
const arbitraryInputs = isLong ? 100_000 : 4_000;
const handshakeInputs = isLong ? 200_000 : 10_000;
const unprovenInputs = isLong ? 60_000 : 4_000;
const provenInputs = isLong ? 60_000 : 4_000;
/** Allowed growth of memory: caches and pools, but not the inputs. */
const allowedGrowthMiB = 48;
/** The number of concurrent connections. */
const atOnce = 32;
/** The number of inputs sent on one connection, unless it is closed earlier. */
const inputsEach = 8;

const seed = seedFromEnvironment();

/** Ignores the errors of the error table; any other error is a bug. */
function allowIpcErrors(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
  }
}

function memoryMiB(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1_024 ** 2;
}

/** Runs `one` for each input, and asserts that memory does not grow. */
function repeat(inputs: number, one: (random: Random) => void): void {
  const random = new Random(seed);
  for (let count = 0; count < 1_000; count++) one(random);
  const before = memoryMiB();
  for (let count = 1_000; count < inputs; count++) one(random);
  const grown = memoryMiB() - before;
  assert.ok(grown < allowedGrowthMiB, `grown by ${grown} MiB`);
}

/** Asserts that what a decoder returns is within the limits and that its bodies are intact. */
function decodeAll(parts: readonly Buffer[]): void {
  const decoder = new FrameDecoder();
  allowIpcErrors(() => {
    for (const part of parts) for (const frame of decoder.push(part)) decodeBoth(frame);
  });
}

function decodeBoth(frame: Frame): void {
  allowIpcErrors(() => {
    const request = decodeRequest(frame);
    if (request.kind !== 'post' && request.kind !== 'send') return;
    assert.ok(request.body.length <= bodyBytesMax);
    assert.equal(bodyChecksum(request.body), request.checksum);
  });
  allowIpcErrors(() => {
    const { response, body } = decodeResponse(frame);
    if (response.kind !== 'offer' || !body) return;
    assert.equal(bodyChecksum(body), response.envelope.checksum);
  });
}

test(`mutated frames are decoded or refused (SEED=${seed})`, () => {
  repeat(decoderInputs, (random) => {
    const stream = Buffer.concat(
      Array.from({ length: 1 + random.below(3) }, () => {
        const frame = pick(random, frames);
        return random.oneIn(4) ? frame : mutate(random, frame, frames);
      }),
    );
    decodeAll(cut(random, stream));
  });
});

test('frames with arbitrary headers and bodies are decoded or refused', () => {
  const strange = fc.record({
    type: fc.oneof(
      fc.integer({ min: 0x01, max: 0x0b }),
      fc.integer({ min: 0x81, max: 0x8b }),
      fc.integer({ min: 0, max: 255 }),
    ),
    request: fc.nat(),
    header: fc.oneof(
      fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
    ),
    body: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  });
  const decode = (frame: PlainFrame) => decodeBoth(asDecoded(frame));
  fc.assert(fc.property(strange, decode), { numRuns: arbitraryInputs });
});

const handshakeKeys: Keys = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const clientOptions = { keys: handshakeKeys, nonce: Buffer.alloc(32, 3) };
const serverOptions = { keys: handshakeKeys, nonce: Buffer.alloc(32, 4) };

/** The bytes of a valid handshake in both directions. */
function validHandshake(): { fromClient: Buffer; fromServer: Buffer } {
  const [client, server] = [new ClientHandshake(clientOptions), new ServerHandshake(serverOptions)];
  const hello = client.start();
  const { send } = server.push(hello);
  return { fromClient: Buffer.concat([hello, client.push(send).send]), fromServer: send };
}

test(`a mutated handshake is never completed (SEED=${seed})`, () => {
  const { fromClient, fromServer } = validHandshake();
  const helloBytes = 40;
  repeat(handshakeInputs, (random) => {
    const forServer = mutate(random, fromClient, [fromServer, rubbish(random)]);
    const server = new ServerHandshake(serverOptions);
    const heard = pushAll(server, cut(random, forServer));
    assert.equal(heard.done, forServer.subarray(0, fromClient.length).equals(fromClient));
    // The server sends nothing until it has the whole preface and a nonce.
    const said = forServer.length >= helloBytes && startsAlike(forServer, fromClient, 8);
    assert.ok(heard.bytes === 0 || (said && heard.bytes === fromServer.length));

    const forClient = mutate(random, fromServer, [fromClient, rubbish(random)]);
    const client = new ClientHandshake(clientOptions);
    client.start();
    const sent = pushAll(client, cut(random, forClient));
    assert.equal(sent.done, forClient.subarray(0, fromServer.length).equals(fromServer));
    assert.equal(sent.bytes, sent.done ? 32 : 0);
  });
});

function startsAlike(one: Buffer, other: Buffer, bytes: number): boolean {
  return one.subarray(0, bytes).equals(other.subarray(0, bytes));
}

function pushAll(
  side: { push(chunk: Buffer): HandshakeStep },
  parts: readonly Buffer[],
): { bytes: number; done: boolean } {
  let bytes = 0;
  let done = false;
  allowIpcErrors(() => {
    for (const part of parts) {
      const { send, rest } = side.push(part);
      bytes += send.length;
      done = rest !== undefined;
      if (done) break;
    }
  });
  return { bytes, done };
}

interface LiveBroker {
  readonly owner: Remote;
  readonly port: number;
  readonly keys: Keys;
}

async function liveBroker(context: TestContext): Promise<LiveBroker> {
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.start();
  return { owner, port, keys: await loadKeys(home, {}) };
}

/**
 * Runs `one` `times` times, `atOnce` of them concurrently, and asserts that the broker works as before.
 */
async function stress(
  { owner }: LiveBroker,
  times: number,
  one: (random: Random) => Promise<void>,
): Promise<void> {
  const random = new Random(seed);
  const run = async (count: number): Promise<void> => {
    let left = count;
    const next = async (): Promise<void> => {
      while (left-- > 0) await one(random);
    };
    await Promise.all(Array.from({ length: atOnce }, next));
  };
  await run(Math.ceil(times / 2));
  const before = await residentMiB(owner.pid);
  await run(Math.floor(times / 2));
  const grown = (await residentMiB(owner.pid)) - before;
  assert.ok(grown < 2 * allowedGrowthMiB, `the broker grew by ${grown} MiB`);
  assert.equal((await owner.start()).role, 'owner');
  const waiting = owner.wait('intact', 60_000);
  await owner.post('intact', 'as before');
  assert.equal((await waiting)?.body, 'as before');
}

/** The number of bytes that an unauthenticated peer receives in response to these bytes. */
async function bytesReceivedFor(port: number, parts: readonly Buffer[]): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  const closed = once(socket, 'close').catch(() => {});
  socket.resume();
  for (const part of parts) socket.write(part);
  socket.end();
  await closed;
  return socket.bytesRead;
}

test(`a live broker sends no response to unauthenticated connections, whatever bytes they send (SEED=${seed})`, async (context) => {
  const live = await liveBroker(context);
  const { fromClient } = validHandshake();
  const http = Buffer.from('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello');
  const others = [...requestFrames, http, fromClient];
  await stress(live, unprovenInputs, async (random) => {
    const start = pick(random, [fromClient, fromClient, Buffer.alloc(0), http]);
    const bytes = Buffer.concat([mutate(random, start, others), pick(random, requestFrames)]);
    const read = await bytesReceivedFor(live.port, cut(random, bytes).slice(0, 6));
    // The response to a hello is the proof of the broker, 72 bytes, and nothing after it.
    if (startsAlike(bytes, fromClient, 8)) assert.ok(read === 0 || read === 72, `${read} bytes`);
    else assert.equal(read, 0);
  });
  const { messages, mailboxCount } = await live.owner.status();
  assert.deepEqual([messages, mailboxCount], [1, 1]);
});

/** Resolves when the broker has read everything or has closed the connection. */
function closed(connection: Connection): Promise<void> {
  return new Promise((resolve) => {
    connection.onClose = () => resolve();
    connection.close();
  });
}

test(`a live broker survives any bytes from authenticated connections (SEED=${seed})`, async (context) => {
  const live = await liveBroker(context);
  const { port, keys } = live;
  await stress(live, Math.ceil(provenInputs / inputsEach), async (random) => {
    const connection = await dial({ host: '127.0.0.1', port }, keys);
    connection.onFrame = (frame) => void decodeResponse(frame);
    if (!random.oneIn(8)) connection.send(soundHello());
    for (let count = 0; count < inputsEach; count++) {
      connection.send(cut(random, mutate(random, pick(random, requestFrames), requestFrames)));
    }
    await closed(connection);
  });
});
