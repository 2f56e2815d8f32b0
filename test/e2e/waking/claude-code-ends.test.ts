// What ends a turn or a session of the real Claude Code, and leaves its agent to be woken all the same.
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { LiveAgent, mailPlace, noTasks, replyOf } from '../../support/waking/live-agent.ts';
import { claudeCode, hostMissing } from '../../support/waking/real-hosts.ts';

const skippable = { skip: hostMissing(claudeCode) };

test('mail wakes it after Esc, an API error and /clear', skippable, async (context) => {
  const mail = await mailPlace(context);
  const agent = await LiveAgent.watching(mail, claudeCode);
  for (const [how, reply] of [
    ['Esc', 'silence'],
    ['an API error', 'error'],
  ] as const) {
    agent.model.script = () => reply;
    const before = performance.now();
    await agent.prompt('work');
    await agent.asked((newest) => newest.includes('work'), before);
    if (reply === 'silence') await agent.press('Escape');
    await agent.untilStill();
    agent.model.script = replyOf;
    await agent.wakes(`after ${how}`);
    await agent.untilStill();
  }
  await agent.type('/clear');
  await agent.wakes('after /clear');
});

for (const [how, end] of [
  ['kill -9', (agent: LiveAgent) => agent.kill()],
  ['/exit', (agent: LiveAgent) => agent.exit()],
] as const) {
  test(`mail wakes a session that is continued after ${how}`, skippable, async (context) => {
    const mail = await mailPlace(context);
    const agent = await LiveAgent.watching(mail, claudeCode);
    // The new session knows of nothing but its tasks.
    if (!agent.isTask) return context.skip(noTasks);
    await end(agent);
    await agent.start({ args: ['--continue'] });
    await agent.untilStill();
    await agent.wakes(`after ${how}`);
  });
}
