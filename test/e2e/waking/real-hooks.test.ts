// The hooks of `ipc install --wake` in the real programs, with a mock model: mail starts a turn in a session whose
// turn is over.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { ringsPerHour } from '../../../src/app/ring-pauses.ts';
import { findTarget, perform } from '../../../src/hosts/installer.ts';
import { configFolders } from '../../../src/hosts/targets.ts';
import { type HookName, planWake } from '../../../src/hosts/wake/hooks.ts';
import { program } from '../../support/mcp-host.ts';
import { nextLine, type Shell, shell } from '../../support/processes/shell.ts';
import { tool } from '../../support/processes/tools.ts';
import {
  claudeCode,
  geminiCli,
  hostMissing,
  type RealHost,
} from '../../support/waking/real-hosts.ts';
import { WakeRig } from '../../support/waking/wake-rig.ts';

/** No session is rung more often in an hour. */
const noticesCount = process.env.IPC_TEST_LONG === '1' ? ringsPerHour : 2;

const notice = (count: number) =>
  `[ipc] Automatic notice, not from your user: 1 message waits in mailbox "ann" (notice ${count}).`;

for (const [host, name] of [
  [claudeCode, 'claude'],
  [geminiCli, 'gemini'],
] as const) {
  test(`${host.title} is woken by its hook, again after each read`, {
    skip: hostMissing(host),
  }, async (context) => {
    const place = await mailPlace(context);
    const rig = await WakeRig.open(context);
    await rig.start(withHook(host, name, place));
    const times: number[] = [];
    for (let count = 1; count <= noticesCount; count++) {
      await untilWatched(place);
      await place.run(['post', 'ann', `${count}`, '--from', 'ben']);
      times.push(await rig.turnAfter(performance.now(), notice(count)));
      assert.equal((await place.run(['fetch', 'ann'])).text, `${count}\n`);
    }
    report(context, times);
  });
}

test('`claude -p TEXT` does not wait for the hook', {
  skip: hostMissing(claudeCode),
}, async (context) => {
  const place = await mailPlace(context);
  const rig = await WakeRig.open(context);
  const { words, env } = await withHook(claudeCode, 'claude', place).prepare({
    home: rig.home,
    work: rig.home,
    url: rig.model.url,
    server: [process.execPath, program, 'mcp'],
  });
  const claude = tool('claude', rig.home, { HOME: rig.home, ...env, IPC_WAKE: '' });
  const { stdout } = await claude.run([...words.slice(1), '-p', 'hello']);
  assert.equal(stdout.trim(), 'ok');
});

/** With a broker of its own. */
async function mailPlace(context: TestContext): Promise<Shell> {
  const place = await shell(context);
  await nextLine(place.begin(['broker']));
  return place;
}

/** The same host with our hook. Its session is woken for "ann". */
function withHook(host: RealHost, name: HookName, { home, port }: Shell): RealHost {
  return {
    ...host,
    async prepare(setup) {
      const { words, env } = await host.prepare(setup);
      const server = { command: process.execPath, args: [program, 'mcp'] };
      const folders = { ...configFolders({}), home: setup.home, claude: setup.home };
      const step = await planWake('install', findTarget(name), server, folders);
      assert(step);
      await perform(step);
      return { words, env: { ...env, IPC_HOME: home, IPC_PORT: `${port}`, IPC_WAKE: 'ann' } };
    },
  };
}

/** Until a hook watches. */
async function untilWatched({ run }: Shell): Promise<void> {
  for (;;) {
    const { text } = await run(['status', '--json']);
    const { mailboxes } = JSON.parse(text) as {
      mailboxes: { mailbox: string; watching: number }[];
    };
    if (mailboxes.some(({ mailbox, watching }) => mailbox === 'ann' && watching > 0)) return;
  }
}

/** A post waits for a second: a reader may take it. */
function report(context: TestContext, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b).map(Math.round);
  const median = sorted[Math.floor(sorted.length / 2)];
  context.diagnostic(
    `from the receipt of a post to the turn: median ${median} ms, max ${sorted.at(-1)} ms, n ${sorted.length}`,
  );
}
