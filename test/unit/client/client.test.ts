// What a client holds, at a broker that the test plays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { IpcError } from '../../../src/base/errors.ts';
import { Client } from '../../../src/client/client.ts';
import type { Held } from '../../../src/model/mail-service.ts';
import type { Envelope, Hold, MessageId, Name } from '../../../src/model/message.ts';
import type { Request, Response } from '../../../src/model/requests.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { decodeRequest, encodeResponse } from '../../../src/protocol/codec.ts';
import { type Frame, FrameDecoder } from '../../../src/protocol/frame.ts';
import { collectGarbage } from '../../support/memory.ts';
import { identity, origin } from '../../support/model/engine.ts';
import { nothingLeft } from '../../support/receipts.ts';

const [A, B] = ['A', 'B'] as [Name, Name];

/** A connection whose other end responds to each request with the result of `answer`. */
class PlayedConnection implements Partial<Connection> {
  onFrame: (frame: Frame) => void = () => {};
  onClose: () => void = () => {};
  readonly #answer: (request: Request) => Response | undefined;
  readonly #breaksAfter: Response['kind'] | undefined;

  /** `breaksAfter`: it ends after such a response. */
  constructor(answer: (request: Request) => Response | undefined, breaksAfter?: Response['kind']) {
    this.#answer = answer;
    this.#breaksAfter = breaksAfter;
  }

  send(buffers: readonly Buffer[]): void {
    for (const frame of new FrameDecoder().push(Buffer.concat(buffers))) {
      const response = this.#answer(decodeRequest(frame));
      if (!response) continue;
      const bytes = Buffer.concat(encodeResponse(response, Buffer.alloc(0)));
      void setImmediate().then(() => {
        for (const each of new FrameDecoder().push(bytes)) this.onFrame(each);
        if (response.kind === this.#breaksAfter) this.onClose();
      });
    }
  }

  flush(): void {}

  close(): void {
    this.onClose();
  }

  destroy(): void {}
}

function clientOf(connect: () => PlayedConnection): Client {
  return new Client(origin, {
    connect: async () => connect() as unknown as Connection,
    describeSilentOwner: async () => new IpcError('owner_silent', 'the broker does not answer'),
    welcomed: () => {},
    isStandby: () => false,
  });
}

test('a fetch does not return what another session got while its connection was lost', async () => {
  const fetches: number[] = [];
  const answer = (request: Request): Response | undefined => {
    const { kind, request: number } = request;
    if (kind === 'hello') {
      return { ...identity, kind: 'welcome', request: number, revoked: request.held, messages: 0 };
    }
    if (kind !== 'fetch') return undefined;
    fetches.push(number);
    if (fetches.length > 1) return { kind: 'end', request: number, ...nothingLeft };
    const envelope: Envelope = {
      ...{ id: 'x' as MessageId, number: 1, to: A, from: '', time: 1, answers: '', origin },
      ...{ depth: 0, bodyBytes: 0, checksum: 0 },
    };
    const offered = { envelope, mailbox: A, attempt: 1, others: 0 };
    return { kind: 'offer', request: number, ...offered, ...nothingLeft };
  };
  const client = clientOf(() => new PlayedConnection(answer, 'offer'));
  const { deliveries } = await client.fetch(A);
  assert.equal(fetches.length, 2);
  assert.deepEqual(deliveries, []);
  await client.close(0);
});

test('two messages that got the same number because of a crash are told apart by their ids', async () => {
  const ids = { A: 'x', B: 'y' } as Record<string, string>;
  const listed: (readonly Hold[])[] = [];
  const answer = (request: Request): Response | undefined => {
    const { kind, request: number } = request;
    if (kind === 'hello') {
      listed.push(request.held);
      return { ...identity, kind: 'welcome', request: number, revoked: [], messages: 0 };
    }
    if (kind === 'wait') {
      const [mailbox] = request.mailboxes;
      const id = ids[mailbox] as MessageId;
      const envelope: Envelope = {
        ...{ id, number: 1, to: mailbox, from: '', time: 1, answers: '', origin },
        ...{ depth: 0, bodyBytes: 0, checksum: 0 },
      };
      return {
        kind: 'offer',
        request: number,
        envelope,
        mailbox,
        attempt: 1,
        others: 0,
        ...nothingLeft,
      };
    }
    const notHeld = kind === 'settle' ? request.holds.filter(({ id }) => id === 'y') : [];
    return kind === 'settle' ? { kind: 'settled', request: number, notHeld } : undefined;
  };
  let connection = new PlayedConnection(answer);
  const client = clientOf(() => {
    connection = new PlayedConnection(answer);
    return connection;
  });
  const one = await client.wait(A, { timeoutMs: 1_000 });
  const other = await client.wait(B, { timeoutMs: 1_000 });
  assert(one && other);
  connection.onClose();
  await client.wait(A, { timeoutMs: 1_000 });
  const holds = [
    { number: 1, id: 'x' },
    { number: 1, id: 'y' },
  ];
  assert.deepEqual(listed, [[], holds]);
  assert.deepEqual(await client.settle([one, other]), [other]);
  await client.close(0);
});

function held(number: number): Held {
  return { envelope: { number, id: `m${number}` as MessageId } };
}

/** A client that is connected, and what its broker gets from it: kinds, and the numbers that a settle names. */
async function joined(answer: (request: Request) => Response | undefined) {
  const got: string[] = [];
  const hear = (request: Request): Response | undefined => {
    if (request.kind === 'hello') {
      const welcome = { ...identity, kind: 'welcome', request: request.request } as const;
      return { ...welcome, revoked: [], messages: 0, requests: [] };
    }
    const numbers = request.kind === 'settle' ? request.holds.map(({ number }) => number) : [];
    got.push([request.kind, ...numbers].join(' '));
    return answer(request);
  };
  const connections: PlayedConnection[] = [];
  const client = clientOf(() => {
    const connection = new PlayedConnection(hear);
    connections.push(connection);
    return connection;
  });
  void client.status().catch(() => {});
  while (!client.welcome) await setImmediate();
  return { client, got, connections };
}

function settledBut(...others: number[]) {
  return ({ kind, request, ...rest }: Request): Response | undefined => {
    if (kind !== 'settle') return undefined;
    const holds = 'holds' in rest ? rest.holds : [];
    return {
      kind: 'settled',
      request,
      notHeld: holds.filter((each) => others.includes(each.number)),
    };
  };
}

test('the settles of one turn are one request, and each caller gets those of its messages that another session holds', async () => {
  const { client, got } = await joined(settledBut(2, 4));
  const [one, two, three, four] = [held(1), held(2), held(3), held(4)];
  const results = [client.settle([one]), client.settle([two]), client.settle([three, four])];
  assert.deepEqual(await Promise.all(results), [[], [two], [four]]);
  assert.deepEqual(got, ['status', 'settle 1 2 3 4']);
  assert.deepEqual(await client.settle([three]), []);
  assert.deepEqual(got, ['status', 'settle 1 2 3 4', 'settle 3']);
});

test('a request that follows settles in their turn is sent behind them', async () => {
  const { client, got } = await joined(settledBut());
  const first = [client.settle([held(1)]), client.settle([held(2)])];
  void client.wait(A, { timeoutMs: 1_000 }).catch(() => {});
  const last = client.settle([held(3)]);
  await Promise.all([...first, last]);
  assert.deepEqual(got, ['status', 'settle 1 2', 'wait', 'settle 3']);
  await client.close(0);
});

test('a settle with a signal is a request of its own: its abort ends no other', async () => {
  const { client, got } = await joined(settledBut());
  const abort = new AbortController();
  const others = [client.settle([held(1)])];
  const aborted = assert.rejects(client.settle([held(2)], { signal: abort.signal }), {
    code: 'cancelled',
  });
  others.push(client.settle([held(3)]));
  abort.abort();
  await aborted;
  assert.deepEqual(await Promise.all(others), [[], []]);
  assert.deepEqual(got, ['status', 'settle 1', 'settle 2', 'settle 3']);
});

test('the settles of one turn are sent again together after a lost connection', async () => {
  let isLost = false;
  const answer = settledBut(2);
  const { client, got } = await joined((request) => {
    if (request.kind !== 'settle' || isLost) return answer(request);
    isLost = true;
    return { kind: 'going', request: 0 };
  });
  const [one, two] = [held(1), held(2)];
  const results = await Promise.all([client.settle([one]), client.settle([two])]);
  assert.deepEqual(results, [[], [two]]);
  assert.deepEqual(got.slice(-2), ['status', 'settle 1 2']);
  assert.equal(got.filter((each) => each === 'settle 1 2').length, 2);
  await client.close(0);
});

test('settles that fail together are each rejected', async () => {
  const { client } = await joined(({ kind, request }) => {
    return kind === 'settle'
      ? { kind: 'error', request, code: 'storage_failed', message: 'EIO' }
      : undefined;
  });
  const results = await Promise.allSettled([client.settle([held(1)]), client.settle([held(2)])]);
  const codes = results.map((each) => each.status === 'rejected' && each.reason.code);
  assert.deepEqual(codes, ['storage_failed', 'storage_failed']);
});

test('a settle joins no settle of its turn that is over, although it was not sent', async () => {
  const { client, got, connections } = await joined(settledBut());
  const first = client.settle([held(1)]);
  // The request of the status had the number 1.
  const bytes = encodeResponse({ kind: 'settled', request: 2, notHeld: [] });
  for (const each of new FrameDecoder().push(Buffer.concat(bytes))) connections[0]?.onFrame(each);
  const second = client.settle([held(2)]);
  assert.deepEqual(await Promise.all([first, second]), [[], []]);
  assert.deepEqual(got, ['status', 'settle 2']);
});

test('a message that was settled is not kept', async () => {
  const { client } = await joined(settledBut());
  const settle = async (): Promise<WeakRef<Held>> => {
    const message = held(1);
    await client.settle([message]);
    return new WeakRef(message);
  };
  const settled = await settle();
  await setImmediate();
  collectGarbage();
  assert.equal(settled.deref(), undefined);
  await client.close(0);
});

test('settles that cannot be encoded are each rejected, and the next one is sent', async () => {
  const { client, got } = await joined(settledBut());
  const broken: Held = { envelope: { number: -1, id: 'm' as MessageId } };
  const results = await Promise.allSettled([client.settle([broken]), client.settle([held(1)])]);
  const names = results.map((each) => each.status === 'rejected' && each.reason.name);
  assert.deepEqual(names, ['RangeError', 'RangeError']);
  assert.deepEqual(await client.settle([held(2)]), []);
  assert.deepEqual(got, ['status', 'settle 2']);
});

for (const kind of ['offer', 'peeked'] as const) {
  test(`a broker that sends more messages than are wanted (${kind}), and ends the connection, is asked for none`, async () => {
    const wanted: number[] = [];
    const answer = (request: Request): Response | undefined => {
      if (request.kind === 'hello') {
        const welcome = { ...identity, kind: 'welcome', request: request.request } as const;
        return { ...welcome, revoked: [], messages: 0, requests: ['peek'] };
      }
      if (request.kind !== 'fetch' && request.kind !== 'peek') return undefined;
      const number = wanted.push(request.messagesMax);
      const end = { kind: 'end', request: request.request, remaining: 0, elsewhere: [] } as const;
      if (number === 3) return end;
      const envelope: Envelope = {
        ...{ id: `${number}` as MessageId, number, to: A, from: '', time: 1, answers: '', origin },
        ...{ depth: 0, bodyBytes: 0, checksum: 0 },
      };
      const message = { request: request.request, envelope, mailbox: A, attempt: 1 };
      return kind === 'offer'
        ? { kind, ...message, others: 0, ...nothingLeft }
        : { kind, ...message, holder: undefined, partBytes: 0 };
    };
    const client = clientOf(() => new PlayedConnection(answer, kind));
    const messagesMax = 1;
    if (kind === 'offer') await client.fetch(A, { messagesMax });
    else await client.peek(A, { messagesMax, partBytesMax: 0 });
    assert.deepEqual(wanted, [1, 0, 0]);
    await client.close(0);
  });
}
