// When a connection is read again that has used up its share of a sync.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { GroupCommit } from '../../../src/broker/group-commit.ts';
import { ReplySender } from '../../../src/broker/reply-sender.ts';
import { syncShareLimits } from '../../../src/broker/sync-share.ts';
import type { Reply } from '../../../src/engine/commands.ts';
import { GatedDisk } from '../../support/disk/gated-disk.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { openStore } from '../../support/disk/journal-store.ts';
import { makeHome } from '../../support/places.ts';

const stored = (request: number): Reply => ({
  to: request,
  after: 'sync',
  response: { kind: 'listening', request, addresses: [] },
});

async function openCommit(context: TestContext) {
  const gated = new GatedDisk();
  const folder = join(await makeHome(context), 'store');
  const { journal } = await openStore({ disk: gated.disk, folder });
  context.after(() => journal.close());
  const calls: string[] = [];
  const peerOf = (id: number) => ({
    ...{ send: () => void calls.push(`stored ${id}`), deliver: () => assert.fail() },
    ...{ flush: () => {}, responseSent: () => {}, connection: { close: () => assert.fail() } },
  });
  const peers = new Map([1, 2, 3, 4].map((id) => [id, peerOf(id)] as const));
  const commit = new GroupCommit({
    ...{ engine: { copyOf: () => undefined }, journal, runtime: systemRuntime },
    limits: syncShareLimits,
    sender: new ReplySender(peers, (response) => response),
    wrote: () => {},
    fail: assert.fail,
  });
  gated.onSync = () => calls.push('sync');
  const post = (number: number) =>
    commit.add({
      records: [postedRecord(number, 'body')],
      events: [],
      replies: [stored(number)],
    });
  return { calls, commit, gated, post };
}

test('it is read after the sync of its posts if nobody else waits', async (context) => {
  const { calls, commit, post } = await openCommit(context);
  post(1);
  await commit.synced();
  calls.push('read');
  assert.deepEqual(calls, ['sync', 'stored 1', 'read']);
});

test('it is read after one more sync if others post during each', async (context) => {
  const { calls, commit, gated, post } = await openCommit(context);
  let number = 1;
  gated.onSync = () => {
    calls.push('sync');
    if (number === 4) return;
    queueMicrotask(() => {
      post(++number);
      commit.endTurn();
    });
  };
  post(1);
  await commit.synced();
  calls.push('read');
  await commit.finish();
  assert.deepEqual(calls.slice(0, calls.indexOf('read')), ['sync', 'stored 1', 'sync', 'stored 2']);
});
