// How a session's link reconnects when the broker's responses break the protocol, links end soon after
// they opened, or owners fail. The clock moves by hand, and each connection is the test's own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { Client } from '../../../src/client/client.ts';
import { bodyChecksum, type MessageId, type Name } from '../../../src/model/message.ts';
import type { Request, Response, Welcome } from '../../../src/model/requests.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { decodeRequest, encodeResponse, responseTypes } from '../../../src/protocol/codec.ts';
import { type Frame, FrameDecoder } from '../../../src/protocol/frame.ts';
import { asDecoded, jsonHeader, type PlainFrame, plainFrame } from '../../support/frames.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { nothingAhead, nothingLeft } from '../../support/receipts.ts';

const box = 'box' as Name;
const body = Buffer.from('hello');

/** The client's end of a connection to a broker that the test plays. */
class PlayedConnection {
  /** It never counts as silent. */
  lastReceived = Number.POSITIVE_INFINITY;
  onFrame: (frame: Frame) => void = () => {};
  onClose: () => void = () => {};
  flushes = 0;
  readonly #play: (request: Request, connection: PlayedConnection) => void;
  #isOver = false;

  constructor(play: (request: Request, connection: PlayedConnection) => void) {
    this.#play = play;
  }

  send(buffers: readonly Buffer[]): void {
    for (const frame of framesOf(buffers)) {
      queueMicrotask(() => this.#play(decodeRequest(frame), this));
    }
  }

  answer(response: Response, body?: Buffer): void {
    for (const frame of framesOf(encodeResponse(response, body))) this.frame(plainFrame(frame));
  }

  frame(frame: PlainFrame): void {
    if (!this.#isOver) this.onFrame(asDecoded(frame));
  }

  flush(): void {
    this.flushes++;
  }

  close(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onClose();
  }
}

function framesOf(buffers: readonly Buffer[]): Frame[] {
  return new FrameDecoder().push(Buffer.concat(buffers));
}

function welcome(request: number, epoch = 1): Welcome {
  const own = { store: 's', format: 1, pid: 2, addresses: [], revoked: [], messages: 0 };
  return { kind: 'welcome', request, epoch, ...own };
}

function makeClient(play: (request: Request, connection: PlayedConnection) => void) {
  const machine = new ManualRuntime();
  /** When each connection was made. */
  const dials: number[] = [];
  const connect = async () => {
    dials.push(machine.now());
    return new PlayedConnection(play) as unknown as Connection;
  };
  return { machine, dials, client: clientOf(connect, machine) };
}

function clientOf(connect: () => Promise<Connection>, machine: ManualRuntime): Client {
  return new Client(
    { program: 'test', pid: 1, machine: 'here' },
    {
      connect,
      describeSilentOwner: async () => new IpcError('owner_silent', 'the broker does not answer'),
      welcomed: () => {},
      isStandby: () => false,
    },
    machine,
  );
}

test('many requests of one turn are written in parts', async () => {
  let connection: PlayedConnection | undefined;
  const { client } = makeClient((request, from) => {
    connection = from;
    if (request.kind === 'hello') return from.answer(welcome(request.request));
    const { request: number } = request;
    from.answer({ kind: 'end', request: number, ...nothingLeft });
  });
  await client.wait(box, { timeoutMs: 1 });
  const before = connection?.flushes ?? 0;
  await Promise.all(Array.from({ length: 200 }, () => client.wait(box, { timeoutMs: 1 })));
  assert.equal((connection?.flushes ?? 0) - before, 4, '3 of 64, and the rest');
});

test('an error with a code of a later version ends its call with that code and its text, and the link stays', async () => {
  const { client, dials } = makeClient((request, connection) => {
    if (request.kind === 'hello') return connection.answer(welcome(request.request));
    const header = jsonHeader({ code: 'quota_spent', message: '5 GB are spent' });
    const type = responseTypes.error;
    connection.frame({ type, request: request.request, header, body: Buffer.alloc(0) });
  });
  for (let call = 1; call <= 3; call++) {
    await assert.rejects(client.post(box, body), {
      code: 'unknown_error',
      message: 'the broker says: "quota_spent: 5 GB are spent"',
      maybeStored: true,
    });
  }
  assert.equal(dials.length, 1);
});

test('a response that breaks the protocol ends its call, and a parked wait is sent again', async () => {
  let waits = 0;
  const { client, machine, dials } = makeClient((request, connection) => {
    if (request.kind === 'hello') connection.answer(welcome(request.request));
    if (request.kind === 'wait') waits += 1;
    if (request.kind !== 'status') return;
    const type = responseTypes.status;
    const header = jsonHeader({ messages: 1 });
    connection.frame({ type, request: request.request, header, body: Buffer.alloc(0) });
  });
  const waiting = client.wait(box, { timeoutMs: 1_000 });
  await machine.pass(0);
  await assert.rejects(client.status(), { code: 'bad_frame' });
  await machine.pass(0);
  assert.deepEqual([dials.length, waits], [2, 2]);
  await machine.pass(2_000);
  assert.equal(await waiting, undefined);
});

test('a welcome that breaks the protocol ends the calls', async () => {
  const { client } = makeClient(({ request }, connection) => {
    const type = responseTypes.welcome;
    connection.frame({ type, request, header: jsonHeader({}), body: Buffer.alloc(0) });
  });
  await assert.rejects(client.post(box, body), { code: 'bad_frame' });
});

test('links to one broker that end soon after they opened are followed by ever longer pauses, up to a second', async () => {
  const { client, machine, dials } = makeClient(({ kind, request }, connection) => {
    if (kind !== 'hello') return;
    connection.answer(welcome(request));
    connection.frame({ type: 0xff, request: 0, header: Buffer.alloc(0), body: Buffer.alloc(0) });
  });
  void client.wait(box, { timeoutMs: 60_000 }).catch(() => {});
  await machine.pass(4_000);
  assert.deepEqual(dials, [0, 0, 50, 150, 350, 750, 1_550, 2_550, 3_550]);
});

test('after each link that ended early, the one to the next owner is made at once', async () => {
  let epoch = 0;
  const { client, machine, dials } = makeClient(({ kind, request }, connection) => {
    if (kind !== 'hello') return;
    connection.answer(welcome(request, ++epoch));
    if (epoch < 10) connection.answer({ kind: 'going', request: 0 });
  });
  void client.wait(box, { timeoutMs: 60_000 }).catch(() => {});
  await machine.pass(0);
  assert.deepEqual(dials, Array(10).fill(0));
});

test('a broker that closes before its welcome is dialled again after ever longer pauses, up to a second', async () => {
  const { client, machine, dials } = makeClient((_request, connection) => connection.close());
  void client.wait(box, { timeoutMs: 60_000 }).catch(() => {});
  await machine.pass(3_000);
  assert.deepEqual(dials, [0, 50, 150, 350, 750, 1_550, 2_550]);
});

test('a post over which three owners failed ends with their error, and a parked wait goes on', async () => {
  let epoch = 0;
  let posts = 0;
  const { client, machine } = makeClient(({ kind, request }, connection) => {
    if (kind === 'hello') return connection.answer(welcome(request, ++epoch));
    if (kind !== 'post') return;
    posts += 1;
    const message = 'EIO: i/o error, fdatasync';
    connection.answer({ kind: 'error', request: 0, code: 'storage_failed', message });
    connection.close();
  });
  const waiting = client.wait(box, { timeoutMs: 1_000 });
  await machine.pass(0);
  const posted = assert.rejects(client.post(box, body), {
    code: 'storage_failed',
    message: 'the broker says: "EIO: i/o error, fdatasync"',
    maybeStored: true,
  });
  await machine.pass(50);
  await posted;
  assert.equal(posts, 3);
  await machine.pass(2_000);
  assert.equal(await waiting, undefined);
});

test('a post over which three owners failed goes to no further owner, unless its caller posts it again, under its id', async () => {
  let epoch = 0;
  let isFailing = true;
  const counts: number[] = [];
  const { client, machine } = makeClient((request, connection) => {
    if (request.kind === 'hello') return connection.answer(welcome(request.request, ++epoch));
    if (request.kind !== 'post') return;
    counts.push(request.count);
    const stored = { kind: 'stored', id: 'a.1' as MessageId, number: 1, duplicate: false } as const;
    if (!isFailing) {
      const more = { reader: false, also: [], notHeld: [], elsewhere: [], ...nothingAhead };
      return connection.answer({ ...stored, request: request.request, ...more });
    }
    connection.answer({ kind: 'error', request: 0, code: 'storage_failed', message: 'EIO' });
    connection.close();
  });
  const waiting = client.wait(box, { timeoutMs: 10_000 });
  await machine.pass(0);
  const posted = assert.rejects(client.post(box, body), { code: 'storage_failed' });
  await machine.pass(5_000);
  await posted;
  assert.ok(epoch > 3, 'the wait connected to a fourth owner');
  assert.deepEqual(counts, [1, 1, 1]);
  isFailing = false;
  const again = client.post(box, body);
  await machine.pass(0);
  assert.equal((await again).number, 1);
  assert.deepEqual(counts, [1, 1, 1, 1]);
  await machine.pass(10_000);
  assert.equal(await waiting, undefined);
});

test('the caller of a post over which owners fail has five minutes after each error to post it again under its id', async () => {
  let epoch = 0;
  const counts: number[] = [];
  const { client, machine } = makeClient((request, connection) => {
    if (request.kind === 'hello') return connection.answer(welcome(request.request, ++epoch));
    if (request.kind !== 'post') return;
    counts.push(request.count);
    connection.answer({ kind: 'error', request: 0, code: 'storage_failed', message: 'EIO' });
    connection.close();
  });
  for (const pauseMs of [200_000, 200_000, 0]) {
    const posted = assert.rejects(client.post(box, body), { code: 'storage_failed' });
    await machine.pass(1_000);
    await posted;
    await machine.pass(pauseMs);
  }
  assert.deepEqual(counts, [1, 1, 1, 1, 1]);
});

test('a program fault while connecting reaches the caller as it is', async () => {
  const fault = new assert.AssertionError({ message: 'numbers only rise' });
  const connect = () => Promise.reject(fault);
  const client = clientOf(connect, new ManualRuntime());
  await assert.rejects(client.post(box, body), (error) => error === fault);
});

test('a wait without end is sent again each time that it ends, and after a lost connection', async () => {
  const waits: number[] = [];
  const { client, dials } = makeClient((request, connection) => {
    if (request.kind === 'hello') return connection.answer(welcome(request.request));
    if (request.kind !== 'wait') return;
    waits.push(request.waitMs);
    const { request: number } = request;
    const [mailbox] = request.mailboxes;
    if (waits.length === 2) return connection.destroy();
    if (waits.length < 5) {
      return connection.answer({ kind: 'end', request: number, ...nothingLeft });
    }
    const origin = { program: 'p', pid: 1, machine: 'm' };
    const envelope = {
      ...{
        id: 'x' as MessageId,
        number: 1,
        to: box,
        from: '' as const,
        time: 1,
        answers: '' as const,
      },
      ...{ origin, depth: 0, bodyBytes: body.length, checksum: bodyChecksum(body) },
    } as const;
    connection.answer(
      { kind: 'offer', request: number, envelope, mailbox, attempt: 1, others: 0, ...nothingLeft },
      body,
    );
  });
  const delivery = await client.wait(box, { timeoutMs: Number.POSITIVE_INFINITY });
  assert.equal(delivery?.envelope.id, 'x');
  assert.deepEqual(waits, [300_000, 300_000, 300_000, 300_000, 300_000]);
  assert.equal(dials.length, 2);
});

test('a wait without end that is aborted is cancelled at the broker', async () => {
  const seen: string[] = [];
  const abort = new AbortController();
  const { client } = makeClient((request, connection) => {
    seen.push(request.kind);
    if (request.kind === 'hello') connection.answer(welcome(request.request));
    if (request.kind === 'wait') abort.abort();
    if (request.kind === 'cancel') {
      connection.answer({ kind: 'end', request: request.request, ...nothingLeft });
    }
  });
  const endless = { timeoutMs: Number.POSITIVE_INFINITY, signal: abort.signal };
  await assert.rejects(client.wait(box, endless), { code: 'cancelled' });
  await new Promise(setImmediate);
  assert.deepEqual(seen, ['hello', 'wait', 'cancel']);
});

const watchHere = ['watch'] as const;

test('a watch is sent again after a lost connection and when its time at the broker is over, with what is left of its time and its pause', async () => {
  const sent: [number, number | undefined][] = [];
  const { client, machine, dials } = makeClient((request, connection) => {
    const { request: number } = request;
    if (request.kind === 'hello')
      return connection.answer({ ...welcome(number), requests: watchHere });
    if (request.kind !== 'watch') return;
    sent.push([request.waitMs, request.told?.pauseMs]);
    if (sent.length === 1) machine.setTimer(() => connection.destroy(), 10_000);
    const end = { kind: 'end', request: number, ...nothingLeft } as const;
    if (sent.length === 2) machine.setTimer(() => connection.answer(end), 300_000);
    const notice = { mailbox: box, unread: 3, number: 7, attempt: 2, ageMs: 5 };
    if (sent.length === 3) connection.answer({ kind: 'notice', request: number, ...notice });
  });
  const told = { number: 6, attempt: 1, time: 1, pauseMs: 30_000 };
  const watching = client.watch([box], { timeoutMs: 400_000, told });
  await machine.pass(310_000);
  const expected = { mailbox: box, unread: 3, number: 7, attempt: 2, ageMs: 5 };
  assert.deepEqual(await watching, expected);
  assert.deepEqual(sent, [
    [300_000, 30_000],
    [300_000, 20_000],
    [90_000, 0],
  ]);
  assert.equal(dials.length, 2);
});

test('a watch ends on time, also at a broker that says nothing', async () => {
  const seen: string[] = [];
  let isSilent = false;
  const { client, machine } = makeClient((request, connection) => {
    seen.push(request.kind);
    const { kind, request: number } = request;
    if (kind === 'hello') return connection.answer({ ...welcome(number), requests: watchHere });
    if (kind !== 'watch' || isSilent) return;
    const end = { kind: 'end', request: number, ...nothingLeft } as const;
    machine.setTimer(() => connection.answer(end), request.waitMs);
  });
  const first = client.watch([box], { timeoutMs: 1_000 });
  await machine.pass(1_000);
  assert.equal(await first, undefined);
  isSilent = true;
  const second = client.watch([box], { timeoutMs: 1_000 });
  await machine.pass(10_000);
  assert.equal(await second, undefined);
  assert.deepEqual(seen, ['hello', 'watch', 'watch', 'cancel']);
});

test('a watch without time ends with the answer of the broker, however late that is', async () => {
  const { client, machine } = makeClient((request, connection) => {
    const { kind, request: number } = request;
    if (kind === 'hello') return connection.answer({ ...welcome(number), requests: watchHere });
    if (kind !== 'watch') return;
    const end = { kind: 'end', request: number, ...nothingLeft, remaining: 3 } as const;
    machine.setTimer(() => connection.answer(end), 1_500);
  });
  let remaining = 0;
  const onTimeout = (left: { readonly remaining: number }) => {
    remaining = left.remaining;
  };
  const look = client.watch([box], { timeoutMs: 0, onTimeout });
  await machine.pass(1_500);
  assert.equal(await look, undefined);
  assert.equal(remaining, 3);
});

test('a watch that is aborted is cancelled at the broker, and a notice that was on its way is ignored', async () => {
  const seen: string[] = [];
  const abort = new AbortController();
  const { client } = makeClient((request, connection) => {
    seen.push(request.kind);
    const { kind, request: number } = request;
    if (kind === 'hello') connection.answer({ ...welcome(number), requests: watchHere });
    if (kind === 'watch') abort.abort();
    if (kind !== 'cancel') return;
    const notice = { mailbox: box, unread: 1, number: 7, attempt: 1, ageMs: 5 };
    connection.answer({ kind: 'notice', request: number, ...notice });
  });
  const endless = { timeoutMs: Number.POSITIVE_INFINITY, signal: abort.signal };
  await assert.rejects(client.watch([box], endless), { code: 'cancelled' });
  await new Promise(setImmediate);
  assert.deepEqual(seen, ['hello', 'watch', 'cancel']);
});

test('a notice of a mailbox that is not watched ends the watch with an error', async () => {
  const { client } = makeClient(({ kind, request }, connection) => {
    if (kind === 'hello') connection.answer({ ...welcome(request), requests: watchHere });
    if (kind !== 'watch') return;
    const notice = { mailbox: 'do as I say' as Name, unread: 1, number: 7, attempt: 1, ageMs: 5 };
    connection.answer({ kind: 'notice', request, ...notice });
  });
  await assert.rejects(client.watch([box], { timeoutMs: 1_000 }), {
    code: 'bad_frame',
    message: 'a notice of a mailbox that is not watched',
  });
});

test('a parked watch outlives owners that fail and responses that break the protocol', async () => {
  let epoch = 0;
  let watches = 0;
  const { client, machine } = makeClient((request, connection) => {
    const { kind, request: number } = request;
    if (kind === 'hello') {
      return connection.answer({ ...welcome(number, ++epoch), requests: watchHere });
    }
    if (kind !== 'watch') return;
    watches += 1;
    if (watches < 5) {
      connection.answer({ kind: 'error', request: 0, code: 'storage_failed', message: 'EIO' });
      return connection.close();
    }
    if (watches > 5) return;
    connection.frame({ type: 0xff, request: 0, header: Buffer.alloc(0), body: Buffer.alloc(0) });
  });
  const watching = client.watch([box], { timeoutMs: 60_000 });
  await machine.pass(10_000);
  assert.equal(watches, 6);
  await machine.pass(60_000);
  assert.equal(await watching, undefined);
});

test('a watch is not sent to an older broker, and the link stays', async () => {
  const seen: string[] = [];
  const { client, dials } = makeClient((request, connection) => {
    seen.push(request.kind);
    if (request.kind === 'hello') connection.answer(welcome(request.request));
  });
  await assert.rejects(client.watch([box], { timeoutMs: 1_000 }), {
    code: 'version_mismatch',
    message: 'the session that owns the broker (pid 2) is older, and cannot watch',
  });
  assert.deepEqual(seen, ['hello']);
  assert.equal(dials.length, 1);
});

test('a peek or a drop is not sent to a broker that does not announce it, and the link stays', async () => {
  const seen: string[] = [];
  const { client, dials } = makeClient((request, connection) => {
    seen.push(request.kind);
    if (request.kind === 'hello') {
      connection.answer({ ...welcome(request.request), requests: ['peek'] });
    }
    if (request.kind === 'peek') {
      connection.answer({ kind: 'end', request: request.request, ...nothingLeft });
    }
  });
  const look = { messagesMax: 1, partBytesMax: 0 };
  assert.deepEqual(await client.peek(box, look), { messages: [], remaining: 0 });
  await assert.rejects(client.drop(box), {
    code: 'version_mismatch',
    message: 'the session that owns the broker (pid 2) is older, and cannot drop',
    hint: 'end that session or update it, then try again',
  });
  assert.deepEqual(seen, ['hello', 'peek']);
  assert.equal(dials.length, 1);
});

test('a wait or watch whose time is over ends with the reason why no mail could be read, if there is one', async () => {
  const machine = new ManualRuntime();
  const away = new IpcError('unreachable', 'no server');
  let reason: IpcError | undefined;
  const asked: [sent: boolean, waitedMs: number][] = [];
  const client = new Client(
    { program: 'test', pid: 1, machine: 'here' },
    {
      connect: () => new Promise(() => {}),
      describeSilentOwner: async () => away,
      whyUnread: (sent, waitedMs) => {
        asked.push([sent, waitedMs]);
        return reason;
      },
      welcomed: () => {},
      isStandby: () => false,
    },
    machine,
  );
  const found = client.wait(box, { timeoutMs: 1_000 });
  await machine.pass(1_250);
  assert.equal(await found, undefined);
  reason = away;
  const calls = [
    client.wait(box, { timeoutMs: 1_000 }),
    client.watch([box], { timeoutMs: 1_000 }),
  ].map((call) => assert.rejects(call, away));
  await machine.pass(1_250);
  await Promise.all(calls);
  assert.deepEqual(asked, [
    [false, 1_250],
    [false, 1_250],
    [false, 1_250],
  ]);
});
