// `claude -p TEXT` ends with its turn, and must not wait for the hook of our plugin.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { tool } from '../../support/processes/tools.ts';
import { LiveAgent, mailPlace } from '../../support/waking/live-agent.ts';
import { claudeCode, hostMissing } from '../../support/waking/real-hosts.ts';

const runsCount = process.env.IPC_TEST_LONG === '1' ? 5 : 1;
/** On a busy machine the two hooks take longer. One that waited would wait for a week. */
const msMax = process.env.IPC_TEST_LONG === '1' ? 1_000 : 10_000;

test('`claude -p TEXT` does not wait for the hook of the plugin, with IPC_WAKE neither', {
  skip: hostMissing(claudeCode),
}, async (context) => {
  const mail = await mailPlace(context);
  const agent = await LiveAgent.open(mail, claudeCode);
  const { words, env, cwd } = await agent.command();
  const plugin = ['--plugin-dir', dirname(program)];
  const ways = { without: [], 'with the plugin': plugin, 'with IPC_WAKE': plugin };
  const fastest: Record<string, number> = {};
  for (let count = 0; count < runsCount; count++) {
    for (const [how, more] of Object.entries(ways)) {
      const wake = how === 'with IPC_WAKE' ? { IPC_WAKE: 'ann' } : {};
      const claude = tool('claude', cwd, { ...env, ...mail.env, ...wake });
      const begun = performance.now();
      const { stdout } = await claude.run([...words.slice(1), ...more, '-p', 'hello']);
      assert.equal(stdout.trim(), 'ok');
      const ms = performance.now() - begun;
      fastest[how] = Math.min(fastest[how] ?? ms, ms);
    }
  }
  for (const [how, ms] of Object.entries(fastest))
    context.diagnostic(`${how}: ${Math.round(ms)} ms`);
  const { without = 0 } = fastest;
  for (const [how, ms] of Object.entries(fastest)) assert.ok(ms < without + msMax, how);
});
