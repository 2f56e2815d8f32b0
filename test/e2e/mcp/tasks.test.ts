// A host that declares tasks: calls that find nothing for 3 s go on in the background, and it asks for them.
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answer,
  type HostOptions,
  type HostPlace,
  hostPlace,
  type McpHost,
  type Reading,
  read,
  type ToolResult,
} from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';

const post = (to: string, message: string) => ({ operation: 'post', to, from: 'ben', message });
const wait = (mailbox: string, more = {}) => ({ operation: 'wait', mailbox, ...more });
const status = { operation: 'broker_status' };
const declaring = { era: '2026-07-28', tasks: true, name: 'claude-code' } as const;

/** A host that declares tasks, and another one. */
async function setUp(context: TestContext) {
  const place = await hostPlace(context);
  const ann = await declaringHost(place);
  const ben = await place.host();
  await ben.call({ operation: 'broker_start' });
  return { place, ann, ben };
}

const declaringHost = (place: HostPlace, options: Partial<HostOptions> = {}) =>
  place.host({ ...declaring, ...options });

function callTool(host: McpHost, given: object): { id: number; answer: Promise<Answer> } {
  const params = { name: 'ipc', arguments: given, _meta: host.envelope() };
  return host.request('tools/call', params);
}

function ofTask(host: McpHost, method: string, taskId: string): Promise<Answer> {
  return host.request(method, { taskId, _meta: host.envelope() }).answer;
}

/** The id of the task that the call becomes. */
async function taskOf(host: McpHost, given: object): Promise<string> {
  const { result } = await callTool(host, given).answer;
  assert.equal(result?.resultType, 'task');
  return String(result.taskId);
}

/** Asks for the task until it is over. */
async function completed(host: McpHost, taskId: string): Promise<Reading> {
  for (;;) {
    const { result, error } = await ofTask(host, 'tasks/get', taskId);
    assert.equal(error, undefined);
    if (result?.status === 'completed') return reading(result.result as ToolResult);
    assert.equal(result?.status, 'working');
    await sleep(50);
  }
}

function reading({ content: [part, ...others], isError }: ToolResult): Reading {
  assert.deepEqual(others, []);
  return read(part?.text ?? '', isError);
}

/** Asserts that a result without mail tells the truth: at least these seconds, and no more than there were. */
function saidSeconds(text: string, begunMs: number, least: number): number {
  const seconds = Number(/^No message for "\w+" within (\d+) s/.exec(text)?.[1]);
  assert.ok(seconds >= least && seconds <= (Date.now() - begunMs) / 1_000, text);
  return seconds;
}

/** Resolves when the status says so. */
async function untilStatus(host: McpHost, what: RegExp): Promise<void> {
  while (!what.test((await host.call(status)).text)) await sleep(20);
}

describe('tasks', { concurrency: 4 }, () => {
  test('mail that is there, or comes within 3 s, is in the result of the call', async (context) => {
    const { ann, ben } = await setUp(context);
    await ben.call(post('ann', 'first'));
    assert.deepEqual((await ann.call(wait('ann'))).bodies, ['first']);
    const waiting = ann.begin(wait('ann'));
    await untilStatus(ben, /"ann": .* 1 waiting/);
    await ben.call(post('ann', 'second'));
    assert.deepEqual((await waiting.answer).bodies, ['second']);
    const { head } = await ann.call(wait('empty', { timeout: 3 }));
    assert.match(head, /^No message for "empty" within 3 s; /);
  });

  test('a wait becomes a task after 3 s, and completes with the mail and a ticket that settles it', async (context) => {
    const { ann, ben } = await setUp(context);
    const { result } = await callTool(ann, wait('ann')).answer;
    assert(result);
    const { taskId, createdAt, lastUpdatedAt, _meta, ...state } = result;
    assert.deepEqual(state, {
      ...{ resultType: 'task', content: [], status: 'working' },
      ...{ ttlMs: null, pollIntervalMs: 500 },
    });
    assert.equal(lastUpdatedAt, createdAt);
    assert.match(`${createdAt}`, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    await ben.call(post('ann', 'hello'));
    const { head, bodies, foot, ticket } = await completed(ann, `${taskId}`);
    assert.match(head, /^Message for "ann": #1 from "ben" \(.*\), \S+Z\.$/);
    assert.deepEqual(bodies, ['hello']);
    assert.match(foot, /Next: post to "ben", wait "ann", or to end broker_status, with after /);
    assert.equal((await completed(ann, `${taskId}`)).ticket, ticket, 'asked again');
    const settled = await ann.call({ ...status, after: ticket });
    assert.match(settled.head, /; 0 messages, .*; #1 done\.$/);
  });

  test('an agent answers, posts and reads other mail while its wait is a task', async (context) => {
    const { ann, ben } = await setUp(context);
    const taskId = await taskOf(ann, wait('ann'));
    await ben.call(post('other', 'aside'));
    assert.deepEqual((await ann.call(wait('other'))).bodies, ['aside']);
    await ann.call({ ...post('team', 'I am here'), from: 'ann' });
    await ben.call(post('ann', 'hello'));
    const { head, bodies } = await completed(ann, taskId);
    assert.deepEqual(bodies, ['hello']);
    assert.match(head, /; this session still holds #1 from "ben": ticket \S+, if you took it\.$/);
  });

  test('the result of a task says what the tickets of its call settled', async (context) => {
    const { ann, ben } = await setUp(context);
    await ben.call(post('ann', 'job'));
    const { ticket } = await ann.call(wait('ann'));
    const taskId = await taskOf(ann, wait('ann', { after: ticket }));
    await ben.call(post('ann', 'next'));
    assert.match((await completed(ann, taskId)).head, /#2 from "ben" .*; #1 done\.$/);
  });

  test('a task whose timeout is over says how long it waited', async (context) => {
    const { ann } = await setUp(context);
    const begun = Date.now();
    const taskId = await taskOf(ann, wait('ann', { timeout: 5 }));
    const { text } = await completed(ann, taskId);
    const seconds = saidSeconds(text, begun, 5);
    assert.equal(text, `No message for "ann" within ${seconds} s.\nNext: wait "ann".`);
  });

  test('neither the limit of a host nor IPC_MAX_WAIT cuts a task', async (context) => {
    const { place } = await setUp(context);
    const zed = await declaringHost(place, { name: 'unknown', env: { IPC_MAX_WAIT: '4' } });
    const begun = Date.now();
    const taskId = await taskOf(zed, wait('ann', { timeout: 6 }));
    saidSeconds((await completed(zed, taskId)).head, begun, 6);
  });

  test('an ask becomes a task, which completes with the answer and leaves other mail', async (context) => {
    const { ann, ben } = await setUp(context);
    const question = { operation: 'ask', to: 'ben', mailbox: 'ann', message: 'Ready?' };
    const taskId = await taskOf(ann, question);
    await ben.call(post('ann', 'something else'));
    const { ticket } = await ben.call(wait('ben'));
    await ben.call({ ...post('ann', 'Yes.'), after: ticket });
    const { head, bodies } = await completed(ann, taskId);
    assert.deepEqual(bodies, ['Yes.']);
    assert.match(head, /^Message for "ann": #3 .*, an answer to your #1 "Ready\?", /);
  });

  test('an ask that is not answered in its time says so, and that its question is stored', async (context) => {
    const { ann } = await setUp(context);
    const question = { operation: 'ask', to: 'ben', mailbox: 'ann', message: 'Ready?' };
    const { head } = await completed(ann, await taskOf(ann, { ...question, timeout: 4 }));
    assert.match(head, /^No message for "ann" within \d s; the question is stored as #1\b/);
  });

  test('a receive becomes a task, and its sender learns of it when the host has the message', async (context) => {
    const { ann, ben } = await setUp(context);
    const port = await freePort();
    const taskId = await taskOf(ann, { operation: 'receive', port });
    const second = await ann.call({ operation: 'receive', port });
    assert.match(second.head, new RegExp(`^A background task .* receives on port ${port} already`));
    const host = `127.0.0.1:${port}`;
    const sent = ben.begin({ operation: 'send', host, from: 'ben', message: 'direct' });
    const { bodies } = await completed(ann, taskId);
    assert.deepEqual(bodies, ['direct']);
    assert.match((await sent.answer).head, /^Received by the session at /);
    const next = await taskOf(ann, { operation: 'receive', port, timeout: 4 });
    assert.match((await completed(ann, next)).head, /^No message on port \d+ within \d s\.$/);
  });

  test('a wait on the mailboxes of an open task says so at once, and is no second task', async (context) => {
    const { ann, ben } = await setUp(context);
    const both = [callTool(ann, wait('ann')), callTool(ann, wait('ann'))];
    const answers = await Promise.all(both.map(({ answer }) => answer));
    const types = answers.map(({ result }) => result?.resultType).sort();
    assert.deepEqual(types, ['complete', 'task']);
    const { text } = await ann.call(wait('ann', { timeout: 60 }));
    const title = 'A background task of this session waits for "ann" already.';
    assert.equal(text, `${title}\nNext: its result comes by itself, so end your turn.`);
    await ben.call(post('ann', 'hello'));
    const task = answers.find(({ result }) => result?.resultType === 'task');
    assert.deepEqual((await completed(ann, `${task?.result?.taskId}`)).bodies, ['hello']);
    await taskOf(ann, wait('ann'));
  });

  test('a cancelled task takes no mail, and gives back unread what it took', async (context) => {
    const { ann, ben } = await setUp(context);
    const [open, got] = await Promise.all([taskOf(ann, wait('ann')), taskOf(ann, wait('jobs'))]);
    await ben.call(post('jobs', 'job'));
    await untilStatus(ben, /"jobs": .* 1 held/);
    for (const taskId of [open, got]) {
      const { result } = await ofTask(ann, 'tasks/cancel', taskId);
      assert.equal(result?.resultType, 'complete');
      const state = await ofTask(ann, 'tasks/get', taskId);
      assert.equal(state.result?.status, 'cancelled');
    }
    await ben.call(post('ann', 'hello'));
    const { head, bodies } = await ben.call({ operation: 'fetch', mailbox: '["ann","jobs"]' });
    assert.deepEqual(bodies, ['hello', 'job']);
    assert.doesNotMatch(head, /attempt/);
  });

  test('a call that its host cancels after it became a task takes no mail', async (context) => {
    const { ann, ben } = await setUp(context);
    const { id, answer } = callTool(ann, wait('ann'));
    await answer;
    ann.cancel(id);
    await untilStatus(ben, /^(?!.* 1 waiting)/s);
    await ben.call(post('ann', 'hello'));
    assert.deepEqual((await ben.call(wait('ann'))).bodies, ['hello']);
  });

  test('after kill -9 of the server a new one goes on with the task from its id', async (context) => {
    const { place, ann, ben } = await setUp(context);
    const question = { operation: 'ask', to: 'ben', mailbox: 'ann', message: 'Ready?' };
    const port = await freePort();
    const [waits, asks, receives] = await Promise.all([
      taskOf(ann, wait('["jobs","more"]')),
      taskOf(ann, question),
      taskOf(ann, { operation: 'receive', port }),
    ]);
    await ann.kill('SIGKILL');
    // The environment of the new one names another broker.
    const next = await declaringHost(place, { port: await freePort() });
    for (const taskId of [waits, asks, receives]) {
      assert.equal((await ofTask(next, 'tasks/get', taskId)).result?.status, 'working');
    }
    await ben.call(post('more', 'job'));
    await ben.call(post('ann', 'something else'));
    const { ticket } = await ben.call(wait('ben'));
    await ben.call({ ...post('ann', 'Yes.'), after: ticket });
    const sent = ben.begin({ operation: 'send', host: `127.0.0.1:${port}`, message: 'direct' });
    assert.deepEqual((await completed(next, waits)).bodies, ['job']);
    assert.deepEqual((await completed(next, asks)).bodies, ['Yes.']);
    assert.deepEqual((await completed(next, receives)).bodies, ['direct']);
    assert.equal((await sent.answer).isError, false);
  });

  test('a task that a new server is asked for after its time takes what is there, or says how long it took', async (context) => {
    const { place, ann, ben } = await setUp(context);
    const begun = Date.now();
    const [full, empty] = await Promise.all([
      taskOf(ann, wait('full', { timeout: 4 })),
      taskOf(ann, wait('empty', { timeout: 4 })),
    ]);
    await ann.kill('SIGKILL');
    await ben.call(post('full', 'job'));
    const next = await declaringHost(place);
    await next.call(status);
    await sleep(begun + 6_000 - Date.now());
    assert.deepEqual((await completed(next, full)).bodies, ['job']);
    saidSeconds((await completed(next, empty)).head, begun, 4);
  });

  test('a task that its host does not ask for gives its mail back after 30 s, and goes on when it is asked for', async (context) => {
    const { ann, ben } = await setUp(context);
    const taskId = await taskOf(ann, wait('ann'));
    await ben.call(post('ann', 'first'));
    await untilStatus(ben, /"ann": .* 1 held/);
    const begun = Date.now();
    await untilStatus(ben, /"ann": 1 ready/);
    assert.ok(Date.now() - begun > 20_000);
    const { head, bodies } = await ben.call(wait('ann'));
    assert.deepEqual(bodies, ['first']);
    assert.doesNotMatch(head, /attempt|held/);
    assert.equal((await ofTask(ann, 'tasks/get', taskId)).result?.status, 'working');
    await ben.call(post('ann', 'second'));
    assert.deepEqual((await completed(ann, taskId)).bodies, ['second']);
  });

  const ends = {
    'its host closes stdin': (host: McpHost) => host.end(),
    'it gets SIGTERM': (host: McpHost) => host.kill('SIGTERM'),
  };
  for (const [name, end] of Object.entries(ends)) {
    test(`when ${name}, a server gives back unread what a task got and was not carried`, async (context) => {
      const { ann, ben } = await setUp(context);
      await Promise.all([taskOf(ann, wait('ann')), taskOf(ann, wait('open'))]);
      await ben.call(post('ann', 'hello'));
      await untilStatus(ben, /"ann": .* 1 held/);
      await end(ann);
      const { head, bodies } = await ben.call(wait('ann'));
      assert.deepEqual(bodies, ['hello']);
      assert.doesNotMatch(head, /attempt|held/);
      assert.doesNotMatch((await ben.call(status)).text, /1 waiting/);
    });
  }

  test('mail that was carried and not settled comes again when its server ends, as attempt 2', async (context) => {
    const { ann, ben } = await setUp(context);
    const taskId = await taskOf(ann, wait('ann'));
    await ben.call(post('ann', 'hello'));
    await completed(ann, taskId);
    await ann.end();
    assert.match((await ben.call(wait('ann'))).head, /attempt 2/);
  });

  const others: Record<string, Partial<HostOptions>> = {
    'does not declare tasks': { era: '2026-07-28' },
    'speaks an earlier era': {},
    'drops calls silently': { ...declaring, name: 'codex-mcp-client' },
  };
  for (const [name, options] of Object.entries(others)) {
    test(`a host that ${name} gets the result in the call`, async (context) => {
      const place = await hostPlace(context);
      const host = await place.host(options);
      const { text } = await host.call(wait('ann', { timeout: 4 }));
      assert.equal(text, 'No message for "ann" within 4 s.\nNext: wait "ann".');
    });
  }

  test('a wait whose id would be too long is answered in the call', async (context) => {
    const { ann } = await setUp(context);
    const { head } = await ann.call(wait('n'.repeat(200), { timeout: 4 }));
    assert.match(head, /^No message for "n+" within 4 s\.$/);
  });

  test('an id that is forged, of another key or of nothing is refused', async (context) => {
    const { ann, place } = await setUp(context);
    const home = join(await makeHome(context), 'home');
    const stranger = await declaringHost(place, { home, port: await freePort() });
    const [taskId, foreign] = await Promise.all([
      taskOf(ann, wait('ann')),
      taskOf(stranger, wait('ann')),
    ]);
    const forged = `${taskId.slice(0, -1)}${taskId.endsWith('A') ? 'B' : 'A'}`;
    for (const id of [forged, foreign, 'task-3', '']) {
      for (const method of ['tasks/get', 'tasks/cancel']) {
        const { error } = await ofTask(ann, method, id);
        assert.equal(error?.code, -32_602);
        assert.match(error.message, /^taskId is not the id of a task that a session with the key /);
      }
    }
    assert.equal((await ofTask(ann, 'tasks/get', taskId)).result?.status, 'working');
  });

  test('tasks/get is refused to a host that does not declare tasks', async (context) => {
    const { ann, ben, place } = await setUp(context);
    const taskId = await taskOf(ann, wait('ann'));
    const silent = await place.host({ era: '2026-07-28' });
    for (const host of [silent, ben]) {
      const { error } = await ofTask(host, 'tasks/get', taskId);
      assert.equal(error?.code, -32_021);
    }
  });

  test('a server that is only asked for a task that is none makes no file', async (context) => {
    const place = await hostPlace(context);
    const host = await declaringHost(place);
    const { error } = await ofTask(host, 'tasks/get', 'task-3');
    assert.equal(error?.code, -32_602);
    await assert.rejects(stat(place.home), { code: 'ENOENT' });
  });

  test('the server declares tasks', async (context) => {
    const { ann } = await setUp(context);
    const { result } = await ann.request('server/discover', { _meta: ann.envelope() }).answer;
    assert.deepEqual(result?.capabilities, {
      tools: { listChanged: true },
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    });
  });
});
