// Jobs of `ipc work` that fail: what the asker hears, where the message goes, and what a command that hangs
// holds up.
import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../support/places.ts';
import { Lines } from '../../support/processes/lines.ts';
import { type Run, shell } from '../../support/processes/shell.ts';

const ask = ['--mailbox', 'A', '--timeout', '60'];

/** The dead letters of `ipc status`, and the number of messages that are not dead. */
async function storeOf(run: Run) {
  const { deadLetters, messages, deadLetterCount } = JSON.parse(
    (await run(['status', '--json'])).text,
  );
  return { deadLetters, others: messages - deadLetterCount };
}

test('an asker is answered why the job failed, once its attempts are used up, and the job is a dead letter', async (context) => {
  const { run, begin } = await shell(context);
  const line = 'echo "attempt $IPC_ATTEMPT of $(cat)" >&2; exit 3';
  const worker = begin(['work', 'W', '--attempts', '2', '--', 'sh', '-c', line]);
  const lines = new Lines(worker.stderr);
  const posted = await run(['post', 'W', 'the job', '--from', 'A', '--id', 'job-7']);
  assert.equal(posted.code, 0);
  const answer = JSON.parse((await run(['wait', 'A', '--json'])).text);
  assert.equal(
    answer.body,
    'ipc work: failed: exit 3, attempt 2\n' +
      'It waits in dead-letters; `ipc store retry job-7` has it done again.\n' +
      'The end of its stderr:\nattempt 2 of the job\n',
  );
  assert.deepEqual(
    [answer.answers, answer.from, answer.failure],
    ['job-7', 'W', 'exit 3, attempt 2'],
  );
  await lines.until(
    /^ipc: #1, attempt 2, .* s: exit 3\. Failed for good: it waits in dead-letters\.$/,
  );
  assert.deepEqual(await storeOf(run), { deadLetters: [{ to: 'W', messages: 1 }], others: 0 });
});

test('the line in the answer of a failed job has it done again as it stands', async (context) => {
  const place = await shell(context, { IPC_PORT: `${await freePort()}` });
  const { run, begin, port } = place;
  const at = ['--port', `${port}`];
  const flag = join(place.home, 'mended');
  begin(['work', 'W', ...at, '--attempts', '1', '--', 'sh', '-c', `test -e '${flag}' && cat`]);
  await run(['post', 'W', 'the job', '--from', 'A', '--id', "-job $(7)'s", ...at]);
  const { body } = JSON.parse((await run(['wait', 'A', '--json', ...at])).text);
  const [, line = ''] = /`ipc (.*)` has it done again/.exec(body) ?? [];
  await writeFile(flag, '');
  assert.match((await place.line(`"$@" ${line}`)).text, /^Moved back, .*: 1 in "W"\.\n$/);
  assert.equal((await run(['wait', 'A', ...at])).text, 'the job');
});

test('ask prints the answer of a failed job, reports why, and exits with 1', async (context) => {
  const { run, begin } = await shell(context);
  begin(['work', 'W', '--attempts', '1', '--', 'sh', '-c', 'kill -9 $$']);
  const asked = await run(['ask', 'W', 'x', ...ask]);
  assert.equal(asked.code, 1);
  assert.match(asked.text, /^ipc work: failed: signal SIGKILL, attempt 1\n/);
  assert.equal(asked.errors, 'ipc: the job failed: signal SIGKILL, attempt 1.\n');
  const inJson = await run(['ask', 'W', 'x', ...ask, '--json']);
  assert.deepEqual(
    [inJson.code, JSON.parse(inJson.text).failure],
    [1, 'signal SIGKILL, attempt 1'],
  );
});

test('an answer of another program is no failure, whatever it says, and ask exits with 0', async (context) => {
  const { run, begin } = await shell(context);
  begin(['work', 'W', '--', 'printf', 'failed: exit 3']);
  const { code, text } = await run(['ask', 'W', 'x', ...ask, '--json']);
  assert.deepEqual(
    [code, JSON.parse(text).body, JSON.parse(text).failure],
    [0, 'failed: exit 3', null],
  );
});

for (const [what, line, reason] of [
  [
    'prints more than a message can hold',
    'head -c 2000000 /dev/zero',
    'output of 2000000 bytes (limit 1048576)',
  ],
  ['prints what is not UTF-8', "printf 'a\\377'", 'output is not UTF-8'],
  ['runs a program that is not there', 'no-such-program', 'exit 127 (a command was not found)'],
  [
    'runs a program that cannot be executed',
    '/dev/null',
    'exit 126 (a command cannot be executed)',
  ],
] as const) {
  test(`a job that ${what} is not tried again, and its asker is answered at once`, async (context) => {
    const { run, begin } = await shell(context);
    begin(['work', 'W', '--', 'sh', '-c', line]);
    const { code, text } = await run(['ask', 'W', 'x', ...ask, '--json']);
    assert.deepEqual([code, JSON.parse(text).failure], [1, `${reason}, attempt 1`]);
    assert.deepEqual(await storeOf(run), { deadLetters: [{ to: 'W', messages: 1 }], others: 0 });
  });
}

test('without --attempts a job that fails is tried five times, and a retry has it done again', async (context) => {
  const { run, begin, home } = await shell(context);
  await run(['status']);
  const good = join(home, 'good');
  const line = `echo "attempt $IPC_ATTEMPT"; test -e '${good}'`;
  const worker = begin(['work', 'W', '--json', '--', 'sh', '-c', line]);
  const events = new Lines(worker.stdout);
  await run(['post', 'W', 'x', '--from', 'A']);
  const seen: unknown[] = [];
  for (;;) {
    const { event, attempt } = JSON.parse(await events.next());
    if (event !== 'begun') seen.push([event, attempt]);
    if (event === 'failed') break;
  }
  const retried = [1, 2, 3, 4].map((attempt) => ['retried', attempt]);
  assert.deepEqual(seen, [...retried, ['failed', 5]]);
  assert.match((await run(['wait', 'A'])).text, /^ipc work: failed: exit 1, attempt 5\n/);
  await writeFile(good, '');
  assert.equal((await run(['store', 'retry'])).code, 0);
  assert.equal((await run(['wait', 'A'])).text, 'attempt 1\n');
});

test('the answer holds the last 20 lines of stderr, of at most 4,096 bytes, and nothing in it moves the cursor', async (context) => {
  const { run, begin } = await shell(context);
  const line = "seq 1 100000 >&2; printf '\\033[2Jx\\377\\n' >&2; exit 1";
  begin(['work', 'W', '--attempts', '1', '--', 'sh', '-c', line]).stderr?.resume();
  const { body } = JSON.parse((await run(['ask', 'W', 'x', ...ask, '--json'])).text);
  const tail = body.split('The end of its stderr:\n')[1].trimEnd().split('\n');
  assert.equal(tail.length, 20);
  assert.deepEqual(tail.slice(-2), ['100000', '\\u{1b}[2Jx\ufffd']);
  const longLine = 'head -c 100000 /dev/zero | tr "\\0" x >&2; exit 1';
  begin(['work', 'L', '--attempts', '1', '--', 'sh', '-c', longLine]).stderr?.resume();
  const long = JSON.parse((await run(['ask', 'L', 'x', ...ask, '--json'])).text);
  assert.match(long.body, /^.*\n.*\nThe end of its stderr:\nx{4096}\n$/);
});

test('a job without a sender that fails for good is on stderr and in dead-letters', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--attempts', '1', '--', 'false']);
  const lines = new Lines(worker.stderr);
  await run(['post', 'W', 'x']);
  const line = await lines.until(/Failed for good/);
  assert.match(
    line,
    /^ipc: #1, attempt 1, .* s: exit 1\. Failed for good: it waits in dead-letters\.$/,
  );
  assert.deepEqual(await storeOf(run), { deadLetters: [{ to: 'W', messages: 1 }], others: 0 });
});

test('output for a message without a sender is dropped with a note, however much it is', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--', 'head', '-c', '2000000', '/dev/zero']);
  const lines = new Lines(worker.stderr);
  await run(['post', 'W', 'x']);
  assert.match(
    await lines.until(/exit 0/),
    /^ipc: #1: exit 0 after .* s; no sender to answer, 2000000 bytes of output dropped\.$/,
  );
  assert.deepEqual(await storeOf(run), { deadLetters: [], others: 0 });
});

test('a command that hangs, and ignores SIGTERM, is killed at the timeout, and other mail is worked on', async (context) => {
  const { run, begin } = await shell(context);
  const line =
    'read -r text; test "$text" = good && exec echo ok; trap "" TERM; sleep 1000 & wait; wait';
  begin(['work', 'W', '--timeout', '1', '--attempts', '1', '--', 'sh', '-c', line]);
  await run(['post', 'W', 'good', '--from', 'B']);
  assert.equal((await run(['wait', 'B'])).text, 'ok\n');
  const { code, text } = await run(['ask', 'W', 'hang', ...ask, '--json']);
  assert.deepEqual([code, JSON.parse(text).failure], [1, 'timeout of 1 s, attempt 1']);
  await run(['post', 'W', 'good', '--from', 'B']);
  assert.equal((await run(['wait', 'B'])).text, 'ok\n');
});

test('at the timeout the whole process group ends, and a job that left it holds up nothing', async (context) => {
  const { run, begin } = await shell(context);
  // The first child stays in the group; the second leaves it, and keeps stdout open.
  const line = 'sleep 1000 & echo $! >&2; setsid sleep 20 & exit 0';
  begin(['work', 'W', '--timeout', '1', '--attempts', '1', '--', 'sh', '-c', line]);
  const { text } = await run(['ask', 'W', 'x', ...ask, '--json']);
  const { failure, body } = JSON.parse(text);
  assert.equal(failure, 'timeout of 1 s, attempt 1');
  const pid = Number(/stderr:\n(\d+)\n/.exec(body)?.[1]);
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('a timeout is one failed attempt: the job is tried again', async (context) => {
  const { run, begin } = await shell(context);
  const line = 'test "$IPC_ATTEMPT" = 2 || exec sleep 1000; echo done';
  begin(['work', 'W', '--timeout', '1', '--', 'sh', '-c', line]);
  assert.equal((await run(['ask', 'W', 'x', ...ask])).text, 'done\n');
});

test('a second Ctrl-C kills a command that ignores SIGTERM', async (context) => {
  const { begin, run } = await shell(context);
  const line = 'trap "" TERM; echo begun >&2; sleep 1000 & wait; wait';
  const worker = begin(['work', 'W', '--', 'sh', '-c', line]);
  const lines = new Lines(worker.stderr);
  await run(['post', 'W', 'x', '--from', 'A']);
  await lines.until(/^begun$/);
  worker.kill('SIGINT');
  await lines.until(/ending/);
  worker.kill('SIGINT');
  const [report] = await lines.rest();
  assert.match(`${report}`, /: ended with the work\. It is released\.$/);
  assert.equal(JSON.parse((await run(['wait', 'W', '--json'])).text).attempt, 2);
});

test('two workers that cannot do their jobs do not answer each other for ever', async (context) => {
  const { run, begin } = await shell(context);
  const [one, other] = ['X', 'Y'].map((box) =>
    begin(['work', box, '--attempts', '1', '--', 'false']),
  );
  const lines = new Lines(other?.stderr ?? null);
  assert.ok(one);
  await run(['post', 'X', 'x', '--from', 'Y']);
  await lines.until(/Failed for good/);
  // The report of X is a job for Y, whose failure is answered to nobody.
  const { deadLetters, others } = await storeOf(run);
  const to = deadLetters.map((counts: { to: string; messages: number }) => [
    counts.to,
    counts.messages,
  ]);
  assert.deepEqual(
    [to.sort(), others],
    [
      [
        ['X', 1],
        ['Y', 1],
      ],
      0,
    ],
  );
});

test('work on dead-letters that fails leaves the message there, and does not try it again', async (context) => {
  const { run, begin } = await shell(context);
  begin(['work', 'W', '--attempts', '1', '--', 'false']);
  await run(['ask', 'W', 'x', ...ask]);
  const worker = begin(['work', 'dead-letters', '--', 'false']);
  const lines = new Lines(worker.stderr);
  await lines.until(/Failed for good: it stays here until this worker ends\.$/);
  worker.kill('SIGINT');
  assert.deepEqual(await lines.rest(), ['ipc: ending.']);
  assert.deepEqual(await storeOf(run), { deadLetters: [{ to: 'W', messages: 1 }], others: 0 });
});

test('the sender of a message that the disk damaged is answered, too', async (context) => {
  const { run, begin, home, port } = await shell(context);
  await run(['post', 'W', 'a body to be damaged', '--from', 'A', '--id', 'job-7']);
  const folder = join(home, `broker-${port}`);
  for (const name of await readdir(folder, { recursive: true })) {
    const file = join(folder, name);
    const bytes = (await stat(file)).isFile() ? await readFile(file) : Buffer.alloc(0);
    const at = bytes.indexOf('a body to be');
    if (at === -1) continue;
    bytes[at] = 0x41;
    await writeFile(file, bytes);
  }
  const worker = begin(['work', 'W', '--', 'cat']);
  const lines = new Lines(worker.stderr);
  const { body, failure, answers } = JSON.parse((await run(['wait', 'A', '--json'])).text);
  assert.equal(body, 'ipc work: failed: the message was damaged on disk\nPost it again.\n');
  assert.deepEqual([failure, answers], ['the message was damaged on disk', 'job-7']);
  await lines.until(/^ipc: message_damaged: /);
});
