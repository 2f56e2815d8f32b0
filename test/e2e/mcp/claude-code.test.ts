// The real Claude Code in a terminal, with a model on loopback that calls the tool as the test says.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type HostPlace, hostPlace, program, read } from '../../support/mcp-host.ts';
import { type MockModel, mockModel, type Turn } from '../../support/processes/mock-model.ts';
import { noTerminal, shows } from '../../support/processes/pseudo-terminal.ts';
import { toolsFolder, toolsMissing } from '../../support/processes/tools.ts';

const skippable = { skip: toolsMissing || noTerminal };
/** Not a key of anybody. */
const apiKey = 'sk-ant-api03-none-none-none-none';
const has =
  (what: RegExp) =>
  ({ newest }: Turn) =>
    what.test(newest);

test(
  'in Claude Code a wait becomes a task, and its mail starts a turn',
  skippable,
  async (context) => {
    const place = await hostPlace(context);
    const model = await mockModel(context, [{ operation: 'wait', mailbox: 'ann' }]);
    const inBackground = model.turn(has(/moved to the background/));
    const claude = startClaude(place, model);
    try {
      await untilOffered(claude, model);
      await inBackground;
      const woken = model.turn(has(/<task-notification>/));
      const poster = await place.host();
      await poster.call({ operation: 'post', to: 'ann', from: 'ben', message: 'the mail' });
      const { newest } = await woken;
      // The host escapes the result for XML.
      const { bodies } = read(newest.replaceAll('&lt;', '<').replaceAll('&gt;', '>'));
      assert.deepEqual(bodies, ['the mail']);
      assert.match(newest, /Next: post to "ben", wait "ann", .* with after "[0-9a-v]{4}-1"\.$/m);
    } finally {
      await end(claude, place);
    }
  },
);

/** Prompts until the tool is there: Claude Code connects to its servers while it takes prompts. */
async function untilOffered(claude: ChildProcess, model: MockModel): Promise<void> {
  let turn = await model.turn(() => true);
  while (!turn.isOffered) {
    const typed = shows(claude, /again/);
    claude.stdin?.write('again');
    await typed;
    const next = model.turn(() => true);
    claude.stdin?.write('\r');
    turn = await next;
  }
}

/** Claude Code as after its first start, in a folder that its user trusts. */
function startClaude({ home, port }: HostPlace, { url }: MockModel): ChildProcess {
  const above = join(home, '..');
  const work = join(above, 'work');
  mkdirSync(work);
  const answers = {
    hasCompletedOnboarding: true,
    theme: 'dark',
    customApiKeyResponses: { approved: [apiKey.slice(-20)], rejected: [] },
    projects: { [work]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
  };
  writeFileSync(join(above, '.claude.json'), JSON.stringify(answers));
  const env = { IPC_HOME: home, IPC_PORT: `${port}` };
  const ipc = { command: process.execPath, args: [program, 'mcp'], env };
  writeFileSync(join(above, 'mcp.json'), JSON.stringify({ mcpServers: { ipc } }));
  const options = '--strict-mcp-config --mcp-config ../mcp.json --allowedTools mcp__ipc__ipc';
  const line = `echo $$ > ../pid; stty rows 45 cols 150; exec '${toolsFolder}/.bin/claude' ${options} -- begin`;
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

/** Ends Claude Code itself, so that it ends its server. The terminal ends with it. */
async function end(claude: ChildProcess, { home }: HostPlace): Promise<void> {
  const ended = once(claude, 'exit');
  process.kill(Number(readFileSync(join(home, '../pid'), 'utf8')), 'SIGTERM');
  await ended;
}
