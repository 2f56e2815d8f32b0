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

  constructor(answer: (request: Request) => Response | undefined) {
    this.#answer = answer;
  }

  send(buffers: readonly Buffer[]): void {
    for (const frame of new FrameDecoder().push(Buffer.concat(buffers))) {
      const response = this.#answer(decodeRequest(frame));
      if (!response) continue;
      const bytes = Buffer.concat(encodeResponse(response, Buffer.alloc(0)));
      void setImmediate().then(() => {
        for (const each of new FrameDecoder().push(bytes)) this.onFrame(each);
      });
    }
  }

  close(): void {
    this.onClose();
  }

  destroy(): void {}
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
  const client = new Client(origin, {
    connect: async () => {
      connection = new PlayedConnection(answer);
      return connection as unknown as Connection;
    },
    describeSilentOwner: async () => new IpcError('owner_silent', 'the broker does not answer'),
    welcomed: () => {},
    isStandby: () => false,
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
