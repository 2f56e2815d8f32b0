// The broker and its clients when something fails: a start, a stop, a call that was cancelled.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import {
  bodyBytesMax,
  holdsMax,
  silenceMsResponse,
  turnBodyBytesMax,
} from '../../../src/base/limits.ts';
import { type Runtime, systemRuntime } from '../../../src/base/runtime.ts';
import { Acceptor } from '../../../src/broker/acceptor.ts';
import { Broker } from '../../../src/broker/broker.ts';
import { Listeners } from '../../../src/broker/listeners.ts';
import { type Disk, realDisk } from '../../../src/journal/disk.ts';
import { readOwner } from '../../../src/journal/paths.ts';
import { byteLength } from '../../../src/journal/segment-writer.ts';
import type { Delivery } from '../../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { dial } from '../../../src/net/connect.ts';
import { decodeResponse } from '../../../src/protocol/codec.ts';
import type { Keys } from '../../../src/protocol/handshake.ts';
import { startBroker } from '../../support/brokers.ts';
import { claim } from '../../support/claim.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';
import { openStore } from '../../support/disk/journal-store.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { place } from '../../support/processes/remote.ts';

const box = 'box' as Name;
const diskError = () => Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 });

async function assertPortIsFree(port: number): Promise<void> {
  const probe = createServer().listen(port, '127.0.0.1');
  await once(probe, 'listening');
  probe.close();
}

async function claimedPlace(context: TestContext) {
  const folder = join(await makeHome(context), 'broker');
  await mkdir(folder, { mode: 0o700 });
  const port = await freePort();
  const won = await claim(port, folder);
  assert.equal(won.kind, 'won');
  return { folder, port, doors: new Listeners(port, won.listeners) };
}

test('a broker that cannot start frees its port and closes the connections that it had accepted', async (context) => {
  const { folder, port, doors: listeners } = await claimedPlace(context);
  const keys: Keys = [Buffer.alloc(32, 7)];
  const gated = new GatedDisk();
  let fail = () => {};
  gated.gate = new Promise((_resolve, reject) => {
    fail = () => reject(diskError());
  });
  gated.gate.catch(() => {});
  const starting = Broker.start({
    listeners: listeners,
    acceptor: new Acceptor(listeners, () => keys),
    folder,
    disk: gated.disk,
    onFailed: () => {},
  });
  starting.catch(() => {});
  const connection = await dial({ host: '127.0.0.1', port }, keys);
  const received: string[] = [];
  const ended = new Promise<void>((resolve) => {
    connection.onClose = () => resolve();
  });
  const isIn = new Promise<void>((resolve) => {
    connection.onHeartbeat = resolve;
  });
  connection.onFrame = (frame) => received.push(decodeResponse(frame).response.kind);
  await isIn;
  fail();
  await assert.rejects(starting, { code: 'storage_failed' });
  await ended;
  assert.deepEqual(received, ['going']);
  await assertPortIsFree(port);
});

test('a broker whose last sync fails still frees its port', async (context) => {
  const gated = new GatedDisk();
  const { broker, client, port } = await startBroker(context, { disk: gated.disk });
  const poster = client();
  await poster.post(box, Buffer.from('mail'));
  const { deliveries } = await poster.fetch(box);
  assert.equal(deliveries.length, 1);
  gated.gate = Promise.reject(diskError());
  gated.gate.catch(() => {});
  await broker.close().catch(() => {});
  await assertPortIsFree(port);
});

test('a fenced owner detects that it was replaced, even without posts', async (context) => {
  const runtime: Runtime = {
    ...systemRuntime,
    setTicker: (callback) => setInterval(callback, 5),
  };
  let end: (error: IpcError) => void = () => {};
  const ended = new Promise<IpcError>((resolve) => {
    end = resolve;
  });
  const { folder, port } = await startBroker(context, {
    runtime: runtime,
    onFailed: (error) => end(error),
  });
  const newer = await openStore({ folder });
  assert.equal((await ended).code, 'owner_replaced');
  await assertPortIsFree(port);
  await newer.journal.close();
});

test('an owner that cannot check its epoch gives the role up and acknowledges nothing', async (context) => {
  const failed: string[] = [];
  let isBroken = false;
  const disk: Disk = {
    ...realDisk,
    list: (path) => {
      if (isBroken) throw diskError();
      return realDisk.list(path);
    },
  };
  const onFailed = ({ code }: IpcError) => failed.push(code);
  const { client } = await startBroker(context, { disk, onFailed });
  const poster = client();
  await poster.status();
  isBroken = true;
  await assert.rejects(poster.post(box, Buffer.from('mail')), { code: 'unreachable' });
  assert.deepEqual(failed, ['storage_failed']);
});

test('a broker listens on another address even if the disk is too full to record it in owner.json', async (context) => {
  let isFull = false;
  const disk: Disk = {
    ...realDisk,
    writeNote: (path, text) => {
      if (isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
      realDisk.writeNote(path, text);
    },
  };
  const { broker, client, folder, port, keys } = await startBroker(context, { disk });
  isFull = true;
  await broker.listenOn(['127.0.0.2']);
  assert.deepEqual(broker.addresses, ['127.0.0.1', '127.0.0.2']);
  const there = client(() => dial({ host: '127.0.0.2', port }, keys));
  await there.post(box, Buffer.from('mail'));
  assert.deepEqual(readOwner(folder)?.addresses, ['127.0.0.1']);
});

/** A broker that has written a delivery, for which no sync is waited. `failed`: the codes that it reports. */
async function withUnsyncedRecords(context: TestContext) {
  const failed: string[] = [];
  const onFailed = ({ code }: IpcError) => failed.push(code);
  const gated = new GatedDisk();
  const { broker, client } = await startBroker(context, { disk: gated.disk, onFailed });
  const reader = client();
  await reader.post(box, Buffer.from('mail'));
  assert.equal((await reader.wait(box, { timeoutMs: 1_000 }))?.attempt, 1);
  return { broker, gated, failed };
}

test('a broker whose disk fails at its end reports that, and its close succeeds, since all that it acknowledged is synced', async (context) => {
  const { broker, gated, failed } = await withUnsyncedRecords(context);
  gated.gate = Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 }));
  await broker.close();
  assert.deepEqual(failed, ['storage_failed']);
  assert.deepEqual(broker.addresses, []);
});

test('a broker that is closed by two at the same time ends once, and both wait for its last sync', async (context) => {
  const { broker, gated, failed } = await withUnsyncedRecords(context);
  let synced = 0;
  gated.onSynced = () => synced++;
  const close = () => broker.close().then(() => synced);
  const closed = await Promise.all([close(), close()]);
  assert.deepEqual(closed, [1, 1]);
  assert.deepEqual(failed, []);
});

test('a broker that is closed while it fails to listen on an address is closed in good order, and keeps no port', async (context) => {
  const failed: string[] = [];
  const onFailed = ({ code }: IpcError) => failed.push(code);
  const { broker } = await startBroker(context, { onFailed });
  const listening = broker.listenOn(['127.0.0.2', '192.0.2.1']);
  const refused = assert.rejects(listening, { code: 'address_unusable' });
  await broker.close();
  await refused;
  assert.deepEqual(failed, []);
  assert.deepEqual(broker.addresses, []);
});

test('a post that was cancelled before it was sent leaves no gap in the counts', async (context) => {
  const { client } = await startBroker(context);
  const poster = client();
  const signal = AbortSignal.abort();
  await assert.rejects(poster.post(box, Buffer.from('never'), { signal }), { code: 'cancelled' });
  for (let count = 0; count < 4_200; count += 600) {
    await Promise.all(Array.from({ length: 600 }, () => poster.post(box, Buffer.from('x'))));
  }
  assert.equal((await poster.status()).messages, 4_200);
});

test('a timed-out post that was stored is not stored again by identical posts, even if those time out too', async (context) => {
  const gated = new GatedDisk();
  const { client } = await startBroker(context, { disk: gated.disk });
  const poster = client();
  await poster.status();
  let open = () => {};
  gated.gate = new Promise((resolve) => {
    open = resolve;
  });
  const syncBegan = new Promise<void>((resolve) => {
    gated.onSync = resolve;
  });
  const controller = new AbortController();
  const given = poster.post(box, Buffer.from('once'), { signal: controller.signal });
  await syncBegan;
  controller.abort();
  await assert.rejects(given, { code: 'cancelled' });
  open();
  const again = await poster.post(box, Buffer.from('once'));
  assert.equal(again.number, 1);
  assert.equal((await poster.status()).messages, 1);
});

test('a post that was never sent to a broker is not reported as possibly stored', async (context) => {
  const { client } = await startBroker(context);
  const silent = new IpcError('owner_silent', 'the broker does not answer');
  const caller = client(() => Promise.reject(silent));
  const refused = { code: 'owner_silent', maybeStored: false };
  await assert.rejects(caller.post(box, Buffer.from('words')), refused);
  await assert.rejects(caller.wait(box, { timeoutMs: 1_000 }), refused);
});

test('a post without a broker fails with the reason why none can start, and with a remedy', async (context) => {
  const { client, port, keys } = await startBroker(context);
  const connection = await dial({ host: '127.0.0.1', port }, keys);
  const hint = 'free space on the disk of the store';
  const full = new IpcError('store_full', 'no space left', { hint });
  const roads = [Promise.resolve(connection)];
  const poster = client(() => roads.shift() ?? Promise.reject(full));
  await poster.status();
  const posting = poster.post(box, Buffer.from('words'));
  connection.destroy();
  await assert.rejects(posting, { code: 'store_full', maybeStored: true, hint });
});

test('a post with a caller-chosen id is not joined by an identical post without one', async (context) => {
  const gated = new GatedDisk();
  const { client } = await startBroker(context, { disk: gated.disk });
  const poster = client();
  await poster.status();
  let open = () => {};
  gated.gate = new Promise((resolve) => {
    open = resolve;
  });
  const syncBegan = new Promise<void>((resolve) => {
    gated.onSync = resolve;
  });
  const controller = new AbortController();
  const { signal } = controller;
  const named = poster.post(box, Buffer.from('words'), { id: 'named' as MessageId, signal });
  await syncBegan;
  controller.abort();
  await assert.rejects(named, { code: 'cancelled', maybeStored: true });
  open();
  // Its response arrives before that of a later post.
  await poster.post(box, Buffer.from('other'));
  assert.equal((await poster.post(box, Buffer.from('words'))).duplicate, false);
});

test('a session never holds more messages than its next hello can list', async (context) => {
  const { client } = await startBroker(context);
  const session = client();
  for (let count = 0; count < 5_000; count += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, () => session.post(box, Buffer.from('x'))));
  }
  let held = 0;
  for (const expected of [1_000, 1_000, 1_000, 1_000, holdsMax - 4_000]) {
    const { deliveries } = await session.fetch(box);
    assert.equal(deliveries.length, expected);
    held += deliveries.length;
  }
  assert.equal(held, holdsMax);
  await assert.rejects(session.fetch(box), { code: 'too_many_holds' });
  await assert.rejects(session.wait(box, { timeoutMs: 1_000 }), { code: 'too_many_holds' });
});

test('a settle of more messages than one request may name is split, and settles all of them', async (context) => {
  const { client } = await startBroker(context);
  const poster = client();
  const readers = [client(), client()];
  for (let count = 0; count < 5_000; count += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, () => poster.post(box, Buffer.from('x'))));
  }
  const all: Delivery[] = [];
  for (const reader of readers) {
    for (let round = 0; round < 3; round++) all.push(...(await reader.fetch(box)).deliveries);
  }
  assert.equal(all.length, 5_000);
  await Promise.all(readers.map((reader) => reader.release(all)));
  assert.deepEqual(await poster.settle(all), []);
  assert.equal((await poster.status()).messages, 0);
});

test('compaction copies the messages of one large fan-out in small parts, so that other calls are not delayed', async (context) => {
  const gated = new GatedDisk();
  let most = 0;
  gated.onWrite = (buffers) => {
    most = Math.max(most, byteLength(buffers));
  };
  const limits = { segmentBytesMax: bodyBytesMax, logBytesCompact: 0 };
  const { client, folder } = await startBroker(context, { disk: gated.disk, limits });
  const session = client();
  const alsoTo = Array.from({ length: 99 }, (_, index) => `reader ${index}` as Name);
  await session.post(box, Buffer.alloc(bodyBytesMax / 4, 'x'), { alsoTo });
  const oldest = join(folder, 'epochs', '00000001', 'seg-000001.log');
  const churn = 'churn' as Name;
  for (let posts = 0; existsSync(oldest); posts++) {
    assert(posts < 100, 'the copies, 25 MiB, are worth it when as much is dead');
    await session.post(churn, Buffer.alloc(bodyBytesMax, 'y'));
    await session.settle((await session.fetch(churn)).deliveries);
  }
  assert(most < turnBodyBytesMax + bodyBytesMax, `${most} bytes were written at once`);
});

test('posts in flight when the owner stops are stored, or fail as possibly stored', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const standby = session();
  await owner.status();
  await standby.status();
  const posts = Array.from({ length: 50 }, (_, index) => owner.post('box', `post ${index}`));
  const [{ successor }] = await Promise.all([owner.stop(), ...posts]);
  assert.equal(successor, standby.pid);
  assert.equal((await standby.status()).messages, 50);
});

test('a session that stopped and started again is chosen as the successor', async (context) => {
  const { session } = await place(context);
  const first = session();
  const second = session();
  await first.status();
  await second.status();
  await first.stop();
  assert.equal((await first.status()).pid, second.pid);
  await first.start();
  assert.equal((await second.stop()).successor, first.pid);
});

test('an error records whether its message may have been taken', () => {
  const sure = new IpcError('no_broker', 'no owner');
  const unsure = new IpcError('no_broker', 'no owner', { maybeStored: true });
  assert.deepEqual([sure.maybeStored, unsure.maybeStored], [false, true]);
  assert.equal(new IpcError('cut_off', 'gone').maybeStored, true);
});

test('a client whose own event loop was blocked does not report its broker as silent', async (context) => {
  const { client } = await startBroker(context);
  const caller = client();
  await caller.status();
  const asked = caller.status();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, silenceMsResponse + 500);
  assert.equal((await asked).messages, 0);
});
