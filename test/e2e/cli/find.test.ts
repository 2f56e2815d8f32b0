// `ipc find`: what has become of messages, by their ids.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { shell } from '../../support/processes/shell.ts';

test('find says where each message is, and exits with 1 when an id is unknown', async (context) => {
  const { run, home, port } = await shell(context);
  await run(['post', 'B', 'one', '--id', 'job-1', '--from', 'A']);
  await run(['post', 'B', 'two', '--id', 'job-2', '--from', 'A']);
  const mail = await open({ home, port, env: {}, program: 'worker' });
  const message = await mail.wait('B');
  assert(message);
  const both = await run(['find', 'job-1', 'job-2']);
  assert.equal(both.code, 0);
  assert.match(
    both.text,
    /^"job-1": #1 in "B", held by "B" \("worker" on ".*"\) for \d+ s\.\n"job-2": #2 in "B", unread for \d+ s\.\n$/,
  );
  await mail.post('A', 'done', { answers: message });
  const answered = await run(['find', 'job-1', 'never', '--mailbox', 'A']);
  assert.equal(answered.code, 1);
  assert.equal(
    answered.text,
    '"job-1": settled (#1); its answer #3 is unread.\n"never": unknown: never posted, or settled and forgotten.\n',
  );
  await mail.close();
});

test('find --json has one object a line', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'B', 'one', '--id', 'job-1']);
  const { text, code } = await run(['find', '--json', 'job-1', 'never']);
  assert.equal(code, 1);
  const [one, never] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { time, ...rest } = one;
  assert.equal(typeof time, 'number');
  assert.deepEqual(rest, {
    ...{ id: 'job-1', state: 'ready', number: 1, mailbox: 'B', to: 'B', attempt: 1 },
    ...{ holder: null, answeredBy: null },
  });
  assert.deepEqual(never, {
    ...{ id: 'never', state: 'unknown', number: null, mailbox: null, to: null, time: null },
    ...{ attempt: null, holder: null, answeredBy: null },
  });
});

test('a wrong id of find is a usage error', async (context) => {
  const { run } = await shell(context);
  assert.deepEqual((await run(['find', 'a\nb'])).code, 2);
  assert.deepEqual((await run(['find'])).code, 2);
});
