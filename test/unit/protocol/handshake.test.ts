import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import {
  ClientHandshake,
  type Keys,
  clientNonce as nonceFor,
  ServerHandshake,
} from '../../../src/protocol/handshake.ts';

const key = Buffer.alloc(32, 7);
const clientNonce = Buffer.alloc(32, 0xc1);
const serverNonce = Buffer.alloc(32, 0x5e);
const clientPreface = Buffer.from('a9495043630d0a01', 'hex');
const serverPreface = Buffer.from('a9495043730d0a01', 'hex');
const frames = Buffer.from('frames that follow');

function proof(label: string, withKey = key, binding = ''): Buffer {
  const transcript = [clientPreface, clientNonce, serverPreface, serverNonce];
  return createHmac('sha256', withKey)
    .update(Buffer.concat([Buffer.from(label), Buffer.from(binding), ...transcript]))
    .digest();
}

const clientHello = Buffer.concat([clientPreface, clientNonce]);
const serverHello = Buffer.concat([serverPreface, serverNonce, proof('agent-ipc server 1\0')]);
const clientProof = proof('agent-ipc client 1\0');

function client(): ClientHandshake {
  return new ClientHandshake({ keys: [key], nonce: clientNonce });
}

function server(): ServerHandshake {
  return new ServerHandshake({ keys: [key], nonce: serverNonce });
}

test('the bytes of the handshake are those of the protocol', () => {
  assert.deepEqual(client().start(), clientHello);
  assert.deepEqual(client().push(serverHello), { send: clientProof, rest: Buffer.alloc(0), key });
  const side = server();
  assert.deepEqual(side.push(clientHello), { send: serverHello, rest: undefined });
  assert.deepEqual(side.push(clientProof), { send: Buffer.alloc(0), rest: Buffer.alloc(0), key });
});

test('the client completes the handshake at every split of the bytes, and leaves what follows', () => {
  const bytes = Buffer.concat([serverHello, frames]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const side = client();
    side.start();
    const steps = [side.push(bytes.subarray(0, cut))];
    if (steps[0]?.rest === undefined) steps.push(side.push(bytes.subarray(cut)));
    const sent = Buffer.concat(steps.map(({ send }) => send));
    assert.deepEqual(sent, clientProof);
    const done = steps.at(-1)?.rest ?? Buffer.from('not done');
    assert.deepEqual(
      done,
      bytes.subarray(serverHello.length, steps.length === 1 ? cut : undefined),
    );
  }
});

test('the server is silent until it has all 40 bytes, at every split, and leaves what follows', () => {
  const bytes = Buffer.concat([clientHello, clientProof, frames]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const side = server();
    const first = side.push(bytes.subarray(0, cut));
    assert.equal(first.send.length, cut < 40 ? 0 : 72);
    const last = first.rest === undefined ? side.push(bytes.subarray(cut)) : first;
    assert.deepEqual(
      last === first ? first.send : Buffer.concat([first.send, last.send]),
      serverHello,
    );
    assert.deepEqual(last.rest, bytes.subarray(72, last === first ? cut : undefined));
  }
});

test('the server refuses at the first wrong byte, wherever it is in the preface', () => {
  for (let wrong = 0; wrong < 8; wrong++) {
    const side = server();
    assert.deepEqual(side.push(clientPreface.subarray(0, wrong)).send.length, 0);
    const byte = Buffer.from([(clientPreface[wrong] ?? 0) ^ 1]);
    assert.throws(() => side.push(byte), { code: 'bad_frame' });
  }
});

test('for the client, any other first byte means another program', () => {
  for (let wrong = 0; wrong < 8; wrong++) {
    const side = client();
    side.push(serverPreface.subarray(0, wrong));
    const byte = Buffer.from([(serverPreface[wrong] ?? 0) ^ 1]);
    assert.throws(() => side.push(byte), { code: 'port_taken' });
  }
  assert.throws(() => client().push(Buffer.from('HTTP/1.1 400')), { code: 'port_taken' });
});

test('a client that reads its own preface has dialled itself: unreachable', () => {
  assert.throws(() => client().push(client().start()), { code: 'unreachable' });
  const side = client();
  side.push(clientPreface.subarray(0, 4));
  assert.throws(() => side.push(clientPreface.subarray(4, 5)), { code: 'unreachable' });
});

test('the client detects another key before it sends its proof', () => {
  const otherKey = Buffer.alloc(32, 8);
  const hello = Buffer.concat([
    serverPreface,
    serverNonce,
    proof('agent-ipc server 1\0', otherKey),
  ]);
  assert.throws(() => client().push(hello), { code: 'key_mismatch' });
});

test('the server refuses a proof that is wrong in one bit, of another role, or of another key', () => {
  const oneBit = Buffer.from(clientProof);
  oneBit.writeUInt8(oneBit.readUInt8(31) ^ 0x80, 31);
  const wrong = [oneBit, proof('agent-ipc server 1\0'), proof('agent-ipc client 1\0', frames)];
  for (const bytes of wrong) {
    const side = server();
    side.push(clientHello);
    assert.throws(() => side.push(bytes), { code: 'key_mismatch' });
  }
});

test('the proofs depend on the channel below the handshake', () => {
  const binding = Buffer.from('channel');
  const bound = new ServerHandshake({ keys: [key], nonce: serverNonce, binding });
  assert.deepEqual(
    bound.push(clientHello).send.subarray(40),
    proof('agent-ipc server 1\0', key, 'channel'),
  );
  assert.throws(() => bound.push(clientProof), { code: 'key_mismatch' });
});

const [fresh, worn, foreign] = [1, 2, 3].map((fill) => Buffer.alloc(32, fill)) as [
  Buffer,
  Buffer,
  Buffer,
];

/** The key on which the two agree, or the code of the client's refusal. */
function meet(clientKeys: Keys, serverKeys: Keys): string {
  const dialler = new ClientHandshake({ keys: clientKeys, nonce: nonceFor(clientKeys[0]) });
  const listener = new ServerHandshake({ keys: serverKeys, nonce: serverNonce });
  try {
    const { send, key: known } = dialler.push(listener.push(dialler.start()).send);
    const { key: proved } = listener.push(send);
    assert.deepEqual(proved, known);
    return proved?.equals(fresh) ? 'fresh' : 'worn';
  } catch (error) {
    return String((error as { code: unknown }).code);
  }
}

test('while a key is being replaced, two sides with a common key agree on one, the newest if both have it', () => {
  assert.deepEqual(
    [
      meet([fresh, worn], [fresh, worn]),
      meet([worn], [fresh, worn]),
      meet([fresh], [fresh, worn]),
      meet([fresh, worn], [worn]),
      meet([fresh, worn], [fresh]),
      meet([worn], [fresh]),
      meet([foreign], [fresh, worn]),
      meet([foreign, worn], [fresh]),
    ],
    ['fresh', 'worn', 'fresh', 'worn', 'fresh', 'key_mismatch', 'key_mismatch', 'key_mismatch'],
  );
});

test('the nonce of a client differs each time, and names its key to a server that has it', () => {
  const nonce = nonceFor(fresh);
  assert.notDeepEqual(nonceFor(fresh), nonce);
  const mark = createHmac('sha256', fresh)
    .update('agent-ipc nonce 1\0')
    .update(nonce.subarray(0, 16))
    .digest();
  assert.deepEqual(nonce.subarray(16), mark.subarray(0, 16));
});
