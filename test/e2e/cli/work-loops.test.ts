// `ipc work` whose answers are jobs for `ipc work`: no loop, and no loss.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { Lines } from '../../support/processes/lines.ts';
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
