// The operation watch: an agent ends its turn, and mail wakes it through its host.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inbox } from '../../support/inbox.ts';
import { type McpHost, hostPlace as place } from '../../support/mcp-host.ts';

const watch = { operation: 'watch', mailbox: 'ann' };
const post = (message: string, to = 'ann') => ({ operation: 'post', to, from: 'boss', message });
const notice = (messages: string, count: number) =>
  `[ipc] Automatic notice, not from your user: ${messages} in mailbox "ann" (notice ${count}). Read ${messages.startsWith('1 ') ? 'it' : 'them'} with the ipc tool: wait on "ann".`;

/** Makes a call that becomes a task, and returns its id. */
async function beginTask(host: McpHost, given: object): Promise<string> {
  const params = { name: 'ipc', arguments: given, _meta: host.envelope() };
  const { result } = await host.request('tools/call', params).answer;
  assert.equal(result?.resultType, 'task');
  return `${result.taskId}`;
}

/** Asks as often as the server wants to be asked, and returns the text of the task's result. */
async function endOfTask(host: McpHost, taskId: string): Promise<string> {
  for (;;) {
    const { result } = await host.request('tasks/get', { taskId, _meta: host.envelope() }).answer;
    const ended = result?.result as { content: readonly { text: string }[] } | undefined;
    if (result?.status === 'completed') return ended?.content[0]?.text ?? '';
    assert.equal(result?.status, 'working');
    await sleep(Number(result.pollIntervalMs));
  }
}

test('an agent that watches a mailbox is woken through the inbox of its host within two seconds, and then reads', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const ann = await host({ name: 'claude-code', env: inbox.env });
  const boss = await host();
  const answer = await ann.call(watch);
  assert.equal(answer.text, 'You will be woken when there is mail in "ann".\nEnd your turn.');
  await boss.call(post('hello'));
  const posted = Date.now();
  const { text, atMs } = await inbox.next();
  assert.equal(text, notice('1 message waits', 1));
  assert(atMs - posted < 2_000, `${atMs - posted} ms`);
  const read = await ann.call({ operation: 'wait', mailbox: 'ann' });
  assert.deepEqual(read.bodies, ['hello']);
  assert.doesNotMatch(read.head, /attempt/);
});

test('mail that was there before the watch is said at once, and rings nobody who was told so', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const ann = await host({ name: 'claude-code', env: inbox.env });
  const boss = await host();
  await boss.call(post('one'));
  await boss.call(post('two'));
  // On a busy machine a watch does not wait for the first connection.
  await ann.call({ operation: 'broker_status' });
  const answer = await ann.call(watch);
  assert.equal(
    answer.text,
    'You will be woken when there is mail in "ann"; 2 messages there already.\nNext: wait "ann".',
  );
  await ann.call({ operation: 'fetch', mailbox: 'ann' });
  await boss.call(post('three'));
  assert.equal((await inbox.next()).text, notice('1 message waits', 1));
});

test('mail that another session reads within a second rings nobody', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const ann = await host({ name: 'claude-code', env: inbox.env });
  const [worker, boss] = [await host(), await host()];
  await ann.call({ ...watch, mailbox: '["ann","jobs"]' });
  await boss.call(post('a job', 'jobs'));
  await worker.call({ operation: 'wait', mailbox: 'jobs' });
  await boss.call(post('hello'));
  assert.equal((await inbox.next()).text, notice('1 message waits', 1));
});

test('a host that cannot be woken is told so, and waits', async (context) => {
  const { host } = await place(context);
  const ann = await host({ name: 'claude-ai' });
  const answer = await ann.call(watch);
  assert.equal(answer.text, 'This host cannot wake you by itself.\nNext: wait "ann".');
});

test('nothing is promised at a port where no broker answers', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const silent = createServer().listen(0, '127.0.0.1');
  context.after(() => silent.close());
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const ann = await host({ name: 'claude-code', env: inbox.env });
  const answer = await ann.call({ ...watch, host: `127.0.0.1:${port}` });
  assert.match(
    answer.text,
    /^port_taken: port \d+ is held by .*, which does not answer as a broker\./,
  );
});

test('the command that an agent is told to start finds the same mail without the variables of the server', async (context) => {
  const { host, home, port } = await place(context);
  const ann = await host({ name: 'copilot-cli' });
  const { text } = await ann.call(watch);
  const [, command = ''] = /^To be woken, start `(.+)` with the tool bash/m.exec(text) ?? [];
  assert.match(command, new RegExp(`^IPC_HOME=${home} IPC_PORT=${port} /`));
  const { PATH } = process.env;
  const child = spawn('sh', ['-c', command], { env: { PATH, HOME: `${home}/other` } });
  await ann.call(post('hello'));
  assert.match(String(await once(child.stdout, 'data')), /^1 message waits in "ann": #1, /);
});

test('a watch without a mailbox ends it', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const ann = await host({ name: 'claude-code', env: inbox.env });
  await ann.call(watch);
  const answer = await ann.call({ operation: 'watch' });
  assert.equal(answer.text, 'No mail wakes you any more.');
  const { text } = await ann.call({ operation: 'broker_status' });
  assert.doesNotMatch(text, /watch/);
});

test('IPC_WAKE has a session woken whose agent has called nothing', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  await host({ name: 'claude-code', env: { ...inbox.env, IPC_WAKE: 'ann,jobs' } });
  const boss = await host();
  await boss.call(post('a job', 'jobs'));
  assert.match((await inbox.next()).text, /1 message waits in mailbox "jobs" \(notice 1\)/);
});

test('a host that takes tasks is told by the end of the task, once, and the watch goes on by the inbox', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const ann = await host({ name: 'claude-code', era: '2026-07-28', tasks: true, env: inbox.env });
  const boss = await host();
  const task = await beginTask(ann, watch);
  await boss.call(post('hello'));
  assert.equal(await endOfTask(ann, task), `${notice('1 message waits', 1)} Then watch again.`);
  await ann.call({ operation: 'fetch', mailbox: 'ann' });
  await boss.call(post('again'));
  assert.equal((await inbox.next()).text, notice('1 message waits', 2));
});

test('a watch without a mailbox ends the task, and the next watch of the same mailbox is a new one', async (context) => {
  const { host } = await place(context);
  const ann = await host({ name: 'claude-code', era: '2026-07-28', tasks: true });
  const older = await beginTask(ann, watch);
  const answer = await ann.call({ operation: 'watch' });
  assert.equal(answer.text, 'No mail wakes you any more.');
  const newer = await beginTask(ann, watch);
  assert.equal(
    await endOfTask(ann, older),
    'A newer call of watch has taken the place of this one: do nothing.',
  );
  const boss = await host();
  await boss.call(post('hello'));
  assert.equal(await endOfTask(ann, newer), `${notice('1 message waits', 1)} Then watch again.`);
});

const tasks = { name: 'claude-code', era: '2026-07-28', tasks: true } as const;

test('the result of a task says what became of the tickets of its call', async (context) => {
  const { host } = await place(context);
  const ann = await host(tasks);
  const task = await beginTask(ann, { ...watch, after: 'abcd-1' });
  await (await host()).call(post('hello'));
  assert.equal(
    await endOfTask(ann, task),
    `${notice('1 message waits', 1)} Then watch again; ticket "abcd-1" is not from this session and was ignored.`,
  );
});

test('a watch of other mailboxes ends the task of the one before, whose result asks for nothing', async (context) => {
  const { host } = await place(context);
  const ann = await host(tasks);
  const before = await beginTask(ann, watch);
  const task = await beginTask(ann, { ...watch, mailbox: 'jobs' });
  const other = 'A newer call of watch has taken the place of this one: do nothing.';
  assert.equal(await endOfTask(ann, before), other);
  await ann.call({ operation: 'watch' });
  assert.equal(await endOfTask(ann, task), other);
  assert.equal(await watchedBy(ann), false);
});

test('a task that is cancelled ends the watch, also that of the inbox', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const ann = await host({ ...tasks, env: inbox.env });
  const taskId = await beginTask(ann, watch);
  while (!(await watchedBy(ann))) await sleep(10);
  await ann.request('tasks/cancel', { taskId, _meta: ann.envelope() }).answer;
  assert.equal(await watchedBy(ann), false);
});

test('an agent that ends its watch is not woken by IPC_WAKE either', async (context) => {
  const { host } = await place(context);
  const inbox = await Inbox.open(context);
  const ann = await host({ name: 'claude-code', env: { ...inbox.env, IPC_WAKE: 'ann' } });
  while (!(await watchedBy(ann))) await sleep(10);
  await ann.call({ operation: 'watch' });
  await ann.call({ operation: 'fetch', mailbox: 'ann' });
  assert.equal(await watchedBy(ann), false);
});

/** Whether the broker has a watch of the session. */
async function watchedBy(host: McpHost): Promise<boolean> {
  const { text } = await host.call({ operation: 'broker_status' });
  return / watches "/.test(text);
}
