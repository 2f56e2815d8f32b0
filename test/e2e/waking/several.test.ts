// One real Claude Code among other readers, writers and watchers of its mailbox.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { open } from '../../../src/index.ts';
import { Inbox } from '../../support/inbox.ts';
import { McpHost } from '../../support/mcp-host.ts';
import { isNotice, LiveAgent, mailPlace, replyOf } from '../../support/waking/live-agent.ts';
import { claudeCode, hostMissing } from '../../support/waking/real-hosts.ts';

/** A ring that was not due would have come by then. */
const restMs = 4_000;

test('one agent among others', { skip: hostMissing(claudeCode) }, async (context) => {
  const mail = await mailPlace(context);
  const { home, port } = mail;
  const agent = await LiveAgent.watching(mail, claudeCode);
  const worker = await open({ home, port, env: {}, name: 'worker' });
  mail.atEnd(() => worker.close());

  await context.test('mail that a worker reads within a second rings nobody', async () => {
    await agent.untilIdle();
    const before = performance.now();
    await worker.post('ann', 'for the worker');
    const message = await worker.wait('ann', { timeoutMs: 1_000 });
    await message?.settle();
    await pause(restMs);
    assert.deepEqual(agent.notices(before), []);
  });

  await context.test(
    'a reader that dies before it settles: the agent is rung for the same message',
    async () => {
      const reader = await McpHost.start({ home, port });
      await worker.post('ann', 'for another reader');
      const { bodies } = await reader.call({ operation: 'wait', mailbox: 'ann' });
      assert.deepEqual(bodies, ['for another reader']);
      await pause(restMs);
      const before = performance.now();
      await reader.kill('SIGKILL');
      await agent.asked((newest) => newest.includes('for another reader'), before);
      assert.equal(agent.notices(before).length, 1);
    },
  );

  await context.test('ten that watch, one mail: one turn', async (inner) => {
    await agent.untilIdle();
    const inboxes: Inbox[] = [];
    const hosts: McpHost[] = [];
    for (let count = 0; count < 9; count++) {
      const inbox = await Inbox.open(inner);
      const host = await McpHost.start({ home, port, name: 'claude-code', env: inbox.env });
      await host.call({ operation: 'watch', mailbox: 'ann' });
      inboxes.push(inbox);
      hosts.push(host);
    }
    const before = performance.now();
    await agent.wakes('for one of ten');
    await pause(restMs);
    assert.equal(agent.notices(before).length, 1);
    assert.deepEqual(
      inboxes.map(({ unread }) => unread),
      Array(9).fill(0),
    );
    await Promise.all(hosts.map((host) => host.destroy()));
  });
});

test('one agent, and much or no mail', { skip: hostMissing(claudeCode) }, async (context) => {
  const mail = await mailPlace(context);
  const { home, port } = mail;
  const agent = await LiveAgent.watching(mail, claudeCode);
  const worker = await open({ home, port, env: {}, name: 'worker' });
  mail.atEnd(() => worker.close());

  await context.test('thirty mails at once: one turn before the first read', async () => {
    await agent.untilIdle();
    agent.model.script = (newest) => (isNotice(newest) ? undefined : replyOf(newest));
    const before = performance.now();
    await Promise.all(
      Array.from({ length: 30 }, (_, count) => worker.post('ann', `mail ${count}`)),
    );
    await agent.asked(isNotice, before);
    await pause(restMs);
    const notices = agent.notices(before);
    assert.ok(notices.length <= 2, `${notices.length} turns`);
    for (let count = 0; count < 30; count++) await (await worker.wait('ann'))?.settle();
    agent.model.script = replyOf;
    await agent.beginWatch();
  });

  await context.test(
    'the owner of the broker dies: the agent is rung for the next mail',
    async (inner) => {
      await agent.untilIdle();
      mail.broker.kill('SIGKILL');
      await once(mail.broker, 'exit');
      inner.diagnostic(`${Math.round(await agent.wakes('after a takeover'))} ms`);
    },
  );
});
