// The real programs, with a mock model: a ring of our MCP server starts a turn in a session whose turn is over.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import {
  claudeCode,
  codex,
  copilotCli,
  hostMissing,
  openCode,
  qwenCode,
  type RealHost,
} from '../../support/waking/real-hosts.ts';
import { WakeRig } from '../../support/waking/wake-rig.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
const ringsCount = isLong ? 20 : 2;
/** It needs 15 s of processor time to start. */
const slow = isLong ? false : 'is slow to start: `npm run test:long -- waking`';

const notice = (count: number) =>
  `[ipc] Automatic notice, not from your user: 1 message waits in mailbox "ann" (notice ${count}).`;

const rung: readonly (readonly [host: RealHost, name: string, path: string])[] = [
  [claudeCode, 'claude-code', 'inbox'],
  [codex, 'codex-mcp-client', 'codex queue'],
  [qwenCode, 'qwen-cli-mcp-client-ipc', 'inbox'],
  [openCode, 'opencode', 'opencode plugin'],
];

for (const [host, name, path] of rung) {
  const skip = hostMissing(host) || (host === openCode && slow);
  test(`${host.title} is woken by ${path}`, { skip }, async (context) => {
    const rig = await WakeRig.open(context);
    assert.deepEqual(await rig.start(host), { host: name, path, words: '' });
    const times: number[] = [];
    for (let count = 1; count <= ringsCount; count++) times.push(await rig.ring(notice(count)));
    report(context, times);
  });
}

const skip = hostMissing(copilotCli);
test('Copilot CLI is woken by a command that it starts as the tool says', {
  skip,
}, async (context) => {
  const rig = await WakeRig.open(context);
  // It stands in for `ipc watch`: it blocks, prints a line and ends.
  const program = join(rig.home, 'stand-in');
  const pipe = join(rig.home, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await writeFile(program, `#!/bin/sh\nread -r line < ${pipe}\necho "$line"\n`, { mode: 0o755 });
  const command = `${program} watch ann`;
  const startCommand = () =>
    rig.model.planCall(/^bash$/, { command, description: 'Wait for mail', mode: 'async' });
  startCommand();
  assert.deepEqual(await rig.start(copilotCli, program), {
    host: 'copilot-cli',
    path: 'background command',
    words: `To be woken, start \`${command}\` with the tool bash, with mode "async", then end your turn: it ends when there is mail.`,
  });
  const times: number[] = [];
  for (let count = 1; count <= ringsCount; count++) {
    await rig.untilIdle();
    startCommand();
    const atMs = performance.now();
    await writeFile(pipe, `${notice(count)}\n`);
    times.push(await rig.turnAfter(atMs, notice(count)));
  }
  report(context, times);
});

function report(context: TestContext, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b).map(Math.round);
  const median = sorted[Math.floor(sorted.length / 2)];
  context.diagnostic(
    `from the ring to the turn: median ${median} ms, max ${sorted.at(-1)} ms, n ${sorted.length}`,
  );
}
