// The broker remembers posts whose messages are settled: seen on the wire and on disk.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  mailboxesPerPostMax,
  prologueBytesMax,
  segmentGrowthBytes,
  unacknowledgedPostsMax,
} from '../../../src/base/limits.ts';
import {
  bodyChecksum,
  type Hold,
  type MessageId,
  type Name,
  sessionMessageId,
} from '../../../src/model/message.ts';
import type { Response } from '../../../src/model/requests.ts';
import { dial } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { decodeResponse, encodeRequest, type RequestToSend } from '../../../src/protocol/codec.ts';
import { sessionSecretBytes } from '../../../src/protocol/session-secret.ts';
import { openBroker, startBroker, type TestBroker } from '../../support/brokers.ts';
import { helloOf } from '../../support/proven-socket.ts';

const box = 'box' as Name;
const id = 'deploy-7' as MessageId;

test('a different post under the id of a settled message is refused, also by the next owner', async (context) => {
  const first = await startBroker(context);
  const poster = first.client();
  const [one, two] = [Buffer.from('one'), Buffer.from('two')];
  await poster.post(box, one, { id });
  const { deliveries } = await poster.fetch(box);
  await poster.settle(deliveries);
  const refused = { code: 'id_conflict' };
  await assert.rejects(poster.post(box, two, { id }), refused);
  await first.close();

  const second = await openBroker(first.folder);
  context.after(() => second.close());
  const again = second.client();
  await assert.rejects(again.post(box, two, { id }), refused);
  await assert.rejects(again.post('other' as Name, one, { id }), refused);
  const { number, duplicate } = await again.post(box, one, { id });
  assert.deepEqual([number, duplicate], [1, true]);
  assert.equal((await again.status()).messages, 0);
});

test('sessions that leave settled posts behind do not make the prologue of a segment larger than 4 MiB', async (context) => {
  const first = await startBroker(context);
  // Together they have 5 MB to remember.
  for (let left = 45; left > 0; left--) await leaveSettledPosts(first);
  await first.close();
  const second = await openBroker(first.folder);
  context.after(() => second.close());
  const epoch = join(first.folder, 'epochs/00000002');
  const sizes = readdirSync(epoch)
    .filter((name) => name.endsWith('.log'))
    .map((name) => statSync(join(epoch, name)).size);
  assert.equal(sizes.length, 1);
  assert.ok((sizes[0] ?? 0) <= prologueBytesMax + segmentGrowthBytes, `${sizes[0]} bytes`);
});

/** A session that posts as much as it may, has it settled, and goes without a word. */
async function leaveSettledPosts({ port, keys }: TestBroker): Promise<void> {
  const hello = helloOf(randomBytes(sessionSecretBytes));
  const { session } = hello;
  const peer = new Peer(await dial({ host: '127.0.0.1', port }, keys));
  await peer.ask(hello);
  const posts = Array.from(
    { length: Math.floor(unacknowledgedPostsMax / mailboxesPerPostMax) },
    async (_, index) => {
      const count = 1 + index * mailboxesPerPostMax;
      const stored = await peer.ask(postOf(10 + index, count));
      assert.equal(stored.kind, 'stored');
      const number = stored.kind === 'stored' ? stored.number : 0;
      return Array.from({ length: mailboxesPerPostMax }, (_, more): Hold => {
        return { number: number + more, id: sessionMessageId(session, count + more) };
      });
    },
  );
  const holds = (await Promise.all(posts)).flat();
  await peer.ask({ kind: 'settle', request: 2, holds });
  peer.end();
}

function postOf(request: number, count: number): RequestToSend {
  const [to, ...alsoTo] = Array.from(
    { length: mailboxesPerPostMax },
    (_, index) => `box ${index}` as Name,
  ) as [Name, ...Name[]];
  const body = Buffer.from('x');
  const content = { from: '', answers: '', settles: [], checksum: bodyChecksum(body) } as const;
  return { kind: 'post', request, count, id: '', ackedUpTo: 0, to, alsoTo, ...content, body };
}

class Peer {
  readonly #connection: Connection;
  readonly #open = new Map<number, (response: Response) => void>();

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onClose = () => {};
    connection.onFrame = (frame) => {
      const { response } = decodeResponse(frame);
      this.#open.get(response.request)?.(response);
    };
  }

  ask(request: RequestToSend): Promise<Response> {
    return new Promise((resolve) => {
      this.#open.set(request.request, resolve);
      this.#connection.send(encodeRequest(request));
    });
  }

  end(): void {
    this.#connection.destroy();
  }
}
