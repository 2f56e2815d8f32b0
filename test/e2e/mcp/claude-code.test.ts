// The real Claude Code in a terminal, with a model on loopback that calls the tool as the test says.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type HostPlace, hostPlace, program, read } from '../../support/mcp-host.ts';
import { type MockModel, mockModel, type Turn } from '../../support/processes/mock-model.ts';
import { noTerminal } from '../../support/processes/pseudo-terminal.ts';
import { toolsFolder, toolsMissing } from '../../support/processes/tools.ts';

const skippable = { skip: toolsMissing || noTerminal };
const startsTooSlowly =
  'this machine is busy: the server did not answer within 3 s, so its host speaks an earlier era';
/** Not a key of anybody. */
const apiKey = 'sk-ant-api03-none-none-none-none';
const has =
  (what: RegExp) =>
  ({ newest }: Turn) =>
    what.test(newest);

test('a wait becomes a task, and its mail starts a turn', skippable, async (context) => {
  const { place, model, isTask } = await setUp(context);
  const claude = startClaude(place, model, '-- begin');
  try {
    await untilOffered(claude, model);
    if (!(await isTask)) return context.skip(startsTooSlowly);
    await assertWakes(place, model);
  } finally {
    await end(claude, place, 'SIGTERM');
  }
});

test(
  'after kill -9 the continued session gets the mail of its task',
  skippable,
  async (context) => {
    const { place, model, isTask } = await setUp(context);
    const killed = startClaude(place, model, '-- begin');
    try {
      await untilOffered(killed, model);
      if (!(await isTask)) return context.skip(startsTooSlowly);
    } finally {
      await end(killed, place, 'SIGKILL');
    }
    const continued = startClaude(place, model, '--continue');
    try {
      await assertWakes(place, model);
    } finally {
      await end(continued, place, 'SIGTERM');
    }
  },
);

/** A model that waits on "ann", and whether its wait becomes a task. */
async function setUp(context: TestContext) {
  const place = await hostPlace(context);
  const model = await mockModel(context, [{ operation: 'wait', mailbox: 'ann' }]);
  const answered = model.turn(has(/moved to the background|No message for "ann"/));
  const isTask = answered.then(has(/moved to the background/));
  return { place, model, isTask };
}

/** Asserts that mail for "ann" starts a turn, in which the model sees the mail with its ticket. */
async function assertWakes(place: HostPlace, model: MockModel): Promise<void> {
  const woken = model.turn(has(/<task-notification>/));
  const poster = await place.host();
  await poster.call({ operation: 'post', to: 'ann', from: 'ben', message: 'the mail' });
  const { newest } = await woken;
  // The host escapes the result for XML.
  const { bodies } = read(newest.replaceAll('&lt;', '<').replaceAll('&gt;', '>'));
  assert.deepEqual(bodies, ['the mail']);
  assert.match(newest, /Next: post to "ben", wait "ann", .* with after "[0-9a-v]{4}-1"\.$/m);
}

/** Prompts until the tool is there: Claude Code takes prompts before it has started its servers. */
async function untilOffered(claude: ChildProcess, model: MockModel): Promise<void> {
  let isTyped = false;
  // Keys are lost while it draws its screen.
  const keys = setInterval(() => {
    claude.stdin?.write(isTyped ? '\r' : 'again');
    isTyped = !isTyped;
  }, 1_000);
  try {
    await model.turn(({ isOffered }) => isOffered);
  } finally {
    clearInterval(keys);
  }
}

/** Claude Code as after its first start, in a folder that its user trusts. */
function startClaude({ home, port }: HostPlace, { url }: MockModel, args: string): ChildProcess {
  const above = join(home, '..');
  const work = join(above, 'work');
  mkdirSync(work, { recursive: true });
  const answers = {
    hasCompletedOnboarding: true,
    theme: 'dark',
    customApiKeyResponses: { approved: [apiKey.slice(-20)], rejected: [] },
    projects: { [work]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
  };
  writeFileSync(join(above, '.claude.json'), JSON.stringify(answers));
  // A wait that becomes no task soon says so.
  const env = { IPC_HOME: home, IPC_PORT: `${port}`, IPC_MAX_WAIT: '5' };
  const ipc = { command: process.execPath, args: [program, 'mcp'], env };
  writeFileSync(join(above, 'mcp.json'), JSON.stringify({ mcpServers: { ipc } }));
  const options = '--strict-mcp-config --mcp-config ../mcp.json --allowedTools mcp__ipc__ipc';
  const line = `echo $$ > ../pid; stty rows 45 cols 150; exec '${toolsFolder}/.bin/claude' ${options} ${args}`;
  const child = spawn('script', ['-qfec', line, '/dev/null'], {
    cwd: work,
    env: {
      ...{ PATH: process.env.PATH, HOME: above, TERM: 'xterm-256color', LANG: 'C.UTF-8' },
      ...{ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: apiKey, ENABLE_TOOL_SEARCH: 'false' },
      ...{ DISABLE_AUTOUPDATER: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
    },
  });
  child.stdout.resume();
  return child;
}

/** Ends Claude Code itself. The terminal ends with it, and its server when its stdin does. */
async function end(
  claude: ChildProcess,
  { home }: HostPlace,
  signal: NodeJS.Signals,
): Promise<void> {
  const ended = once(claude, 'exit');
  process.kill(Number(readFileSync(join(home, '../pid'), 'utf8')), signal);
  await ended;
}
