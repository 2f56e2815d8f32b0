// Owners in real processes that die at each step of a takeover. The same sweep over a model of the
// disk, with and without power loss, is in unit/journal/journal.test.ts.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkStore } from '../../src/journal/check.ts';
import type { Name } from '../../src/model/message.ts';
import { openBroker } from '../support/brokers.ts';
import { makeHome } from '../support/places.ts';
import { seedFromEnvironment } from '../support/random.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
/** The short form tests every second call; the seed chooses the odd or the even ones. */
const seed = seedFromEnvironment();
/**
 * The number of owners before the sweep. From 16 segments on, opening a store rewrites small segments.
 */
const predecessors = isLong ? 20 : 2;
const livesAtOnce = 3;
const program = fileURLToPath(new URL('../support/processes/dying-process.js', import.meta.url));

test(`an owner killed at any of its disk calls, from the election to its end, leaves a store that the next owner takes over intact (SEED=${seed})`, async (context) => {
  const children = new Set<ChildProcess>();
  context.after(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  const home = await makeHome(context);
  const base = join(home, 'base');
  const before = Array.from({ length: predecessors }, (_, index) => `before ${index}`);
  for (const id of before) assert.equal((await live(children, base, id, 0)).isDead, false);

  let [deaths, promised, survived] = [0, 0, false];
  let nextCall = isLong ? 1 : 1 + (seed % 2);
  /** Dies at one call after the other, until an owner makes fewer calls. */
  const sweep = async () => {
    while (!survived) {
      const deadlyCall = nextCall;
      nextCall += isLong ? 1 : 2;
      const folder = join(home, `b${deadlyCall}`);
      await cp(base, folder, { recursive: true, filter: isNoSocket });
      const { isDead, isStored } = await live(children, folder, 'last', deadlyCall);
      if (!isDead) survived = true;
      deaths += Number(isDead);
      promised += Number(isStored);
      const bodies = await mailIn(folder);
      const isThere = bodies.includes('last');
      assert.deepEqual(bodies, isThere ? [...before, 'last'] : before, `killed at ${deadlyCall}`);
      assert.ok(isThere || !isStored, `promised and lost, killed at call ${deadlyCall}`);
    }
  };
  await Promise.all(Array.from({ length: livesAtOnce }, sweep));
  context.diagnostic(`killed at ${deaths} calls; promised in ${promised} lives`);
  assert.ok(deaths >= 15, `${deaths} deaths`);
  assert.ok(promised >= 1, `${promised} promises`);
});

function isNoSocket(path: string): boolean {
  return !path.endsWith('.sock');
}

/** Takes the store over, posts under `id`, and dies at the given disk call, if it makes that many. */
async function live(
  children: Set<ChildProcess>,
  folder: string,
  id: string,
  deadlyCall: number,
): Promise<{ isDead: boolean; isStored: boolean }> {
  const args = [program, folder, String(deadlyCall), id];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(child);
  let isStored = false;
  child.on('message', () => {
    isStored = true;
  });
  const [[code, signal]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  children.delete(child);
  assert.ok(code === 0 || signal === 'SIGKILL', `the process ended with ${code ?? signal}`);
  return { isDead: signal !== null, isStored };
}

/** The content of the store as the next owner finds it. */
async function mailIn(folder: string): Promise<string[]> {
  assert.deepEqual((await checkStore(folder)).faults, []);
  const { client, close } = await openBroker(folder);
  const { deliveries } = await client().fetch('box' as Name);
  await close();
  return deliveries.map(({ body }) => String(body));
}
