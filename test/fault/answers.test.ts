// The same text answers two questions, and the broker is suspended while the first answer is in flight.
// Both answers must be stored, and each must settle its own question.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AgentMail, open } from '../../src/index.ts';
import { hostPlace } from '../support/mcp-host.ts';
import { Lines } from '../support/processes/lines.ts';
import { nextLine, type Shell, shell } from '../support/processes/shell.ts';

/** `ipc broker` in its own process, which owns the broker until the test ends. */
async function beginBroker({ begin }: Shell) {
  const broker = begin(['broker']);
  await nextLine(broker);
  return broker;
}

/** A library session that holds two questions of `asker`. */
async function withTwoQuestions(context: TestContext) {
  let opened: AgentMail | undefined;
  // Hooks run in the order of their registration. The session must end before the broker is killed and
  // the folder is removed, because it would take over.
  context.after(() => opened?.close());
  const place = await shell(context);
  const broker = await beginBroker(place);
  const { home, port } = place;
  const mail = await open({ home, port, env: {} });
  opened = mail;
  for (const question of ['first?', 'second?']) {
    await mail.post('worker', question, { from: 'asker' });
  }
  const [first, second] = [await mail.wait('worker'), await mail.wait('worker')];
  assert(first && second);
  return { mail, broker, first, second };
}

test('the same answer to two questions is stored twice, even if the caller cancelled the first post', async (context) => {
  const { mail, broker, first, second } = await withTwoQuestions(context);
  broker.kill('SIGSTOP');
  const signal = AbortSignal.timeout(100);
  const given = mail.post('asker', 'done', { answers: first, signal });
  await assert.rejects(given, { code: 'cancelled', maybeStored: true });
  broker.kill('SIGCONT');
  // The response to this post follows that of the first post, for which no caller waits any more.
  await mail.post('elsewhere', 'later');
  assert.equal((await mail.post('asker', 'done', { answers: second })).duplicate, false);
  const { messages } = await mail.fetch('asker');
  assert.deepEqual(
    messages.map(({ text, answers }) => [text, answers]),
    [
      ['done', first.id],
      ['done', second.id],
    ],
  );
  assert.deepEqual((await mail.status()).mailboxes.map(({ mailbox }) => mailbox).sort(), [
    'asker',
    'elsewhere',
  ]);
});

test('the same answer to another question does not join a post that is still in flight', async (context) => {
  const { mail, broker, first, second } = await withTwoQuestions(context);
  broker.kill('SIGSTOP');
  const signal = AbortSignal.timeout(100);
  const given = mail.post('asker', 'done', { answers: first, signal });
  await assert.rejects(given, { code: 'cancelled', maybeStored: true });
  const stored = mail.post('asker', 'done', { answers: second });
  broker.kill('SIGCONT');
  await stored;
  const { messages } = await mail.fetch('asker');
  assert.deepEqual(
    messages.map(({ answers }) => answers),
    [first.id, second.id],
  );
});

test('a repeated answer to the same question is stored once', async (context) => {
  const { mail, broker, first } = await withTwoQuestions(context);
  broker.kill('SIGSTOP');
  const signal = AbortSignal.timeout(100);
  const given = mail.post('asker', 'done', { answers: first, signal });
  await assert.rejects(given, { code: 'cancelled', maybeStored: true });
  broker.kill('SIGCONT');
  await mail.post('elsewhere', 'later');
  assert.equal((await mail.post('asker', 'done', { answers: first })).duplicate, true);
  const { messages } = await mail.fetch('asker');
  assert.deepEqual(
    messages.map(({ answers }) => answers),
    [first.id],
  );
});

test('over MCP the same answer to two questions is stored twice, even if the broker was silent during the first', async (context) => {
  const { host } = await hostPlace(context);
  const [owner, asker, worker] = [await host(), await host(), await host()];
  await owner.call({ operation: 'broker_start' });
  for (const message of ['first?', 'second?']) {
    await asker.call({ operation: 'post', to: 'worker', from: 'asker', message });
  }
  const answer = { operation: 'post', to: 'asker', from: 'worker', message: 'done' };
  const wait = { operation: 'wait', mailbox: 'worker' };
  const first = await worker.call(wait);
  owner.child.kill('SIGSTOP');
  const silent = await worker.call({ ...answer, after: first.ticket });
  assert.match(silent.text, /^owner_silent: /);
  owner.child.kill('SIGCONT');
  const second = await worker.call(wait);
  assert.deepEqual(second.bodies, ['second?']);
  assert.match((await worker.call({ ...answer, after: second.ticket })).head, /^Stored as #4 /);
  const { bodies } = await asker.call({ operation: 'fetch', mailbox: 'asker' });
  assert.deepEqual(bodies, ['done', 'done']);
});

test('over MCP the same answer to two batches is stored twice, and each settles its own batch', async (context) => {
  const { host } = await hostPlace(context);
  const [owner, asker, worker] = [await host(), await host(), await host()];
  await owner.call({ operation: 'broker_start' });
  const ask = (message: string) =>
    asker.call({ operation: 'post', to: 'worker', from: 'asker', message });
  const fetch = { operation: 'fetch', mailbox: 'worker' };
  const answer = { operation: 'post', to: 'asker', from: 'worker', message: 'done' };
  for (const message of ['1?', '2?']) await ask(message);
  const first = await worker.call(fetch);
  owner.child.kill('SIGSTOP');
  const silent = await worker.call({ ...answer, after: first.ticket });
  assert.match(silent.text, /^owner_silent: /);
  owner.child.kill('SIGCONT');
  for (const message of ['3?', '4?']) await ask(message);
  const second = await worker.call(fetch);
  assert.deepEqual(second.bodies, ['3?', '4?']);
  await worker.call({ ...answer, after: second.ticket });
  const { bodies } = await asker.call({ operation: 'fetch', mailbox: 'asker' });
  assert.deepEqual(bodies, ['done', 'done']);
});

test('ipc work with a command that always prints the same text answers each question, even if the broker was silent', async (context) => {
  const place = await shell(context);
  const { run, begin, other, home } = place;
  const broker = await beginBroker(place);
  const gate = join(home, 'gate');
  await once(other('mkfifo', [gate]), 'exit');
  for (const id of ['first', 'second']) await run(['post', 'W', '?', '--from', 'A', '--id', id]);
  const line = `test $IPC_ID = second || { echo begun >&2; read -r text < '${gate}'; }; echo ok`;
  const lines = new Lines(begin(['work', 'W', '--', 'sh', '-c', line]).stderr);
  await lines.until(/^begun$/);
  broker.kill('SIGSTOP');
  other('sh', ['-c', `echo go > '${gate}'`]);
  await lines.until(
    /^ipc: #1, attempt 1, .* s: the answer cannot be posted \(owner_silent: the broker of port .* does not answer\)/,
  );
  broker.kill('SIGCONT');
  const wait = ['wait', 'A', '--json', '--timeout', '10'];
  const answers = [await run(wait), await run(wait)];
  assert.deepEqual(
    answers.map(({ text }) => text && JSON.parse(text).answers),
    ['first', 'second'],
  );
});
