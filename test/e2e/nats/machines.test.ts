// Agents on two machines that reach a nats-server, and not each other. One of the agents owns the broker.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { McpHost } from '../../support/mcp-host.ts';
import {
  type Certificates,
  makeCertificates,
  opensslMissing,
} from '../../support/nats/certificates.ts';
import { natsMachines } from '../../support/nats/machines.ts';
import { makeHome } from '../../support/places.ts';
import { Capture } from '../../support/processes/capture.ts';
import { hubAddress, setWire, start } from '../../support/processes/network-namespaces.ts';

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
  await statusOf(owner, /; 2 sessions/);
  await owner.kill('SIGKILL');
  await ben.call(post('ben', 'box', 'after'));
  const ann = await agent(one);
  await ann.call(post('ann', 'ben', 'from a new agent'));
  assert.deepEqual((await waiting).bodies, ['from a new agent']);
  assert.equal(await ownerPid(ann), ben.child.pid);
  const { bodies } = await ann.call({ operation: 'fetch', mailbox: 'box' });
  assert.deepEqual(bodies, ['before', 'after']);
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

test('when the wire of a machine is cut, its wait goes on once the wire is back, and gets what was posted meanwhile', async (context) => {
  const machines = await natsMachines(context);
  if (!machines) return;
  const { one, other, agent } = machines;
  const ann = await agent(one);
  await ann.call({ operation: 'broker_start' });
  const ben = await agent(other);
  const waiting = ben.call(wait('ben'));
  await statusOf(ann, /; 2 sessions/);
  setWire(other, 'down');
  await ann.call(post('ann', 'ben', 'while nobody knows of the cut'));
  await statusOf(ann, /; 1 session\b/);
  await ann.call(post('ann', 'ben', 'while the session is gone'));
  setWire(other, 'up');
  const first = await waiting;
  assert.deepEqual(first.bodies, ['while nobody knows of the cut']);
  const second = await ben.call(wait('ben', { after: first.ticket }));
  assert.deepEqual(second.bodies, ['while the session is gone']);
  await ben.call({ operation: 'broker_status', after: second.ticket });
  assert.match((await ann.call({ operation: 'broker_status' })).head, /; 0 messages, 0 bytes;/);
  assert.equal(await ownerPid(ben), ann.child.pid);
});

test('when the wire of the owner is cut, the other machine takes over, and the owner comes back as a client', async (context) => {
  const machines = await natsMachines(context);
  if (!machines) return;
  const { one, other, agent } = machines;
  const ann = await agent(one);
  await ann.call(post('ann', 'box', 'before the cut'));
  const ben = await agent(other);
  assert.equal(await ownerPid(ben), ann.child.pid);
  const waiting = ann.call(wait('ann', { timeout: 100 }));
  const asleep = ben.call(wait('ben', { timeout: 100 }));
  setWire(one, 'down');
  // It is not stored before the wire is back, so it gets no answer until then.
  const late = ann.call(post('ann', 'ben', 'from the machine that was cut off'));
  const { head } = await ben.call(post('ben', 'ann', 'to the machine that was cut off'));
  assert.match(head, /^Stored as #/);
  assert.equal(await ownerPid(ben), ben.child.pid);
  setWire(one, 'up');
  assert.deepEqual((await waiting).bodies, ['to the machine that was cut off']);
  assert.match((await late).head, /^Stored as #/);
  assert.deepEqual((await asleep).bodies, ['from the machine that was cut off']);
  assert.equal(await ownerPid(ann), ben.child.pid);
  assert.deepEqual((await ben.call(wait('box'))).bodies, ['before the cut']);
  // Each is held, or settled; no second copy is there.
  for (const mailbox of ['ann', 'ben', 'box']) {
    const { bodies, head } = await ann.call({ operation: 'fetch', mailbox });
    assert.deepEqual(bodies, [], head);
  }
});

/** What went over the wire of a machine while an agent read a body there that one on the other machine posted. */
async function captured(
  context: TestContext,
  body: string,
  tls?: Certificates,
): Promise<Buffer | undefined> {
  const settings = tls && { tls: { cert_file: tls.certificate, key_file: tls.key } };
  const machines = await natsMachines(context, settings && { settings });
  if (!machines) return undefined;
  const { one, other, server, agent } = machines;
  const capture = await Capture.start(context, other);
  if (typeof capture === 'string') {
    context.skip(capture);
    return undefined;
  }
  const env = tls && {
    IPC_BROKER: `tls://${server.address}:${server.port}`,
    IPC_NATS_CA: tls.authority,
  };
  const [ann, ben] = [await agent(one, env && { env }), await agent(other, env && { env })];
  await ann.call(post('a-sender', 'a-mailbox', body));
  const { bodies, head } = await ben.call(wait('a-mailbox'));
  assert.equal(bodies[0] === body, true, head);
  const { streams, lost } = await capture.end();
  assert.equal(lost, 0);
  const all = Buffer.concat([...streams]);
  assert.ok(all.length > body.length, 'all of it went by');
  return all;
}

const words = (body: string) => [body.slice(0, 30), 'a-mailbox', 'a-sender', 'ipcwire'];

test('a capture of the wire contains bodies and names: nats:// without TLS hides nothing', async (context) => {
  const body = `a body ${randomBytes(16).toString('hex')} `.repeat(200);
  const all = await captured(context, body);
  if (!all) return;
  for (const word of words(body)) assert.equal(all.includes(word), true, word);
});

test('with tls:// a capture of the wire contains neither a body nor a name', async (context) => {
  if (opensslMissing) return context.skip(opensslMissing);
  const body = `a body ${randomBytes(16).toString('hex')} `.repeat(200);
  const tls = makeCertificates(await makeHome(context), `IP:${hubAddress}`);
  const all = await captured(context, body, tls);
  if (!all) return;
  for (const word of words(body)) assert.equal(all.includes(word), false, word);
});
