// A user of the real Claude Code who has messages from outside held back or refused: the inbox would take a ring and say
// nothing, so the next path is taken.
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { LiveAgent, mailPlace } from '../../support/waking/live-agent.ts';
import { claudeCode, holdInbox, hostMissing } from '../../support/waking/real-hosts.ts';

const isLong = process.env.IPC_TEST_LONG === '1';

for (const policy of isLong ? (['hold', 'refuse'] as const) : (['hold'] as const)) {
  test(`with crossSessionInbound "${policy}" the agent is told of a command, whose end wakes it`, {
    skip: hostMissing(claudeCode),
  }, async (context) => {
    const mail = await mailPlace(context);
    const agent = await LiveAgent.open(mail, claudeCode);
    await agent.start({
      // Its auto mode asks a server about each command.
      args: ['--permission-mode', 'default', '--allowedTools', 'mcp__ipc__ipc', 'Bash'],
      env: { CLAUDE_CODE_DISABLE_MCP_TASKS: '1' },
      prepare: (home) => holdInbox(home, policy),
    });
    const before = performance.now();
    await agent.beginWatch();
    await agent.asked((newest) => newest.includes('This host cannot wake you by itself'), before);
    await agent.untilWatched('ipc watch');
    const posted = await agent.post('the mail');
    await agent.asked((newest) => newest.includes('<task-notification>'), posted);
  });
}
