// What becomes of a task that its host asks for, forgets or cancels. Its work is the test's, and so is the time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CallToolResult, Result } from '@modelcontextprotocol/server';
import { AppContext } from '../../../src/app/context.ts';
import type { ToolRequest } from '../../../src/mcp/settlement.ts';
import type { TaskCall } from '../../../src/mcp/task-id.ts';
import { Tasks } from '../../../src/mcp/tasks.ts';
import type { ResultWatcher } from '../../../src/mcp/transport.ts';
import { makeHome } from '../../support/places.ts';

interface Run {
  readonly call: TaskCall;
  readonly request: ToolRequest;
  /** Ends it with a result that hands mail over. */
  end(text: string): Promise<void>;
}

const startedMs = Date.parse('2026-11-29T05:00:00Z');
const call: TaskCall = {
  operation: 'wait',
  host: undefined,
  port: 19_901,
  names: ['ann'],
  startedMs,
  seconds: undefined,
};

async function setUp(context: TestContext) {
  const env = { IPC_HOME: join(await makeHome(context), 'home') };
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: startedMs + 3_000 });
  const runs: Run[] = [];
  /** What the mail of each run learns, in order. */
  const events: string[] = [];
  const runTask = (of: TaskCall, request: ToolRequest) =>
    new Promise<CallToolResult>((resolve) => {
      const number = runs.length + 1;
      const end = async (text: string) => {
        request.watch({
          writing: () => events.push(`${number} writing`),
          written: () => events.push(`${number} written`),
          gone: () => events.push(`${number} gone`),
        });
        resolve({ content: [{ type: 'text', text }] });
        await new Promise(setImmediate);
      };
      runs.push({ call: of, request, end });
    });
  const tasks = new Tasks(env, runTask);
  context.after(() => tasks.end());
  const app = new AppContext({ env, program: 'test' });
  const caller = { id: '', dropsCalls: false };
  const watchers: ResultWatcher[] = [];
  const request = {
    ...{ caller, host: 'claude-code', context: app },
    watch: (watcher: ResultWatcher) => void watchers.push(watcher),
  };
  const begin = async (of = call) => {
    const answer = await tasks.offer(of, request)?.begin();
    assert(answer);
    return answer.taskId as string;
  };
  /** Asks for a task. The host takes the answer, unless `isTaken` is false. */
  const get = async (id: string, { isTaken = true, from = tasks } = {}): Promise<Result> => {
    const before = watchers.length;
    const answer = await from.get(id, request);
    for (const watcher of watchers.slice(before)) {
      watcher.writing();
      if (isTaken) watcher.written();
    }
    return answer;
  };
  const pass = (ms: number) => context.mock.timers.tick(ms);
  return { tasks, runs, events, request, watchers, begin, get, pass, runTask, env };
}

const textIn = (answer: Result) => (answer.result as CallToolResult | undefined)?.content;
const text = (of: string) => [{ type: 'text', text: of }];

test('a task is working until it ends, and then each answer has its result', async (context) => {
  const { runs, events, begin, get, pass } = await setUp(context);
  const id = await begin();
  const working = {
    ...{ taskId: id, status: 'working', createdAt: '2026-11-29T05:00:00.000Z' },
    ...{ lastUpdatedAt: '2026-11-29T05:00:00.000Z', ttlMs: null, pollIntervalMs: 500 },
  };
  assert.deepEqual(await get(id), working);
  pass(1_000);
  await runs[0]?.end('mail');
  assert.deepEqual(events, []);
  const completed = {
    ...working,
    ...{ status: 'completed', lastUpdatedAt: '2026-11-29T05:00:04.000Z' },
    result: { resultType: 'complete', content: text('mail') },
  };
  assert.deepEqual(await get(id), completed);
  assert.deepEqual(await get(id), completed);
  pass(3_600_000);
  assert.deepEqual(textIn(await get(id)), text('mail'));
  assert.deepEqual(events, ['1 writing', '1 written']);
  assert.equal(runs.length, 1);
});

test('the host is to ask twice a second for ten minutes, and then each second', async (context) => {
  const { begin, get, pass } = await setUp(context);
  const id = await begin();
  for (let second = 3; second < 599; second++) {
    pass(1_000);
    assert.equal((await get(id)).pollIntervalMs, 500);
  }
  pass(1_000);
  assert.equal((await get(id)).pollIntervalMs, 1_000);
});

test('a task that nobody asks for ends its wait, and begins again when it is asked for', async (context) => {
  const { runs, begin, get, pass } = await setUp(context);
  const id = await begin();
  pass(29_000);
  await get(id);
  pass(29_000);
  assert.equal(runs[0]?.request.signal.aborted, false);
  pass(1_000);
  assert.equal(runs[0]?.request.signal.aborted, true);
  assert.equal((await get(id)).status, 'working');
  assert.deepEqual(runs[1]?.call, call);
  await runs[1]?.end('mail');
  assert.deepEqual(textIn(await get(id)), text('mail'));
});

test('a result that nobody asks for is given back, and does not come again', async (context) => {
  const { runs, events, begin, get, pass } = await setUp(context);
  const id = await begin();
  await runs[0]?.end('mail');
  pass(30_000);
  assert.deepEqual(events, ['1 gone']);
  assert.equal((await get(id)).status, 'working');
  await runs[1]?.end('other mail');
  assert.deepEqual(textIn(await get(id)), text('other mail'));
  assert.deepEqual(events, ['1 gone', '2 writing', '2 written']);
});

test('what a run got after its task was stopped is given back', async (context) => {
  const { runs, events, begin, pass } = await setUp(context);
  await begin();
  pass(30_000);
  await runs[0]?.end('mail');
  assert.deepEqual(events, ['1 gone']);
});

test('an answer that the host has not taken leaves the result to the next one', async (context) => {
  const { runs, events, begin, get } = await setUp(context);
  const id = await begin();
  await runs[0]?.end('mail');
  await get(id, { isTaken: false });
  assert.deepEqual(events, ['1 writing']);
  await get(id);
  assert.deepEqual(events, ['1 writing', '1 writing', '1 written']);
});

test('while an answer with the result is being written, the result is not given back', async (context) => {
  const { runs, events, begin, get, pass } = await setUp(context);
  const id = await begin();
  await runs[0]?.end('mail');
  await get(id, { isTaken: false });
  pass(60_000);
  assert.deepEqual(events, ['1 writing']);
});

test('a result whose answer the host cancels while it is being written is given back when nobody asks for it again', async (context) => {
  const { runs, events, watchers, begin, get, pass } = await setUp(context);
  const id = await begin();
  await runs[0]?.end('mail');
  await get(id, { isTaken: false });
  pass(60_000);
  watchers.at(-1)?.gone();
  pass(30_000);
  assert.deepEqual(events, ['1 writing', '1 gone']);
});

test('a cancelled task gives back what it got, and stays cancelled', async (context) => {
  const { tasks, runs, events, request, begin, get } = await setUp(context);
  const id = await begin();
  const other = await begin({ ...call, names: ['ben'] });
  await runs[0]?.end('mail');
  assert.deepEqual(tasks.cancel(id, request), {});
  assert.deepEqual(tasks.cancel(other, request), {});
  assert.deepEqual(events, ['1 gone']);
  assert.equal(runs[1]?.request.signal.aborted, true);
  for (const each of [id, other]) assert.equal((await get(each)).status, 'cancelled');
  assert.equal(runs.length, 2);
});

test('a cancellation after the result was carried changes nothing', async (context) => {
  const { tasks, runs, events, request, begin, get } = await setUp(context);
  const id = await begin();
  await runs[0]?.end('mail');
  await get(id);
  assert.deepEqual(tasks.cancel(id, request), {});
  assert.equal((await get(id)).status, 'completed');
  assert.deepEqual(events, ['1 writing', '1 written']);
});

test('a call that is cancelled although it was answered ends its task', async (context) => {
  const { runs, watchers, begin } = await setUp(context);
  await begin();
  watchers[0]?.gone();
  assert.equal(runs[0]?.request.signal.aborted, true);
});

test('a result that is an error gives back what it would have handed over', async (context) => {
  const { tasks, runTask, env, events, runs, request } = await setUp(context);
  const failing = new Tasks(env, async (...given) => ({
    ...(await runTask(...given)),
    isError: true,
  }));
  context.after(() => failing.end());
  const begun = await failing.offer(call, request)?.begin();
  await runs[0]?.end('no text');
  assert.deepEqual(events, ['1 gone']);
  const answer = await failing.get(`${begun?.taskId}`, request);
  assert.equal(answer.status, 'completed');
  assert.deepEqual(textIn(answer), text('no text'));
  assert.equal(
    (await tasks.get(`${begun?.taskId}`, request)).status,
    'working',
    'of another process',
  );
});

test('work that is a task already is found, until the task is over', async (context) => {
  const { tasks, runs, request, begin, get } = await setUp(context);
  const isOpen = (of: Partial<TaskCall>) =>
    tasks.offer({ ...call, startedMs: startedMs + 9_000, ...of }, request)?.isOpen();
  assert.equal(isOpen({}), false);
  const id = await begin();
  assert.equal(isOpen({}), true);
  assert.equal(isOpen({ seconds: 60 }), true);
  assert.equal(isOpen({ names: ['ann', 'team'] }), false);
  assert.equal(isOpen({ port: 19_902 }), false);
  await runs[0]?.end('mail');
  assert.equal(isOpen({}), true);
  await get(id);
  assert.equal(isOpen({}), false);
});

test('a short call, one whose id would be too long, and the 65th open one become no task', async (context) => {
  const { tasks, request, begin } = await setUp(context);
  const offered = (of: Partial<TaskCall>) => tasks.offer({ ...call, ...of }, request);
  assert.equal(offered({ seconds: 3 }), undefined);
  assert(offered({ seconds: 4 }));
  assert.equal(offered({ names: ['n'.repeat(200)] }), undefined);
  for (let count = 0; count < 64; count++) await begin({ ...call, names: [`box ${count}`] });
  assert.equal(offered({}), undefined);
});

test('after its end a process answers for no task', async (context) => {
  const { tasks, runs, begin, get } = await setUp(context);
  const id = await begin();
  tasks.end();
  assert.equal(runs[0]?.request.signal.aborted, true);
  const silence = new Promise((resolve) => setImmediate(resolve, 'silence'));
  assert.equal(await Promise.race([get(id), silence]), 'silence');
});
