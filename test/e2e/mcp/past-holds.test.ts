// What goes back to its mailbox carries what happened to it, over the death of its holder and of the owner.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type McpHost, hostPlace as place } from '../../support/mcp-host.ts';

const time = '(?:\\d{4}-\\d\\d-\\d\\d )?\\d\\d:\\d\\d(?::\\d\\d)?';
const stored = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ';
const ended = 'and ended without saying it was done';

async function postJob(boss: McpHost): Promise<void> {
  await boss.call({ operation: 'post', to: 'jobs', from: 'boss', message: 'job' });
}

/** Reads the job, then posts a note as ben, which answers nothing. */
async function takeAsBen(worker: McpHost): Promise<void> {
  const { bodies } = await worker.call({ operation: 'wait', mailbox: 'jobs', timeout: 5 });
  assert.deepEqual(bodies, ['job']);
  await worker.call({ operation: 'post', to: 'amy', from: 'ben', message: 'I am at it' });
}

async function checkNext(reader: McpHost, ends: string): Promise<void> {
  const { head, bodies } = await reader.call({ operation: 'wait', mailbox: 'jobs', timeout: 10 });
  assert.deepEqual(bodies, ['job']);
  const sender = 'from "boss" \\("test-host" on "[^"]+" in "[^"]+"\\)';
  assert.match(
    head,
    new RegExp(
      `^Message for "jobs": #1 ${sender}, ${stored}, attempt 2; "ben" had it from ${time} to ${time} UTC ${ends}\\.$`,
    ),
  );
}

for (const end of ['in order', 'by SIGKILL'] as const) {
  test(`a worker that ends ${end} in the middle of a job is named to the next reader`, async (context) => {
    const { host } = await place(context);
    const boss = await host();
    await postJob(boss);
    const worker = await host({ name: 'claude-code' });
    await takeAsBen(worker);
    await (end === 'in order' ? worker.end() : worker.kill('SIGKILL'));
    await checkNext(boss, ended);
  });
}

for (const end of ['in order', 'by SIGKILL'] as const) {
  test(`a worker that owned the broker and ends ${end} is named to the next reader`, async (context) => {
    const { host } = await place(context);
    const worker = await host({ name: 'claude-code' });
    await worker.call({ operation: 'broker_start' });
    const boss = await host();
    await postJob(boss);
    await takeAsBen(worker);
    await (end === 'in order' ? worker.end() : worker.kill('SIGKILL'));
    await checkNext(boss, ended);
  });
}

test('a holder that reconnects after a takeover keeps its hold, with its name and since when', async (context) => {
  const { host } = await place(context);
  const owner = await host();
  await owner.call({ operation: 'broker_start' });
  await postJob(owner);
  const worker = await host({ name: 'claude-code' });
  await takeAsBen(worker);
  await owner.kill('SIGKILL');
  // It reconnects to the new owner, which may be itself.
  await worker.call({ operation: 'broker_status' });
  const boss = await host();
  const { bodies } = await boss.call({ operation: 'fetch', mailbox: 'jobs' });
  assert.deepEqual(bodies, []);
  await worker.kill('SIGKILL');
  await checkNext(boss, ended);
});
