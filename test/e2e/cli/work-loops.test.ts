// `ipc work` whose answers are jobs for `ipc work`: no loop, and no loss.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { exitCodeOf, Lines } from '../../support/processes/lines.ts';
import { shell } from '../../support/processes/shell.ts';

test('a worker runs its command for an answer of another worker, and does not answer it', async (context) => {
  const { run, begin } = await shell(context);
  const [one, two] = ['one', 'two'].map((name) => begin(['work', name, '--', 'cat']));
  const [oneLines, twoLines] = [new Lines(one?.stderr ?? null), new Lines(two?.stderr ?? null)];
  await run(['post', 'one', 'ping', '--from', 'two']);
  await twoLines.until(/^ipc: #2 from "one": begun/);
  assert.match(
    await twoLines.next(),
    /^ipc: #2: exit 0 after .* s; an answer is not answered, 4 bytes of output dropped\.$/,
  );
  // The numbers of the store count the messages: none came between #2 and the shutdowns.
  await run(['post', 'one', 'shutdown']);
  await run(['post', 'two', 'shutdown']);
  assert.equal((await oneLines.rest()).at(-1), 'ipc: #3 from unknown: shutdown.');
  assert.equal((await twoLines.rest()).at(-1), 'ipc: #4 from unknown: shutdown.');
});

test('a worker that gets its own answer runs its command for it once more, and stops', async (context) => {
  const { run, begin } = await shell(context);
  const lines = new Lines(begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']).stderr);
  await run(['post', 'upper', 'one message', '--from', 'upper']);
  await lines.until(/^ipc: #2: exit 0 after .*; an answer is not answered/);
  await run(['post', 'upper', 'shutdown']);
  assert.deepEqual(await lines.rest(), ['ipc: #3 from unknown: shutdown.']);
});

test('a worker whose --from is another name, or its own mailbox, does not answer its own answers', async (context) => {
  const { run, begin } = await shell(context);
  for (const [mailbox, from, last] of [
    ['A', 'B', 3],
    ['C', 'C', 6],
  ] as const) {
    const lines = new Lines(begin(['work', mailbox, '--from', from, '--', 'cat']).stderr);
    await run(['post', mailbox, 'x', '--from', mailbox]);
    await lines.until(
      /: exit 0 after .* s; an answer is not answered, 1 byte of output dropped\.$/,
    );
    await run(['post', mailbox, 'shutdown']);
    assert.deepEqual(await lines.rest(), [`ipc: #${last} from unknown: shutdown.`]);
  }
});

test('an answer of a worker is still one after a crash of its broker, and is not answered', async (context) => {
  const { run, begin } = await shell(context);
  const one = begin(['work', 'one', '--', 'cat']);
  const oneLines = new Lines(one.stderr);
  await run(['post', 'one', 'ping', '--from', 'two']);
  await oneLines.until(/"two" is answered/);
  one.kill('SIGKILL');
  const lines = new Lines(begin(['work', 'two', '--', 'cat']).stderr);
  await lines.until(
    /^ipc: #2: exit 0 after .* s; an answer is not answered, 4 bytes of output dropped\.$/,
  );
  await run(['post', 'two', 'shutdown']);
  assert.match((await lines.rest()).at(-1) ?? '', /^ipc: #\d+ from unknown: shutdown\.$/);
  const { messages } = JSON.parse((await run(['status', '--json'])).text);
  assert.equal(messages, 0);
});

test('a failed job that was an answer of a worker is a dead letter, and is not answered', async (context) => {
  const { run, begin } = await shell(context);
  begin(['work', 'one', '--', 'cat']);
  const lines = new Lines(begin(['work', 'two', '--attempts', '1', '--', 'false']).stderr);
  await run(['post', 'one', 'ping', '--from', 'two']);
  await lines.until(/Failed for good: it waits in dead-letters/);
  const { number, to } = JSON.parse((await run(['wait', 'dead-letters', '--json'])).text);
  assert.deepEqual([number, to], [2, 'two']);
  assert.equal(JSON.parse((await run(['post', 'end', 'x', '--json'])).text).number, 3);
});

test('a worker answers the question of an agent that settles another message with it', async (context) => {
  const { run, begin, home, port } = await shell(context);
  begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']);
  const agent = await open({ home, port, name: 'A', env: {} });
  try {
    await run(['post', 'A', 'a task', '--from', 'boss']);
    const task = await agent.wait('A');
    assert.ok(task);
    await agent.post('upper', 'hello', { answers: task });
    assert.equal((await agent.wait('A'))?.text, 'HELLO');
  } finally {
    await agent.close();
  }
});

test('an answer beyond --sends-per-hour waits with one note, other senders are answered, and the end posts it', async (context) => {
  const { run, begin } = await shell(context);
  const limits = ['--sends-per-hour', '1', '--parallel', '3'];
  const worker = begin(['work', 'W', ...limits, '--', 'cat']);
  const lines = new Lines(worker.stderr);
  for (const text of ['1', '2', '3']) await run(['post', 'W', text, '--from', 'A']);
  const first = (await run(['wait', 'A'])).text;
  const note =
    'ipc: "A" has reached its limit of 1 answers an hour (--sends-per-hour); further answers wait.';
  assert.equal(await lines.until(/limit/), note);
  assert.equal((await run(['ask', 'W', 'other', '--mailbox', 'B'])).text, 'other');
  await lines.until(/"B" is answered/);
  const { mailboxes } = JSON.parse((await run(['status', '--json'])).text);
  const counts = mailboxes.map((each: { mailbox: string; held: number }) => [
    each.mailbox,
    each.held,
  ]);
  assert.deepEqual(counts, [['W', 2]]);
  worker.kill('SIGINT');
  const rest = await lines.rest();
  assert.deepEqual(
    rest.filter((line) => /limit/.test(line)),
    [],
  );
  assert.equal(await exitCodeOf(worker), 0);
  const texts = [first, (await run(['wait', 'A'])).text, (await run(['wait', 'A'])).text];
  assert.deepEqual(texts.sort(), ['1', '2', '3']);
});

test('a job whose answer waits goes to the next worker when its own is killed', async (context) => {
  const { run, begin } = await shell(context);
  const work = ['work', 'W', '--sends-per-hour', '1', '--', 'cat'];
  const worker = begin(work);
  const lines = new Lines(worker.stderr);
  for (const text of ['1', '2']) await run(['post', 'W', text, '--from', 'A']);
  assert.equal((await run(['wait', 'A'])).text, '1');
  await lines.until(/limit/);
  worker.kill('SIGKILL');
  assert.equal(await exitCodeOf(worker), null);
  begin(work);
  assert.equal((await run(['wait', 'A'])).text, '2');
});

test('a worker does not answer a message that is the 1,000th answer in a chain', async (context) => {
  const { run, begin, home, port } = await shell(context);
  const agent = await open({ home, port, name: 'A', env: {} });
  try {
    await agent.post('A', 'first');
    let last = await agent.wait('A');
    for (let depth = 1; depth < 999; depth++) {
      assert.ok(last);
      await agent.post('A', 'next', { answers: last });
      last = await agent.wait('A');
    }
    assert.equal(last?.depth, 998);
    await agent.post('upper', 'answered', { answers: last });
    const lines = new Lines(begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']).stderr);
    const answer = await agent.wait('A');
    assert.deepEqual([answer?.text, answer?.depth], ['ANSWERED', 1_000]);
    assert.ok(answer);
    await agent.post('upper', 'not answered', { answers: answer });
    await lines.until(/^ipc: #1002: exit 0 after .* s; an answer is not answered, 12 bytes/);
    await run(['post', 'upper', 'shutdown']);
    assert.equal((await lines.rest()).at(-1), 'ipc: #1003 from unknown: shutdown.');
  } finally {
    await agent.close();
  }
});
