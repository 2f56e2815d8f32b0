// `ipc work`: the worker pattern as one command, with real commands.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { ended, nextErrorLine, nextLine, shell } from '../../support/processes/shell.ts';

test("work posts the command's output to the sender, which settles the message", async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']);
  const posted = await run(['post', 'upper', 'hello', '--from', 'A', '--json']);
  const answer = JSON.parse((await run(['wait', 'A', '--json'])).text);
  assert.equal(answer.body, 'HELLO');
  assert.equal(answer.from, 'upper');
  assert.equal(answer.answers, JSON.parse(posted.text).id);
  await run(['post', 'upper', ' shutdown\n']);
  assert.equal((await ended(worker)).code, 0);
  assert.equal(JSON.parse((await run(['status', '--json'])).text).messages, 0);
});

test("work describes the message in the command's environment", async (context) => {
  const { run, begin } = await shell(context);
  const line = 'echo "$IPC_FROM $IPC_ID $IPC_ATTEMPT $IPC_MAILBOX"';
  begin(['work', 'W', '--from', 'me', '--', 'sh', '-c', line]);
  await run(['post', 'W', 'x', '--from', 'A', '--id', 'job-7']);
  const answer = JSON.parse((await run(['wait', 'A', '--json'])).text);
  assert.equal(answer.body, 'A job-7 1 W\n');
  assert.equal(answer.from, 'me');
});

test('a message whose command failed is redelivered', async (context) => {
  const { run, begin } = await shell(context);
  const line = 'test "$IPC_ATTEMPT" = 2 || exit 3; cat';
  const worker = begin(['work', 'W', '--', 'sh', '-c', line]);
  await run(['post', 'W', 'again', '--from', 'A']);
  assert.match(await nextErrorLine(worker), /^#1, attempt 1: sh exited with 3\n$/);
  assert.equal((await run(['wait', 'A'])).text, 'again');
});

test('work handles other mail while a failed message waits', async (context) => {
  const { run, begin } = await shell(context);
  const line =
    'read -r text; test "$text" = good || test "$IPC_ATTEMPT" = 3 || exit 1; echo "$text"';
  begin(['work', 'W', '--', 'sh', '-c', line]);
  await run(['post', 'W', 'bad', '--from', 'A']);
  await run(['post', 'W', 'good', '--from', 'A']);
  assert.equal((await run(['wait', 'A'])).text, 'good\n');
  assert.equal((await run(['wait', 'A'])).text, 'bad\n');
});

test('a command that cannot be started ends the work, and the attempt does not count', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'W', 'x', '--from', 'A']);
  const { code, errors } = await run(['work', 'W', '--', 'no-such-command']);
  assert.equal(code, 2);
  assert.match(errors, /^ipc: bad_parameter: the command cannot be started \(.*ENOENT\)/);
  const { body, attempt } = JSON.parse((await run(['wait', 'W', '--json'])).text);
  assert.deepEqual([body, attempt], ['x', 1]);
});

test('work that is out of open files tries the command again, and the attempt does not count', async (context) => {
  if (spawnSync('prlimit', ['--version']).error) return context.skip('there is no prlimit');
  const { run, begin } = await shell(context);
  assert.match(await nextLine(begin(['broker'])), /^This session owns the broker/);
  const worker = begin(['work', 'W', '--', 'sh', '-c', 'echo "attempt $IPC_ATTEMPT"']);
  await run(['post', 'W', 'first', '--from', 'A']);
  assert.equal((await run(['wait', 'A'])).text, 'attempt 1\n');

  const limitFiles = (soft: number) => {
    const args = ['--pid', `${worker.pid}`, `--nofile=${soft}:`];
    assert.equal(spawnSync('prlimit', args).status, 0);
  };
  // Open files stay open, so it can still talk to the broker.
  limitFiles(3);
  const report = nextErrorLine(worker);
  await run(['post', 'W', 'second', '--from', 'A']);
  const expected = 'the command cannot be started (spawn sh EMFILE). Trying again.\n';
  assert.equal(await report, expected);
  limitFiles(1_000);
  assert.equal((await run(['wait', 'A'])).text, 'attempt 1\n');
});

test('a command whose output is not UTF-8 leaves the message in its mailbox', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--', 'printf', 'a\\377']);
  await run(['post', 'W', 'x', '--from', 'A']);
  assert.match(
    await nextErrorLine(worker),
    /^#1, attempt 1: the output of the command is not UTF-8\n$/,
  );
  worker.kill('SIGINT');
  assert.equal((await ended(worker)).code, 0);
  assert.equal((await run(['wait', 'W'])).text, 'x');
});

test('Ctrl-C ends the work after the running command has answered', async (context) => {
  const { run, begin, home } = await shell(context);
  const gate = join(home, 'gate');
  await run(['status']);
  const line = `mkfifo '${gate}'; echo begun >&2; read -r text < '${gate}'; echo "$text"`;
  const worker = begin(['work', 'W', '--', 'sh', '-c', line]);
  await run(['post', 'W', 'x', '--from', 'A']);
  assert.equal(await nextErrorLine(worker), 'begun\n');
  worker.kill('SIGINT');
  assert.match(
    await nextErrorLine(worker),
    /^ipc: ending after the running commands; Ctrl-C again/,
  );
  await run(['post', 'W', 'not begun any more']);
  await shellLine(`echo done > '${gate}'`);
  assert.equal((await ended(worker)).code, 0);
  assert.equal((await run(['wait', 'A'])).text, 'done\n');
  assert.equal((await run(['wait', 'W'])).text, 'not begun any more');
});

test('a second Ctrl-C ends the command, too, and its message is released', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--', 'sh', '-c', 'echo begun >&2; sleep 100']);
  await run(['post', 'W', 'x', '--from', 'A']);
  assert.equal(await nextErrorLine(worker), 'begun\n');
  worker.kill('SIGINT');
  await nextErrorLine(worker);
  worker.kill('SIGINT');
  assert.match(await nextErrorLine(worker), /^#1, attempt 1: sh was ended by SIGTERM\n$/);
  assert.equal((await ended(worker)).code, 0);
  const { body, attempt } = JSON.parse((await run(['wait', 'W', '--json'])).text);
  assert.deepEqual([body, attempt], ['x', 2]);
});

test('--parallel limits the commands that run at the same time', async (context) => {
  const { run, begin, home } = await shell(context);
  await run(['status']);
  // Each of the two ends only when the other has begun.
  const line = `touch '${home}'/begun-$IPC_ID; while test ! -e '${home}'/begun-a -o ! -e '${home}'/begun-b; do sleep 0.05; done; cat`;
  begin(['work', 'W', '--parallel', '2', '--', 'sh', '-c', line]);
  for (const id of ['a', 'b']) await run(['post', 'W', id, '--from', 'A', '--id', id]);
  const answers = [(await run(['wait', 'A'])).text, (await run(['wait', 'A'])).text];
  assert.deepEqual(answers.sort(), ['a', 'b']);
});

test('a wrong command line of work is refused with the remedy', async (context) => {
  const { run } = await shell(context);
  for (const [words, code] of [
    [['work'], 'missing_parameter'],
    [['work', 'W'], 'missing_parameter'],
    [['work', 'W', '--parallel', '0', '--', 'cat'], 'bad_parameter'],
    [['work', 'W', 'grep', '-v', 'x'], 'unknown_parameter'],
  ] as const) {
    const { code: exit, errors } = await run(words);
    assert.equal(exit, 2);
    assert.match(errors, new RegExp(`^ipc: ${code}: `));
  }
});

async function shellLine(text: string): Promise<void> {
  await once(spawn('sh', ['-c', text]), 'exit');
}
