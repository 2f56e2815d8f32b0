import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { AgentBell, type Way } from '../../../src/mcp/agent-bell.ts';
import type { Name } from '../../../src/model/message.ts';

const notice = { mailbox: 'ann' as Name, unread: 1, number: 7, attempt: 1, ageMs: 0 };

/** A way that notes its rings, or fails. */
function way(name: string, rung: string[], fails = false): Way {
  return {
    name,
    ring: async () => {
      if (fails) throw new IpcError('unreachable', `${name} is gone`);
      rung.push(name);
    },
  };
}

/** Rings for a message that is never read. */
async function ringThrice(bell: AgentBell): Promise<void> {
  for (const unread of [0, 1, 2]) await bell.ring(notice, { count: unread + 1, unread });
}

test('a way that left the mail unread is passed over as long as another one is left', async () => {
  const rung: string[] = [];
  const bell = new AgentBell();
  bell.use([way('inbox', rung), way('hook', rung)]);
  await ringThrice(bell);
  assert.deepEqual(rung, ['inbox', 'hook', 'inbox']);
});

test('a way that woke the agent stays the first one for further mail', async () => {
  const rung: string[] = [];
  const bell = new AgentBell();
  bell.use([way('inbox', rung), way('hook', rung)]);
  await bell.ring(notice, { count: 1, unread: 0 });
  await bell.ring(notice, { count: 2, unread: 1 });
  await bell.ring({ ...notice, number: 8 }, { count: 3, unread: 0 });
  assert.deepEqual(rung, ['inbox', 'hook', 'hook']);
  assert.equal(bell.path, 'hook');
});

test('a way that fails is followed by the next one in the same ring', async () => {
  const rung: string[] = [];
  const bell = new AgentBell();
  bell.use([way('inbox', rung, true), way('hook', rung)]);
  await bell.ring(notice, { count: 1, unread: 0 });
  assert.deepEqual(rung, ['hook']);
});

test('when every way has failed, the hook is told at once', async () => {
  const bell = new AgentBell();
  let told = 0;
  bell.onAllFailed = () => {
    told++;
  };
  bell.use([way('inbox', [], true)]);
  await bell.ring(notice, { count: 1, unread: 0 });
  assert.equal(told, 1);
});

test('a task is the best way, and its result wakes once', async () => {
  const rung: string[] = [];
  const bell = new AgentBell();
  bell.use([way('inbox', rung)]);
  const text = bell.nextRing(new AbortController().signal);
  assert.equal(bell.path, 'task');
  await bell.ring(notice, { count: 1, unread: 0 });
  assert.match(
    (await text) ?? '',
    /^\[ipc\] Automatic notice, not from your user: 1 message waits /,
  );
  assert.equal(bell.path, 'inbox');
  await bell.ring(notice, { count: 2, unread: 1 });
  assert.deepEqual(rung, ['inbox']);
});

test('without another way nothing is left after a task, until the next one', async () => {
  const bell = new AgentBell();
  assert.equal(bell.path, undefined);
  const ended = new AbortController();
  const rung = assert.rejects(bell.nextRing(ended.signal));
  ended.abort();
  await rung;
  assert.equal(bell.path, undefined);
  const text = bell.nextRing(new AbortController().signal);
  await bell.ring(notice, { count: 1, unread: 0 });
  await text;
  assert.equal(bell.path, undefined);
});

test('a newer task takes the place of an older one, which ends without a ring', async () => {
  const bell = new AgentBell();
  const { signal } = new AbortController();
  const [older, newer] = [bell.nextRing(signal), bell.nextRing(signal)];
  assert.equal(await older, undefined);
  await bell.ring(notice, { count: 1, unread: 0 });
  assert.match((await newer) ?? '', /notice 1/);
});

test('a task that another call of watch ends is no way any more', async () => {
  const bell = new AgentBell();
  const text = bell.nextRing(new AbortController().signal);
  bell.endTask();
  assert.equal(await text, undefined);
  assert.equal(bell.path, undefined);
});
