// Agents on two machines that reach a nats-server, and not each other. One of the agents owns the broker.
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { McpHost } from '../../support/mcp-host.ts';
import { natsMachines } from '../../support/nats/machines.ts';
import { setWire, start } from '../../support/processes/network-namespaces.ts';

const wait = (mailbox: string, more = {}) => ({
  operation: 'wait',
  ...{ mailbox, timeout: 60, ...more },
});
const post = (from: string, to: string, message: string, more = {}) => ({
  operation: 'post',
  ...{ from, to, message, ...more },
});

/** Of the process that owns the broker, as the status of an agent says. */
async function ownerPid(agent: McpHost): Promise<number> {
  const { text: status } = await agent.call({ operation: 'broker_status' });
  return Number(/pid (\d+)/.exec(status)?.[1]);
}

/** Returns when the status of an agent matches. */
async function statusOf(agent: McpHost, pattern: RegExp): Promise<void> {
  while (!pattern.test((await agent.call({ operation: 'broker_status' })).text));
}

/** Waits in "jobs" and answers each message, until one is `shutdown`. Returns the bodies of its jobs. */
async function work(agent: McpHost, name: string): Promise<string[]> {
  const done: string[] = [];
  for (let after = {}; ; ) {
    const { bodies, ticket, text: result } = await agent.call(wait('jobs', after));
    assert.equal(bodies.length, 1, result);
    const [body = ''] = bodies;
    if (body === 'shutdown') {
      await agent.call({ operation: 'broker_status', after: ticket });
      return done;
    }
    done.push(body);
    await agent.call(post(name, 'results', `${body} is done`, { after: ticket }));
    after = {};
  }
}

test('a machine reaches the server, and no other machine', async (context) => {
  const machines = await natsMachines(context);
  if (!machines) return;
  const { one, other, server } = machines;
  const connects = async (address: string) => {
    const script = `const socket = require('net').connect(${server.port}, '${address}');
      socket.on('error', ({ code }) => console.log(code)).on('connect', () => { console.log('yes'); socket.destroy(); });`;
    const { stdout } = start(context, one, ['-e', script]);
    assert(stdout);
    return (await text(stdout)).trim();
  };
  assert.equal(await connects(server.address), 'yes');
  assert.equal(await connects(other.address), 'ENETUNREACH');
});

test('an agent asks, and one on the other machine waits, works and answers with its ticket', async (context) => {
  const machines = await natsMachines(context);
  if (!machines) return;
  const { one, other, agent } = machines;
  const [ann, ben] = [await agent(one), await agent(other)];
  const waiting = ben.call(wait('ben'));
  const ask = { operation: 'ask', to: 'ben', mailbox: 'ann', message: 'Which version?' };
  const asking = ann.call({ ...ask, timeout: 60 });
  const question = await waiting;
  assert.deepEqual(question.bodies, ['Which version?']);
  await ben.call(post('ben', 'ann', 'The second.', { after: question.ticket }));
  const answer = await asking;
  assert.deepEqual(answer.bodies, ['The second.']);
  assert.match(answer.head, /from "ben" .*, an answer to your #1 "Which version\?"/);
  await ann.call({ operation: 'broker_status', after: answer.ticket });
  const { head } = await ben.call({ operation: 'broker_status' });
  assert.match(head, /; 0 messages, 0 bytes; 2 sessions/);
  assert.equal(await ownerPid(ben), await ownerPid(ann));
});

test('workers on both machines wait, work and post until somebody posts shutdown', async (context) => {
  const machines = await natsMachines(context);
  if (!machines) return;
  const { one, other, agent } = machines;
  const boss = await agent(one);
  const workers = [work(await agent(one), 'amy'), work(await agent(other), 'ben')];
  const jobs = Array.from({ length: 20 }, (_, index) => `job ${index}`);
  for (const job of jobs) await boss.call(post('boss', 'jobs', job));
  const results: string[] = [];
  for (let after = {}; results.length < jobs.length; ) {
    const { bodies, ticket } = await boss.call(wait('results', after));
    results.push(...bodies);
    after = { after: ticket };
  }
  for (const _ of workers) await boss.call(post('boss', 'jobs', 'shutdown'));
  const done = (await Promise.all(workers)).flat();
  assert.deepEqual(done.sort(), [...jobs].sort());
  assert.deepEqual(results.sort(), jobs.map((job) => `${job} is done`).sort());
});

test('a message of 1 MB passes from one machine to the other, and back', async (context) => {
  const machines = await natsMachines(context);
  if (!machines) return;
  const { one, other, agent } = machines;
  const [ann, ben] = [await agent(one), await agent(other)];
  const body = 'a line of 32 bytes, with its end\n'.repeat(32_768).slice(0, 1_048_576);
  /** All parts that a mailbox gives. */
  const read = async (by: McpHost, mailbox: string) => {
    let all = '';
    for (let after = {}; all.length < body.length; ) {
      const { bodies, ticket, text: result } = await by.call(wait(mailbox, after));
      assert.equal(bodies.length, 1, result);
      all += bodies[0];
      after = { after: ticket };
    }
    return all;
  };
  await ann.call(post('ann', 'ben', body));
  assert.equal((await read(ben, 'ben')) === body, true);
  await ben.call(post('ben', 'ann', body));
  assert.equal((await read(ann, 'ann')) === body, true);
});

test('when the owner is killed, an agent on the other machine takes over: its wait goes on, and no post is lost', async (context) => {
  const machines = await natsMachines(context);
  if (!machines) return;
  const { one, other, agent } = machines;
  const owner = await agent(one);
  await owner.call(post('ann', 'box', 'before'));
  const ben = await agent(other);
  const waiting = ben.call(wait('ben'));
  await statusOf(owner, /waits? in "ben"|waiting/);
  await owner.kill('SIGKILL');
  const ann = await agent(one);
  await ann.call(post('ann', 'ben', 'after'));
  assert.deepEqual((await waiting).bodies, ['after']);
  assert.equal(await ownerPid(ann), ben.child.pid);
  assert.deepEqual((await ann.call(wait('box'))).bodies, ['before']);
});

for (const side of ['the owner', 'another agent'] as const) {
  test(`when ${side} is killed with a message that it holds, the other machine gets it as attempt 2`, async (context) => {
    const machines = await natsMachines(context);
    if (!machines) return;
    const { one, other, agent } = machines;
    const first = await agent(one);
    await first.call({ operation: 'broker_start' });
    const second = await agent(other);
    const [holder, heir] = side === 'the owner' ? [first, second] : [second, first];
    await heir.call(post('boss', 'jobs', 'job'));
    assert.deepEqual((await holder.call(wait('jobs'))).bodies, ['job']);
    const waiting = heir.call(wait('jobs'));
    await holder.kill('SIGKILL');
    const { bodies, head } = await waiting;
    assert.deepEqual(bodies, ['job']);
    assert.match(head, /attempt 2/);
  });
}
