// Tests each guarantee of the README under its number. Where a process must die, a real one is killed.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { IpcError } from '../../src/base/errors.ts';
import { bodyBytesMax } from '../../src/base/limits.ts';
import { bodyChecksum, type MailboxList, type Name, parseBody } from '../../src/model/message.ts';
import { dial } from '../../src/net/connect.ts';
import type { Connection } from '../../src/net/connection.ts';
import { loadKeys } from '../../src/net/keys.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/codec.ts';
import type { Keys } from '../../src/protocol/handshake.ts';
import { sessionSecretBytes } from '../../src/protocol/session-secret.ts';
import { startBroker } from '../support/brokers.ts';
import { GatedDisk } from '../support/disk/gated-disk.ts';
import { place, type Remote } from '../support/processes/remote.ts';
import { helloOf } from '../support/proven-socket.ts';
import { FrameCollector } from '../support/sockets.ts';

const box = 'box' as Name;

test('1. "stored" is reported only after the message is synced to disk', async (context) => {
  const gated = new GatedDisk();
  const { client } = await startBroker(context, { disk: gated.disk });
  const reader = client();
  const poster = client();
  const waiting = reader.wait(box, { timeoutMs: 10_000 });
  await reader.status();
  await poster.status();

  let open = () => {};
  gated.gate = new Promise((resolve) => {
    open = resolve;
  });
  const syncBegan = new Promise<void>((resolve) => {
    gated.onSync = resolve;
  });
  const events: string[] = [];
  const stored = poster.post(box, Buffer.from('hello')).then(() => events.push('stored'));
  const delivery = await waiting;
  events.push('handed over');
  await syncBegan;
  await poster.status();
  events.push('synced');
  open();
  await stored;
  assert.equal(delivery?.body?.toString(), 'hello');
  assert.deepEqual(events, ['handed over', 'synced', 'stored']);
});

test('1. under load, too, every "stored" follows a sync that began after its record was appended', async (context) => {
  const gated = new GatedDisk();
  const written = new Set<string>();
  let covered: string[] = [];
  const synced = new Set<string>();
  gated.onWrite = (buffers) => {
    for (const [body] of Buffer.concat(buffers)
      .toString('latin1')
      .matchAll(/<\d+:\d+>/g)) {
      written.add(body);
    }
  };
  gated.onSync = () => {
    covered = [...written];
  };
  gated.onSynced = () => {
    for (const body of covered) synced.add(body);
  };
  const { client } = await startBroker(context, { disk: gated.disk });
  const early: string[] = [];
  const posting = Array.from({ length: 20 }, async (_, poster) => {
    const session = client();
    for (let count = 0; count < 100; count++) {
      const body = `<${poster}:${count}>`;
      await session.post(box, Buffer.from(body));
      if (!synced.has(body)) early.push(body);
    }
  });
  await Promise.all(posting);
  assert.equal(synced.size, 2_000);
  assert.deepEqual(early, []);
});

test('1. no "stored" is reported when the sync fails', async (context) => {
  const gated = new GatedDisk();
  const failed: string[] = [];
  const { client } = await startBroker(context, {
    disk: gated.disk,
    onFailed: (error) => failed.push(error.code),
  });
  const poster = client();
  await poster.status();
  gated.gate = Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 }));
  gated.gate.catch(() => {});
  await assert.rejects(poster.post(box, Buffer.from('hello')), { code: 'unreachable' });
  assert.deepEqual(failed, ['storage_failed']);
});

test('2. a stored message is redelivered until it is settled, and waits in dead-letters after 20 attempts', async (context) => {
  const { client } = await startBroker(context);
  const poster = client();
  const { id } = await poster.post(box, Buffer.from('poison'));
  for (let attempt = 1; attempt <= 20; attempt++) {
    const reader = client();
    const { deliveries } = await reader.fetch(box);
    assert.deepEqual(
      deliveries.map((delivery) => [delivery.envelope.id, delivery.attempt]),
      [[id, attempt]],
    );
    await reader.close(1_000);
  }
  assert.equal((await poster.fetch(box)).deliveries.length, 0);
  const dead = await poster.fetch('dead-letters' as Name);
  assert.deepEqual(
    dead.deliveries.map(({ envelope, attempt, body }) => [
      envelope.id,
      envelope.to,
      attempt,
      `${body}`,
    ]),
    [[id, 'box', 21, 'poison']],
  );
});

test('2. when a reader is killed with -9, its message is redelivered to the next reader with the same id', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const { id } = await owner.post('box', 'work');
  for (const attempt of [1, 2, 3]) {
    const reader = session();
    const delivery = await reader.wait('box', 10_000);
    assert.deepEqual([delivery?.id, delivery?.attempt], [id, attempt]);
    await reader.kill();
  }
  const last = await owner.wait('box', 10_000);
  assert.deepEqual([last?.id, last?.attempt, last?.body], [id, 4, 'work']);
  assert.equal(await owner.settle(last?.number ?? 0), 0);
  assert.deepEqual((await owner.status()).messages, 0);
});

test('3. first deliveries leave in the order in which the messages of the mailbox were stored', async (context) => {
  const { client } = await startBroker(context);
  const posters = [client(), client(), client()];
  const reader = client();
  const numbers: number[] = [];
  const total = 300;
  const posting = posters.map(async (poster, index) => {
    for (let count = 0; count < total / 3; count++) {
      await poster.post(box, Buffer.from(`${index}:${count}`));
    }
  });
  const bodies: string[] = [];
  while (numbers.length < total) {
    const delivery = await reader.wait(box, { timeoutMs: 10_000 });
    assert.ok(delivery);
    if (delivery.attempt > 1) {
      await reader.settle([delivery]);
      continue;
    }
    numbers.push(delivery.envelope.number);
    bodies.push(String(delivery.body));
    if (numbers.length % 7 === 0) await reader.release([delivery]);
    else await reader.settle([delivery]);
  }
  await Promise.all(posting);
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  );
  for (const index of [0, 1, 2]) {
    const counts = bodies.filter((body) => body.startsWith(`${index}:`));
    assert.deepEqual(
      counts,
      Array.from({ length: total / 3 }, (_, count) => `${index}:${count}`),
    );
  }
});

test('3. first deliveries of each mailbox leave in its order, also to waits on several', async (context) => {
  const { client } = await startBroker(context);
  const boxes = ['one', 'two', 'three'] as Name[];
  const lists = [
    ['one', 'two', 'three'],
    ['three', 'one'],
    ['two', 'three', 'one'],
  ] as unknown as MailboxList[];
  const total = 300;
  let count = 0;
  const reading = lists.map(async (list) => {
    const reader = client();
    const first: { mailbox: Name; number: number }[] = [];
    while (count < total) {
      const delivery = await reader.wait(list, { timeoutMs: 200 });
      if (!delivery) continue;
      const { mailbox, attempt } = delivery;
      const { number, to } = delivery.envelope;
      assert.equal(mailbox, to);
      if (attempt === 1) {
        first.push({ mailbox, number });
        count++;
      }
      if (attempt === 1 && number % 7 === 0) await reader.release([delivery]);
      else await reader.settle([delivery]);
    }
    return first;
  });
  const poster = client();
  for (let posts = 0; posts < total; posts++) {
    await poster.post(boxes[posts % 3] as Name, Buffer.from(`${posts}`));
  }
  const readers = await Promise.all(reading);
  assert.equal(new Set(readers.flat().map(({ number }) => number)).size, total);
  for (const first of readers) {
    for (const box of boxes) {
      const numbers = first.filter(({ mailbox }) => mailbox === box).map(({ number }) => number);
      assert.deepEqual(
        numbers,
        numbers.toSorted((one, other) => one - other),
      );
    }
  }
});

test('4. at any moment at most one session holds a message, also during a failover', async (context) => {
  const { session } = await place(context);
  const owner = session();
  await owner.post('box', 'one');
  const holder = session();
  const other = session();
  const held = await holder.wait('box', 10_000);
  assert.equal(held?.attempt, 1);
  await other.status();

  await owner.kill();
  assert.deepEqual(await other.fetch('box'), { deliveries: [], remaining: 0 });
  assert.equal(await holder.settle(held?.number ?? 0), 0);
  assert.equal((await other.status()).messages, 0);
});

test('4. a fetch from several mailboxes waits for the holder of a message in any of them during a failover', async (context) => {
  const { session } = await place(context);
  const owner = session();
  await owner.post('jobs', 'one');
  const holder = session();
  const other = session();
  const held = await holder.wait(['amy', 'jobs'], 10_000);
  assert.deepEqual([held?.mailbox, held?.attempt], ['jobs', 1]);
  await other.status();

  await owner.kill();
  assert.deepEqual(await other.fetch(['ben', 'jobs']), { deliveries: [], remaining: 0 });
  assert.equal(await holder.settle(held?.number ?? 0), 0);
  assert.equal((await other.status()).messages, 0);
});

test('4. a message whose holder died together with the owner is redelivered', async (context) => {
  const { session } = await place(context);
  const owner = session();
  const { id } = await owner.post('box', 'one');
  const holder = session();
  const other = session();
  await holder.wait('box', 10_000);
  await other.status();
  await Promise.all([owner.kill(), holder.kill()]);
  const again = await other.wait('box', 10_000);
  assert.deepEqual([again?.id, again?.attempt], [id, 2]);
});

test('5. a post repeated with the same id is stored once: over a lost connection, over a failover, and after it was settled', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  const reader = session();
  await owner.status();
  const post = await rawPost(home, port);
  assert.deepEqual(await post(), { number: 1, duplicate: false });
  assert.deepEqual(await post(), { number: 1, duplicate: true });

  await reader.status();
  await owner.kill();
  assert.equal((await reader.status()).messages, 1);
  assert.deepEqual(await post(), { number: 1, duplicate: true });

  const delivery = await reader.wait('box', 10_000);
  await reader.settle(delivery?.number ?? 0);
  assert.deepEqual(await post(), { number: 1, duplicate: true });
  const third = session();
  await third.status();
  await reader.kill();
  assert.equal((await third.status()).messages, 0);
  assert.deepEqual(await post(), { number: 1, duplicate: true });
  assert.equal((await third.status()).messages, 0);
});

test('5. a post under a caller-chosen id is stored once, also when different sessions post it', async (context) => {
  const { session } = await place(context);
  const first = session();
  const second = session();
  assert.equal((await first.post('box', 'job', { id: 'job-7' })).duplicate, false);
  await second.status();
  await first.kill();
  assert.deepEqual(await second.post('box', 'job', { id: 'job-7' }), {
    id: 'job-7',
    number: 1,
    duplicate: true,
    reader: false,
    watched: false,
    paused: false,
    before: 0,
    also: [],
    notHeld: [],
    elsewhere: [],
  });
  await assert.rejects(second.post('box', 'other', { id: 'job-7' }), { code: 'id_conflict' });
});

test('5. a post to several mailboxes is stored once for all of them, over a failover and after it was settled', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  const reader = session();
  await owner.status();
  const post = await rawPost(home, port, ['C', 'D'] as Name[]);
  assert.deepEqual(await post(), { number: 1, duplicate: false });
  await reader.status();
  const delivery = await reader.wait('C', 10_000);
  await reader.settle(delivery?.number ?? 0);
  await owner.kill();
  assert.deepEqual(await post(), { number: 1, duplicate: true });
  const third = session();
  const byHand = { alsoTo: ['C'], id: 'job-7' };
  const stored = await third.post('box', 'job', byHand);
  const { also } = stored;
  assert.deepEqual(also, [
    { id: 'job-7/2', number: 5, reader: false, watched: false, paused: false, before: 0 },
  ]);
  await reader.kill();
  const again = await third.post('box', 'job', byHand);
  assert.deepEqual(again, { ...stored, duplicate: true });
  const { messages, mailboxes } = await third.status();
  assert.equal(messages, 4);
  assert.deepEqual(mailboxes.map(({ mailbox, ready }) => [mailbox, ready]).sort(), [
    ['C', 1],
    ['D', 1],
    ['box', 2],
  ]);
});

test('6. a parked wait costs no polling, and survives a failover with its remaining time', async (context) => {
  const { session } = await place(context);
  const owner = session();
  await owner.status();
  const waiter = session();
  const standby = session();
  await standby.status();
  await waiter.status();
  // A second after it has joined, a session loads the code that an owner needs.
  await standby.wait('nothing', 1_500);
  const began = performance.now();
  const waiting = waiter.wait('box', 4_000);
  await waiter.status();

  const before = await cpuTicks(waiter.pid);
  await standby.wait('nothing', 1_500);
  const spent = (await cpuTicks(waiter.pid)) - before;
  assert.ok(spent <= 2, `a parked wait used ${spent} ticks of 10 ms in 1.5 s`);

  await owner.kill();
  assert.equal(await waiting, undefined);
  const passed = performance.now() - began;
  assert.ok(passed > 3_900 && passed < 5_500, `a wait of 4 s ended after ${passed} ms`);
});

test('6. a parked wait receives a message that is posted through the next owner', async (context) => {
  const { session } = await place(context);
  const owner = session();
  await owner.status();
  const waiter = session();
  await waiter.status();
  const waiting = waiter.wait('box', 60_000);
  await waiter.status();
  await owner.kill();
  const poster = session();
  await poster.post('box', 'after the death');
  assert.equal((await waiting)?.body, 'after the death');
});

test('6. a parked wait on several mailboxes survives a failover on each of them', async (context) => {
  for (const [to, other] of [
    ['amy', 'jobs'],
    ['jobs', 'amy'],
  ] as const) {
    const { session } = await place(context);
    const owner = session();
    await owner.status();
    const waiter = session();
    await waiter.status();
    const waiting = waiter.wait(['amy', 'jobs'], 60_000);
    await waiter.status();
    await owner.kill();
    const poster = session();
    await poster.post(to, 'after the death');
    const message = await waiting;
    assert.deepEqual([message?.mailbox, message?.body], [to, 'after the death']);
    // It was one wait, and is over on the other mailbox, too.
    await poster.post(other, 'for the next call');
    const { mailboxes } = await poster.status();
    assert.deepEqual(
      mailboxes.map(({ mailbox, ready, waiting }) => [mailbox, ready, waiting]),
      [
        [to, 0, 0],
        [other, 1, 0],
      ],
    );
    const { deliveries } = await waiter.fetch(['amy', 'jobs']);
    assert.deepEqual(
      deliveries.map(({ mailbox, attempt }) => [mailbox, attempt]),
      [[other, 1]],
    );
  }
});

test('6. a parked wait on several mailboxes keeps its remaining time over a failover', async (context) => {
  const { session } = await place(context);
  const owner = session();
  await owner.status();
  const waiter = session();
  await waiter.status();
  const began = performance.now();
  const waiting = waiter.wait(['amy', 'jobs', 'team'], 4_000);
  await waiter.status();
  await owner.kill();
  assert.equal(await waiting, undefined);
  const passed = performance.now() - began;
  assert.ok(passed > 3_900 && passed < 5_500, `a wait of 4 s ended after ${passed} ms`);
});

test('7. when the owner crashes, another session owns the broker within a second and serves the same mail', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  const standby = session();
  for (let count = 1; count <= 50; count++) await owner.post('box', `message ${count}`);
  assert.equal((await standby.status()).pid, owner.pid);

  const keys = await loadKeys(home, {});
  await owner.kill();
  const began = performance.now();
  // No call reaches the standby; an independent client with the key observes that it serves.
  const connection = await dialUntil(port, keys, began + 5_000);
  const passed = performance.now() - began;
  connection.destroy();
  assert.ok(passed < 1_000, `the next owner served after ${passed} ms`);

  const status = await standby.status();
  assert.deepEqual([status.pid, status.own, status.messages], [standby.pid, true, 50]);
  const { deliveries } = await standby.fetch('box');
  assert.deepEqual(
    deliveries.map(({ body, attempt }) => [body, attempt]),
    Array.from({ length: 50 }, (_, index) => [`message ${index + 1}`, 1]),
  );
});

test('7. two owners killed one after the other lose no message and redeliver nothing that was settled', async (context) => {
  const { session } = await place(context);
  let alive = [session(), session(), session(), session()];
  // Any of the sessions may be the one that takes over.
  for (const each of alive) await each.status();
  for (const death of [1, 2]) {
    const owner = await ownerOf(alive);
    const client = alive.find((each) => each !== owner);
    assert(client);
    await client.post('done', `settled before death ${death}`);
    const settled = await client.wait('done', 10_000);
    assert.equal(settled?.body, `settled before death ${death}`);
    await client.settle(settled.number);
    await client.post('box', `posted before death ${death}`);
    await owner.kill();
    alive = alive.filter((each) => each !== owner);
  }
  const [reader] = alive;
  assert(reader);
  await reader.post('box', 'posted after both');
  const { deliveries } = await reader.fetch('box');
  assert.deepEqual(
    deliveries.map(({ number, body, attempt }) => [number, body, attempt]),
    [
      [2, 'posted before death 1', 1],
      [4, 'posted before death 2', 1],
      [5, 'posted after both', 1],
    ],
  );
  assert.deepEqual((await reader.fetch('done')).deliveries, []);
  const { epoch, messages } = await reader.status();
  assert.deepEqual([epoch, messages], [3, 3]);
});

/** The session that owns the broker which all sessions use. */
async function ownerOf(sessions: readonly Remote[]): Promise<Remote> {
  const pid = (await sessions[0]?.status())?.pid;
  const owner = sessions.find((each) => each.pid === pid);
  assert(owner);
  return owner;
}

test('8. a post that finds no room is refused with an error, and no stored message is dropped', async (context) => {
  const { client } = await startBroker(context, { limits: { messagesMax: 2 } });
  const session = client();
  await session.post(box, Buffer.from('one'));
  await session.post(box, Buffer.from('two'));
  const refused = await session.post(box, Buffer.from('three')).catch((error: unknown) => error);
  assert.ok(refused instanceof IpcError);
  assert.deepEqual([refused.code, refused.kind.retry], ['store_full', true]);
  const { deliveries } = await session.fetch(box);
  assert.deepEqual(
    deliveries.map(({ body }) => String(body)),
    ['one', 'two'],
  );
  await session.settle(deliveries);
  assert.equal((await session.post(box, Buffer.from('three'))).number, 3);
});

test('8. a post to several mailboxes of which one is full is stored in none, and the error names the full one', async (context) => {
  const { client } = await startBroker(context, { limits: { mailboxMessagesMax: 1 } });
  const session = client();
  await session.post(box, Buffer.from('here'));
  const alsoTo = ['A', 'box', 'C'] as Name[];
  await assert.rejects(session.post('B' as Name, Buffer.from('all or none'), { alsoTo }), {
    code: 'mailbox_full',
    message: 'the broker says: "the mailbox \\"box\\" holds 1 messages, which is its limit"',
  });
  assert.equal((await session.status()).messages, 1);
  await session.settle((await session.fetch(box)).deliveries);
  const { number, also } = await session.post('B' as Name, Buffer.from('all'), { alsoTo });
  assert.deepEqual([number, ...also.map((each) => each.number)], [2, 3, 4, 5]);
});

test('10. a body of 1,048,576 bytes of UTF-8 arrives byte for byte, whatever it contains', async (context) => {
  const { client } = await startBroker(context);
  const session = client();
  const bodies = [
    '\n'.repeat(bodyBytesMax),
    '\0'.repeat(bodyBytesMax),
    '"\\\u001b'.repeat(bodyBytesMax / 3) + '!'.repeat(bodyBytesMax % 3),
    '\u{1f600}'.repeat(bodyBytesMax / 4),
    `\ufeff${'x'.repeat(bodyBytesMax - 3)}`,
  ].map((text) => parseBody(text));
  for (const body of bodies) {
    assert.equal(body.length, bodyBytesMax);
    await session.post(box, body);
    const delivery = await session.wait(box, { timeoutMs: 10_000 });
    assert.ok(delivery);
    assert.ok(delivery.body?.equals(body));
    await session.settle([delivery]);
  }
  assert.throws(() => parseBody('x'.repeat(bodyBytesMax + 1)), { code: 'body_too_large' });
});

/** Sends the same post each time, on a new connection: same session, count 1, acknowledged up to 0. */
async function rawPost(home: string, port: number, alsoTo: readonly Name[] = []) {
  const keys = await loadKeys(home, {});
  const body = Buffer.from('once');
  return async () => {
    const connection = await dialUntil(port, keys, performance.now() + 5_000);
    const frames = new FrameCollector(connection);
    connection.send(encodeRequest(helloOf(Buffer.alloc(sessionSecretBytes))));
    connection.send(
      encodeRequest({
        kind: 'post',
        request: 2,
        count: 1,
        id: '',
        ackedUpTo: 0,
        to: box,
        alsoTo,
        from: '',
        answers: '',
        settles: [],
        checksum: bodyChecksum(body),
        body,
      }),
    );
    for (;;) {
      const [frame] = await frames.next();
      assert(frame);
      const { response } = decodeResponse(frame);
      if (response.kind !== 'stored') continue;
      connection.destroy();
      return { number: response.number, duplicate: response.duplicate };
    }
  };
}

async function dialUntil(port: number, keys: Keys, deadline: number): Promise<Connection> {
  for (;;) {
    try {
      return await dial({ host: '127.0.0.1', port }, keys);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

/** User and system time of a process in kernel ticks of 10 ms: fields 14 and 15 of proc(5). */
async function cpuTicks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
