// A session is open all night: what is over must leave nothing, in it and in the broker that it owns. An entry of
// 40 bytes that each call leaves would be 0.8 MB here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentMail } from '../../../src/index.ts';
import { libraryPlace } from '../../support/library.ts';
import { heapMiB } from '../../support/memory.ts';

const calls = 20_000;
const atOnce = 50;
const roundsMax = 6;
const grownMiBMax = 0.7;

interface Team {
  /** Its sends to each mailbox are counted. */
  readonly poster: AgentMail;
  readonly reader: AgentMail;
}

const histories: Record<string, (team: Team) => Promise<unknown>> = {
  'messages that were settled': async ({ poster, reader }) => {
    await poster.post('jobs', 'go', { from: 'boss' });
    await (await reader.wait('jobs'))?.settle();
  },
  'questions that were answered': async ({ poster, reader }) => {
    await poster.post('questions', 'when?', { from: 'boss' });
    const question = await reader.wait('questions');
    if (question) await reader.post('boss', 'now', { answers: question });
    await (await poster.wait('boss'))?.settle();
  },
  'messages that were released before they were settled': async ({ poster, reader }) => {
    await poster.post('jobs', 'go');
    await (await reader.wait('jobs'))?.release();
    await (await reader.wait('jobs'))?.settle();
  },
};

async function run(team: Team, call: (team: Team) => Promise<unknown>): Promise<void> {
  let left = calls;
  const lane = async () => {
    while (left-- > 0) await call(team);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

for (const [what, call] of Object.entries(histories)) {
  test(`${what} leave nothing in the memory of a session and its broker`, async (context) => {
    const { session } = await libraryPlace(context, { sendsPerHour: 1_000_000 });
    const team = { poster: await session(), reader: await session() };
    let grown = Number.POSITIVE_INFINITY;
    // V8 compiles code in the first rounds, and what is bounded gets full; a call that leaves something does so in each.
    for (let round = 0; round < roundsMax && grown > grownMiBMax; round++) {
      const before = heapMiB();
      await run(team, call);
      grown = heapMiB() - before;
    }
    assert.ok(grown <= grownMiBMax, `${grown} MiB more after ${calls} calls`);
  });
}
