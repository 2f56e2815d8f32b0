// A stream of bytes in messages: all bytes, once and in order, and never more under way than the window.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WireSocket, wirePair } from '../../../src/nats/wire-socket.ts';
import { turns } from '../../support/nats/fake-stream.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

/** Messages that a side has sent. */
function recorded(bytesMax = 1_000): { socket: WireSocket; sent: Buffer[]; closed: boolean[] } {
  const sent: Buffer[] = [];
  const closed: boolean[] = [];
  const send = (message: Buffer) => void sent.push(Buffer.from(message));
  const socket = new WireSocket({ bytesMax, send, close: () => closed.push(true) });
  return { socket, sent, closed };
}

/** Of the data in these messages. */
function bytesIn(sent: readonly Buffer[]): number {
  return sent.reduce((sum, { length }) => sum + length - 5, 0);
}

function patterned(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, place) => (place * 7 + (place >> 8)) & 255));
}

test('bytes arrive as they were written, however they are cut, while the reader pauses', async () => {
  const first = seedFromEnvironment();
  const all = patterned(1_500_000);
  const run = async (seed: number) => {
    const random = new Random(seed);
    const [writer, reader] = wirePair();
    const received: Buffer[] = [];
    reader.on('data', (chunk: Buffer) => {
      received.push(chunk);
      if (!random.oneIn(5)) return;
      reader.pause();
      void turns(random.below(10)).then(() => reader.resume());
    });
    for (let at = 0; at < all.length; ) {
      const bytes = 1 + random.below(random.oneIn(3) ? 700_000 : 5_000);
      if (!writer.write(all.subarray(at, at + bytes))) await once(writer, 'drain');
      at += bytes;
    }
    writer.end();
    await once(reader, 'end');
    assert(Buffer.concat(received).equals(all), `SEED=${seed}`);
  };
  await Promise.all(Array.from({ length: 8 }, (_, index) => run(first + index)));
});

test('both directions at once, to their ends', async () => {
  const all = patterned(2_000_000);
  const sides = wirePair();
  const read = sides.map(async (side) => {
    const received: Buffer[] = [];
    for await (const chunk of side) received.push(chunk);
    return Buffer.concat(received);
  });
  for (const side of sides) side.end(all);
  for (const received of await Promise.all(read)) assert(received.equals(all));
  assert(sides.every(({ destroyed, errored }) => destroyed && !errored));
});

test('a writer whose reader does not read stops at the window, and goes on when it does', async () => {
  const { socket, sent } = recorded(100_000);
  let isTaken = false;
  socket.write(Buffer.alloc(3_000_000), () => {
    isTaken = true;
  });
  await turns(5);
  const before = sent.length;
  const underWay = sent.reduce((sum, { length }) => sum + length, 0);
  assert(underWay <= 700_000, `${underWay} bytes`);
  assert(!isTaken);
  const read = Buffer.from([2, 0, 0, 0, 0]);
  for (
    let readBytes = 200_000;
    !isTaken;
    readBytes = Math.min(readBytes + 200_000, bytesIn(sent))
  ) {
    read.writeUInt32BE(readBytes, 1);
    socket.receive(read);
    await turns(1);
  }
  assert(sent.length > before);
  assert.equal(bytesIn(sent), 3_000_000);
  socket.destroy();
});

test('a message that was lost, or came twice, ends it with an error', async () => {
  for (const order of [[0, 2], [1], [0, 0], [0, 1, 1]]) {
    const writer = recorded();
    for (const text of ['one', 'two', 'three']) {
      await new Promise((resolve) => writer.socket.write(text, resolve));
    }
    const reader = recorded();
    reader.socket.resume();
    const failed = once(reader.socket, 'error');
    for (const place of order) reader.socket.receive(writer.sent[place] as Buffer);
    const [error] = await failed;
    assert.equal(error.code, 'unreachable', String(order));
    assert.deepEqual(reader.closed, [true]);
    writer.socket.destroy();
  }
});

test('a side that is destroyed ends the other; one that has ended sends no more than that', async () => {
  const [one, other] = wirePair();
  const failed = once(other, 'error');
  one.destroy();
  assert.equal((await failed)[0].code, 'unreachable');
  const ended = recorded();
  ended.socket.end('last');
  await once(ended.socket, 'finish');
  ended.socket.destroy();
  await once(ended.socket, 'close');
  assert.deepEqual(
    ended.sent.map(([kind]) => kind),
    [1, 3],
  );
  assert.deepEqual(ended.closed, [true]);
});

test('a transport that throws ends it, and strange messages harm nobody', async () => {
  const fails = new WireSocket({
    bytesMax: 100,
    send: () => {
      throw new Error('the connection is closed');
    },
    close: () => {},
  });
  const failed = once(fails, 'error');
  fails.write('hello');
  assert.match((await failed)[0].message, /is closed/);
  const random = new Random(seedFromEnvironment());
  for (let round = 0; round < 2_000; round++) {
    const { socket } = recorded();
    socket.on('error', () => {});
    socket.resume();
    for (let count = 0; count < 4; count++) {
      const message = Buffer.from(Array.from({ length: random.below(9) }, () => random.below(5)));
      socket.receive(message);
    }
    socket.destroy();
    socket.receive(Buffer.from([1, 0, 0, 0, 1]));
  }
});

test('reports of what was read may be lost, one of two: the bytes arrive all the same, and nobody waits', async () => {
  const sides: WireSocket[] = [];
  let reports = 0;
  const transport = (other: number) => ({
    bytesMax: 64 * 1024,
    send(message: Buffer) {
      const isReport = message[0] === 2;
      if (isReport && ++reports % 2 === 1) return;
      setImmediate(() => sides[other]?.receive(message));
    },
    close: () => {},
  });
  const [writer, reader] = [new WireSocket(transport(1)), new WireSocket(transport(0))];
  sides.push(writer, reader);
  const all = patterned(6_000_000);
  writer.end(all);
  const received: Buffer[] = [];
  for await (const chunk of reader) received.push(chunk);
  assert(Buffer.concat(received).equals(all));
  assert(reports > 20, `${reports} reports`);
});
