// The real Claude Code and the real `ipc mcp`, with a mock model: mail wakes an agent whose turn is over.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { LiveAgent, mailPlace, noTasks, wait } from '../../support/waking/live-agent.ts';
import { claudeCode, hostMissing } from '../../support/waking/real-hosts.ts';

const skippable = { skip: hostMissing(claudeCode) };
const isTurn = () => true;
/** A second ring would have come by then, unless it were the one after 30 s. */
const restMs = 4_000;

test(
  'mail wakes an idle agent, which reads it, and no second ring comes',
  skippable,
  async (context) => {
    const mail = await mailPlace(context);
    const agent = await LiveAgent.watching(mail, claudeCode);
    const before = performance.now();
    context.diagnostic(
      `the turn began ${Math.round(await agent.wakes('the first'))} ms after the post`,
    );
    await pause(restMs);
    assert.equal(agent.notices(before).length, 1);
  },
);

test(
  'where a wait becomes a task, its mail itself starts the turn: one request of the model fewer',
  skippable,
  async (context) => {
    const mail = await mailPlace(context);
    const agent = await LiveAgent.watching(mail, claudeCode);
    if (!agent.isTask) return context.skip(noTasks);
    agent.model.script = (newest) =>
      newest.includes('wait now') ? { ...wait, given: { ...wait.given, timeout: 60 } } : undefined;
    const begun = performance.now();
    await agent.prompt('wait now');
    await agent.asked((newest) => newest.includes('moved to the background'), begun);
    await agent.untilStill();
    const before = await agent.post('the mail');
    const { newest } = await agent.asked(isTurn, before);
    assert.match(newest, /<task-notification>[\s\S]*the mail/);
  },
);

test(
  'IPC_WAKE wakes `claude -p` that reads prompts from stdin, without a word of the agent',
  skippable,
  async (context) => {
    const mail = await mailPlace(context);
    const agent = await LiveAgent.open(mail, claudeCode);
    await agent.startPiped({ env: { IPC_WAKE: 'ann' } });
    await agent.untilWatched('inbox');
    await agent.wakes('the mail');
  },
);
