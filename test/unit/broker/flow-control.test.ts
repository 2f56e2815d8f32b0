// Limits on what one peer with the key may use, and what other peers get meanwhile.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { turnRequestsMax } from '../../../src/base/limits.ts';
import { type Disk, realDisk } from '../../../src/journal/disk.ts';
import type { Name } from '../../../src/model/message.ts';
import { dial } from '../../../src/net/connect.ts';
import { decodeResponse, encodeRequest } from '../../../src/protocol/codec.ts';
import { FrameDecoder } from '../../../src/protocol/frame.ts';
import { startBroker } from '../../support/brokers.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';
import { hello, provenSocket } from '../../support/proven-socket.ts';
import { FrameCollector } from '../../support/sockets.ts';

const box = 'box' as Name;
/** So that the turns which a post takes are counted, and not the time of the disk. */
const instantSyncs: Disk = {
  ...realDisk,
  create: (path) => {
    const file = realDisk.create(path);
    return {
      write: (buffers, offset) => file.write(buffers, offset),
      sync: async () => {},
      isInPlace: () => file.isInPlace(),
      close: () => file.close(),
    };
  },
};
const megabyte = Buffer.alloc(1_048_576, 'x');
/** No preallocation has this length. */
const large = Buffer.alloc(1_000_000, 'x');

/** Syncs that last until the test ends them. */
class HeldSyncs {
  readonly #gated: GatedDisk;
  #begun: Promise<void> | undefined;
  #begin: () => void = () => {};
  #end: () => void = () => {};

  constructor(gated: GatedDisk) {
    this.#gated = gated;
    gated.onSync = () => this.#begin();
  }

  /** Holds the syncs that begin from now on. */
  hold(): void {
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.#gated.gate = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Resolves when the sync that end() will end has begun. */
  async begun(): Promise<void> {
    await this.#begun;
  }

  end(): void {
    const end = this.#end;
    this.hold();
    end();
  }

  endAll(): void {
    const end = this.#end;
    this.#gated.gate = Promise.resolve();
    end();
  }
}

test('a connection beyond the limit gets an error and is closed; when one ends, another is accepted', async (context) => {
  const broker = await startBroker(context, { limits: { connectionsMax: 1 } });
  const first = broker.client();
  await first.status();
  const second = new FrameCollector(
    await dial({ host: '127.0.0.1', port: broker.port }, broker.keys),
  );
  const [frame] = await second.next();
  assert(frame);
  assert.deepEqual(decodeResponse(frame).response, {
    kind: 'error',
    request: 0,
    code: 'too_many_connections',
    message: '1 connections are open, which is the limit',
  });
  assert.equal(await second.closed, undefined);
  await assert.rejects(broker.client().status(), { code: 'too_many_connections' });
  await first.close(1_000);
  await broker.client().status();
});

test('posts of one connection that wait for the disk are limited; more are refused, and accepted later', async (context) => {
  const gated = new GatedDisk();
  const broker = await startBroker(context, { disk: gated.disk, limits: { postsInFlightMax: 2 } });
  const client = broker.client();
  await client.post(box, Buffer.from('before'));
  let open: () => void = () => {};
  gated.gate = new Promise((resolve) => {
    open = resolve;
  });
  const stored = [client.post(box, Buffer.from('one')), client.post(box, Buffer.from('two'))];
  await assert.rejects(client.post(box, Buffer.from('three')), {
    code: 'too_many_unanswered',
    message: 'the broker says: "2 posts and settles wait for the disk, which is the limit"',
  });
  // Another connection has places of its own.
  stored.push(broker.client().post(box, Buffer.from('other')));
  open();
  await Promise.all(stored);
  await client.post(box, Buffer.from('three'));
});

test('refused posts take no space on disk', async (context) => {
  const broker = await startBroker(context, { limits: { mailboxMessagesMax: 1 } });
  const client = broker.client();
  await client.post(box, megabyte);
  const path = join(broker.folder, 'epochs', '00000001', 'seg-000001.log');
  const { size } = await stat(path);
  for (let refused = 0; refused < 8; refused++) {
    await assert.rejects(client.post(box, megabyte), { code: 'mailbox_full' });
  }
  const grown = (await stat(path)).size - size;
  assert(grown < 2 * megabyte.length, `${grown} bytes`);
});

test('five posts are stored while a flood from another connection gets its part of a few turns answered', async (context) => {
  const broker = await startBroker(context, { disk: instantSyncs });
  const quiet = broker.client();
  await quiet.post(box, Buffer.from('before'));
  /** Three for each post, and some to spare. */
  const turns = 25;
  for (const [request, count, answersMax] of [
    [encodeRequest({ kind: 'ping', request: 7 }), 60_000, turns * turnRequestsMax],
    [encodeRequest({ kind: 'settle', request: 8, holds: [] }), 60_000, turns * turnRequestsMax],
    [encodeRequest({ kind: 'status', request: 9 }), 2_000, turns],
  ] as const) {
    const flood = await provenSocket(context, broker, 'flood');
    const decoder = new FrameDecoder();
    let answers = 0;
    flood.on('data', (chunk) => {
      answers += decoder.push(chunk).length;
    });
    flood.resume();
    flood.write(Buffer.concat(Array.from({ length: count }, () => request).flat()));
    for (let post = 0; post < 5; post++) await quiet.post(box, Buffer.from('quiet'));
    assert(answers > 0, 'the flood is read from');
    assert(answers <= answersMax, `${answers} of the flood's requests were answered meanwhile`);
    flood.destroy();
  }
});

test('alone, a connection fills a sync; beside posts of others it adds one post of 1 MB, and none to the sync after that', async (context) => {
  const gated = new GatedDisk();
  const syncs = new HeldSyncs(gated);
  // Before the broker is closed, which waits for its sync.
  context.after(() => syncs.endAll());
  const limits = { otherPostsMs: 60_000 };
  const broker = await startBroker(context, { disk: gated.disk, limits });
  const [quiet, flood] = [broker.client(), broker.client()];
  await Promise.all([quiet.status(), flood.status()]);
  syncs.hold();
  let written = 0;
  gated.onWrite = (buffers) => {
    written += buffers.filter((buffer) => buffer.length === large.length).length;
  };
  const postLarge = () => Array.from({ length: 4 }, () => flood.post(box, large));
  /** In one turn of each status the flood could be read from. */
  const writtenAfterTurns = async () => {
    for (let turn = 0; turn < 20; turn++) await quiet.status();
    return written;
  };

  const alone = postLarge();
  await syncs.begun();
  assert.equal(await writtenAfterTurns(), 4);
  syncs.end();
  await syncs.begun();
  syncs.end();
  await Promise.all(alone);

  const before = quiet.post(box, Buffer.from('before'));
  await syncs.begun();
  syncs.end();
  await before;
  written = 0;
  const beside = postLarge();
  await syncs.begun();
  assert.equal(await writtenAfterTurns(), 1, 'while it is synced');
  const meanwhile = quiet.post(box, Buffer.from('meanwhile'));
  assert.equal(await writtenAfterTurns(), 1);
  syncs.end();
  await syncs.begun();
  assert.equal(await writtenAfterTurns(), 1, 'while the post of the other one is synced');
  syncs.end();
  await meanwhile;
  await syncs.begun();
  assert.equal(await writtenAfterTurns(), 2, 'while the next one is synced');
  syncs.endAll();
  await Promise.all(beside);
  assert.equal(written, 4);
});

test('a peer that violates the protocol is closed, and the broker keeps serving others', async (context) => {
  const broker = await startBroker(context);
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(64),
    Buffer.concat(hello('rude')),
  ]) {
    const socket = await provenSocket(context, broker, 'rude');
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
  }
  await broker.client().status();
});
