// The arithmetic of the load model. Where a figure depends on a measured unit cost, it is changed with the cost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  consumers,
  embedded,
  endOf,
  keeper,
  type Load,
  loadedBytes,
  type Needs,
  partitions,
  ratesOf,
} from '../../../bench/support/load-model.ts';
import { brokerCosts, keeperCosts, natsCosts } from '../../../bench/support/unit-costs.ts';

/** 10 messages a second, and 100 at the peak; 43,200 are unread. */
const load: Load = {
  sessions: 1_000,
  mailboxes: 2_000,
  messagesPerDay: 864_000,
  bodyBytes: 1_024,
  peakFactor: 10,
  unreadShare: 0.05,
};
const million: Load = {
  sessions: 1_000_000,
  mailboxes: 1_000_000,
  messagesPerDay: 100_000_000,
  bodyBytes: 2_048,
  peakFactor: 10,
  unreadShare: 0.05,
};

test('a day of 864,000 messages is 10 a second, and 100 at the peak', () => {
  assert.deepEqual(ratesOf(load), { mean: 10, peak: 100 });
  assert.deepEqual(ratesOf(load, 3), { mean: 30, peak: 300 });
});

test('every unit cost is a positive number, and says where it is from', () => {
  for (const costs of [brokerCosts, natsCosts, keeperCosts]) {
    for (const [name, { value, source }] of Object.entries(costs)) {
      assert.ok(value > 0, name);
      assert.ok(source.length > 0, name);
    }
  }
});

test('the embedded broker adds up its process, connections, waits, messages and cached bodies', () => {
  const { memoryBytes, openFiles, connections, storedFiles } = embedded(load);
  const waits = 2_000 * 1_230;
  const messages = 43_200 * 361;
  const bodies = 43_200 * (1_024 + 400);
  assert.equal(memoryBytes, 63_000_000 + 1_000 * 21_100 + waits + messages + bodies);
  assert.deepEqual(
    { openFiles, connections, storedFiles },
    { openFiles: 1_029, connections: 1_000, storedFiles: 4 },
  );
});

test('the cache of bodies has its limit', () => {
  const beyond = { ...load, messagesPerDay: 20 * 864_000 };
  const messages = 864_000 * 361;
  const bodies = 67_108_864;
  const { memoryBytes } = embedded(beyond);
  assert.equal(memoryBytes, 63_000_000 + 1_000 * 21_100 + 2_000 * 1_230 + messages + bodies);
});

test('a body is received twice from an embedded broker, and seven times over a replicated log', () => {
  const stored = 1_024 + 183;
  assert.deepEqual(embedded(load).bytesPerSecond, { mean: 20 * stored, peak: 200 * stored });
  assert.deepEqual(keeper(load).bytesPerSecond, { mean: 70 * stored, peak: 700 * stored });
  assert.deepEqual(consumers(load).bytesPerSecond, { mean: 40 * stored, peak: 400 * stored });
});

test('three servers write each message', () => {
  assert.equal(embedded(load).diskBytesPerDay, 864_000 * 1_207);
  for (const needs of [keeper(load), consumers(load), partitions(load)]) {
    assert.equal(needs.diskBytesPerDay, 3 * 864_000 * 1_207);
  }
});

test('an embedded broker syncs posts and settles, and never more often than one sync takes', () => {
  assert.deepEqual(embedded(load).syncsPerSecond, { mean: 20, peak: 200 });
  const { syncsPerSecond } = embedded({ ...load, messagesPerDay: 864_000_000 });
  assert.equal(Math.round(syncsPerSecond.peak), 7_937);
});

test('three servers sync three records of a message, at most one after the other', () => {
  assert.deepEqual(keeper(load).syncsPerSecond, { mean: 90, peak: 900 });
  const { syncsPerSecond } = keeper(million);
  assert.equal(Math.round(syncsPerSecond.peak), 6_085);
});

test('a takeover loads the unread mail and 32 MB of history', () => {
  assert.equal(loadedBytes(load), 43_200 * 1_207 + 33_554_432);
  assert.equal(keeper(load).takeoverSeconds.toFixed(2), '4.36');
});

test('each mailbox with a consumer costs three servers memory, open files and files on disk', () => {
  const { memoryBytes, openFiles, storedFiles } = consumers(load);
  const servers = 3 * 11_500_000 + 1_000 * 22_856;
  const perMailbox = 3 * 2_000 * (117_492 + 195);
  assert.equal(memoryBytes, servers + perMailbox + 2_000 * 6_115);
  assert.equal(openFiles, 1_000 + 3 * 2 * 2_000);
  assert.equal(storedFiles, 3 * (2_000 * 9.33 + 4));
});

test('of several limits the one that is reached first is named', () => {
  assert.deepEqual(endOf(load, embedded), { sessions: 4_096, by: 'connections' });
  const waiting = { ...load, mailboxes: 100_000 };
  assert.deepEqual(endOf(waiting, embedded), { sessions: 1_000, by: 'parked waits' });
  const busy = { ...load, messagesPerDay: 8_640_000, unreadShare: 0.001 };
  assert.deepEqual(endOf(busy, embedded), { sessions: 4_096, by: 'connections' });
  const large = { ...load, unreadShare: 1, bodyBytes: 1_048_576 };
  assert.equal(endOf(large, embedded).by, 'bytes of bodies');
});

test('a keeper ends where a takeover lasts 20 s, if its connections do not end it before', () => {
  assert.deepEqual(endOf(load, keeper), { sessions: 4_096, by: 'connections' });
  const unread = { ...load, unreadShare: 0.5 };
  assert.deepEqual(endOf(unread, keeper), { sessions: 1_209, by: 'takeover' });
});

test('consumers end where a server has 2,000 Raft groups, one of which is that of the stream', () => {
  assert.deepEqual(endOf(million, consumers), { sessions: 1_999, by: 'Raft groups of a server' });
});

test('an end does not depend on the size of the load that it is computed from', () => {
  const tenth = { ...load, sessions: 100, mailboxes: 200, messagesPerDay: 86_400 };
  for (const needs of [embedded, keeper, consumers, partitions]) {
    assert.deepEqual(endOf(tenth, needs), endOf(load, needs));
  }
});

test('there are as many partitions, servers and gateways as half of their limits ask for', () => {
  assert.deepEqual(partitions({ ...load, messagesPerDay: 1_000 }).processes, {
    ...{ partitions: 1, gateways: 1, servers: 3 },
  });
  assert.deepEqual(partitions(million).processes, { partitions: 64, gateways: 50, servers: 27 });
  const { limits } = partitions(million);
  assert.ok(limits.every(({ share }) => share <= 1));
});

test('the shares of a load are sorted, the largest first', () => {
  const shares = (needs: Needs) => needs.limits.map(({ share }) => share);
  for (const needs of [embedded(load), keeper(load), consumers(load), partitions(load)]) {
    assert.deepEqual(
      shares(needs),
      shares(needs).toSorted((one, other) => other - one),
    );
  }
});
