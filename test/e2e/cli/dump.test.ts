// `ipc store dump`: every valid record as a line of JSON.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shell } from '../../support/processes/shell.ts';

test('store dump prints the records of a store in their order, and changes nothing', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'B', 'one ✓', '--from', 'A', '--id', 'mine']);
  await run(['wait', 'B']);
  await run(['post', 'B', 'two']);
  const { code, text, errors } = await run(['store', 'dump']);
  assert.deepEqual([code, errors], [0, '']);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ kind }) => kind).filter((kind) => ['posted', 'offered', 'settled'].includes(kind)),
    ['posted', 'offered', 'settled', 'posted'],
  );
  const [posted] = lines;
  assert.deepEqual(Object.keys(posted).sort(), [
    ...['also', 'body', 'bytes', 'damaged', 'envelope', 'epoch', 'kind', 'mark', 'offset'],
    ...['segment', 'settles'],
  ]);
  const { id, number, to, from } = posted.envelope;
  assert.deepEqual([id, number, to, from], ['mine', 1, 'B', 'A']);
  assert.deepEqual([posted.body, posted.damaged], ['one ✓', false]);
  assert.equal((await run(['wait', 'B'])).text, 'two');
});

test('store dump ends silently when its reader closes the pipe', async (context) => {
  const { run, line } = await shell(context);
  await run(['post', 'B'], 'x'.repeat(1_000_000));
  await run(['post', 'B'], 'y'.repeat(1_000_000));
  const { text, errors } = await line('"$@" store dump | head -c 1');
  assert.deepEqual([text, errors], ['{', '']);
});

test('store dump without a store fails and says so', async (context) => {
  const { run } = await shell(context);
  const { code, errors } = await run(['store', 'dump']);
  assert.equal(code, 1);
  assert.match(errors, /^No store in .*: nothing was posted there\./);
});

test('store dump of a store without a record prints nothing', async (context) => {
  const { run } = await shell(context);
  await run(['status']);
  const { code, text, errors } = await run(['store', 'dump']);
  assert.deepEqual([code, text, errors], [0, '', '']);
});
