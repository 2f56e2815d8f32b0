// Each program with the real `ipc mcp`, by each path on which mail wakes it: the time from the start of `ipc post` to
// the request of the model that the notice begins.
import { type TestContext, test } from 'node:test';
import {
  LiveAgent,
  type LiveOptions,
  mailPlace,
  noTasks,
  type WakeTimes,
} from '../../support/waking/live-agent.ts';
import { installHook } from '../../support/waking/live-hook.ts';
import {
  claudeCode,
  codex,
  copilotCli,
  geminiCli,
  holdInbox,
  hostMissing,
  openCode,
  qwenCode,
  type RealHost,
} from '../../support/waking/real-hosts.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
const postsCount = isLong ? 6 : 1;

interface Row {
  readonly host: RealHost;
  /** As a status names it. */
  readonly path: string;
  readonly how?: string;
  readonly options?: LiveOptions;
  /** Too slow for each run of the tests. */
  readonly isSlow?: boolean;
}

const rows: readonly Row[] = [
  { host: claudeCode, path: 'task', isSlow: true },
  {
    host: claudeCode,
    path: 'inbox',
    options: { env: { CLAUDE_CODE_DISABLE_MCP_TASKS: '1' } },
    isSlow: true,
  },
  { host: codex, path: 'codex queue' },
  {
    host: codex,
    path: 'codex queue',
    how: 'without the daemon',
    options: { args: ['--no-daemon'] },
    isSlow: true,
  },
  {
    host: claudeCode,
    path: 'hook',
    options: {
      env: { CLAUDE_CODE_DISABLE_MCP_TASKS: '1' },
      prepare: async (home) => {
        await holdInbox(home);
        await installHook('claude', home);
      },
    },
  },
  {
    host: geminiCli,
    path: 'hook',
    options: { prepare: (home) => installHook('gemini', home) },
    isSlow: true,
  },
  { host: qwenCode, path: 'inbox', isSlow: true },
  { host: copilotCli, path: 'ipc watch', isSlow: true },
  { host: openCode, path: 'opencode plugin', isSlow: true },
];

for (const { host, path, how, options, isSlow } of rows) {
  const title = [`${host.title}, ${path}`, how ?? []].flat().join(', ');
  const skip = hostMissing(host) || (isSlow && !isLong && 'only in the long form');
  test(`mail wakes ${title}, again after each read`, { skip }, async (context) => {
    const mail = await mailPlace(context);
    const agent = await LiveAgent.watching(mail, host, {
      ...options,
      env: { ...mail.env, ...options?.env },
    });
    if (path === 'task' && !agent.isTask) return context.skip(noTasks);
    const times: WakeTimes[] = [];
    for (let count = 1; count <= postsCount; count++) {
      await agent.untilIdle();
      await agent.untilWatched(path);
      times.push(await agent.wakes(`mail ${count}`));
    }
    report(context, times);
  });
}

test('mail wakes a thread of Codex whose terminal was closed', {
  skip: hostMissing(codex),
}, async (context) => {
  const mail = await mailPlace(context);
  const agent = await LiveAgent.watching(mail, codex);
  await agent.closeTerminal();
  await agent.wakes('after the end of the terminal');
});

function report(context: TestContext, times: readonly WakeTimes[]): void {
  const turn = spread(times.map(({ turnMs }) => turnMs));
  const stored = spread(times.map(({ storedMs }) => storedMs));
  context.diagnostic(
    `from \`ipc post\` to the turn: ${turn}; to its end: ${stored}; n ${times.length}`,
  );
}

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((one, other) => one - other).map(Math.round);
  return `median ${sorted[Math.floor(sorted.length / 2)]} ms, max ${sorted.at(-1)} ms`;
}
