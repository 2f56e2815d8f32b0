// What a client holds, at a broker that the test plays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { IpcError } from '../../../src/base/errors.ts';
import { Client } from '../../../src/client/client.ts';
import type { Envelope, Hold, MessageId, Name } from '../../../src/model/message.ts';
import type { Request, Response } from '../../../src/model/requests.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { decodeRequest, encodeResponse } from '../../../src/protocol/codec.ts';
import { type Frame, FrameDecoder } from '../../../src/protocol/frame.ts';
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
