// A connection's share of one sync. The clock stands still but for what a test says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SyncShare } from '../../../src/broker/sync-share.ts';

const [flood, other] = [1, 2];

function startShare() {
  const clock = { ms: 0 };
  const limits = { syncShareBytes: 1_000, otherPostsMs: 50 };
  return { clock, share: new SyncShare(limits, { now: () => clock.ms }) };
}

test('a connection that alone posts may fill a sync', () => {
  const { share } = startShare();
  for (let post = 0; post < 100; post++) share.add(flood, 1_000);
  assert.equal(share.isUsedUp(flood), false);
});

test('beside posts of another connection, its share is used up with the last of its bytes, until a sync begins', () => {
  const { share } = startShare();
  share.add(other, 1);
  share.add(flood, 999);
  assert.equal(share.isUsedUp(flood), false);
  share.add(flood, 1);
  assert.equal(share.isUsedUp(flood), true);
  assert.equal(share.isUsedUp(other), false);
  share.syncBegins();
  assert.equal(share.isUsedUp(flood), false);
});

test('what it posted alone counts as soon as another connection posts', () => {
  const { share } = startShare();
  share.add(flood, 5_000);
  share.add(other, 1);
  assert.equal(share.isUsedUp(flood), true);
});

test('another connection counts for a time after its last post, however often the first one posts', () => {
  const { clock, share } = startShare();
  share.add(other, 1);
  for (clock.ms = 0; clock.ms < 50; clock.ms += 10) {
    share.add(flood, 1_000);
    assert.equal(share.isUsedUp(flood), true, `after ${clock.ms} ms`);
  }
  share.add(flood, 1_000);
  assert.equal(share.isUsedUp(flood), false);
});
