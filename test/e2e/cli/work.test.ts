// `ipc work`: the worker pattern as one command, with real commands.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { freePort } from '../../support/places.ts';
import { exitCodeOf, Lines } from '../../support/processes/lines.ts';
import { ended, nextLine, shell } from '../../support/processes/shell.ts';

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
  const lines = new Lines(worker.stderr);
  await run(['post', 'W', 'again', '--from', 'A']);
  assert.equal(await lines.next(), 'ipc: waiting for messages in "W"; Ctrl-C ends it.');
  assert.equal(await lines.next(), 'ipc: #1 from "A": begun.');
  assert.match(
    await lines.next(),
    /^ipc: #1, attempt 1, \d\.\d s: exit 3\. Trying again in 1 s\.$/,
  );
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

test('a command that is gone by the time of a message ends the work, and the attempt does not count', async (context) => {
  const { run, begin, home } = await shell(context);
  await run(['status']);
  const command = join(home, 'job.sh');
  await writeFile(command, '#!/bin/sh\ncat\n', { mode: 0o700 });
  const worker = begin(['work', 'W', '--', command]);
  const lines = new Lines(worker.stderr);
  await lines.until(/waiting for messages/);
  await rm(command);
  await run(['post', 'W', 'x', '--from', 'A']);
  await lines.until(/^ipc: bad_parameter: the command cannot be started \(.*ENOENT\)/);
  assert.equal(await exitCodeOf(worker), 2);
  const { body, attempt } = JSON.parse((await run(['wait', 'W', '--json'])).text);
  assert.deepEqual([body, attempt], ['x', 1]);
});

test('work that is out of open files tries the command again, and the attempt does not count', async (context) => {
  if (spawnSync('prlimit', ['--version']).error) return context.skip('there is no prlimit');
  const { run, begin } = await shell(context);
  assert.match(await nextLine(begin(['broker'])), /^This session owns the broker/);
  const worker = begin(['work', 'W', '--', 'sh', '-c', 'echo "attempt $IPC_ATTEMPT"']);
  const lines = new Lines(worker.stderr);
  await run(['post', 'W', 'first', '--from', 'A']);
  assert.equal((await run(['wait', 'A'])).text, 'attempt 1\n');

  const limitFiles = (soft: number) => {
    const args = ['--pid', `${worker.pid}`, `--nofile=${soft}:`];
    assert.equal(spawnSync('prlimit', args).status, 0);
  };
  // Open files stay open, so it can still talk to the broker.
  limitFiles(3);
  await run(['post', 'W', 'second', '--from', 'A']);
  const expected = 'ipc: the command cannot be started (spawn sh EMFILE). Trying again.';
  assert.equal(await lines.until(/cannot be started/), expected);
  limitFiles(1_000);
  assert.equal((await run(['wait', 'A'])).text, 'attempt 1\n');
});

test('Ctrl-C ends the work after the running command has answered', async (context) => {
  const { run, begin, home } = await shell(context);
  const gate = join(home, 'gate');
  await run(['status']);
  const line = `mkfifo '${gate}'; echo begun >&2; read -r text < '${gate}'; echo "$text"`;
  const worker = begin(['work', 'W', '--', 'sh', '-c', line]);
  const lines = new Lines(worker.stderr);
  await run(['post', 'W', 'x', '--from', 'A']);
  await lines.until(/^begun$/);
  worker.kill('SIGINT');
  const ending = 'ipc: ending after the running commands; Ctrl-C again ends those, too.';
  assert.equal(await lines.next(), ending);
  await run(['post', 'W', 'not begun any more']);
  await shellLine(`echo done > '${gate}'`);
  assert.equal(await exitCodeOf(worker), 0);
  assert.equal((await run(['wait', 'A'])).text, 'done\n');
  assert.equal((await run(['wait', 'W'])).text, 'not begun any more');
});

test('a second Ctrl-C ends the command, too, and its message is released', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin([
    'work',
    'W',
    '--attempts',
    '1',
    '--',
    'sh',
    '-c',
    'echo begun >&2; sleep 100',
  ]);
  const lines = new Lines(worker.stderr);
  await run(['post', 'W', 'x', '--from', 'A']);
  await lines.until(/^begun$/);
  worker.kill('SIGINT');
  await lines.until(/ending/);
  worker.kill('SIGINT');
  const report = /^ipc: #1, attempt 1, \d\.\d s: ended with the work\. It is released\.$/;
  assert.match(await lines.next(), report);
  assert.equal(await exitCodeOf(worker), 0);
  const { body, attempt } = JSON.parse((await run(['wait', 'W', '--json'])).text);
  assert.deepEqual([body, attempt], ['x', 2]);
});

test('Ctrl-C while no command runs says only that the work ends', async (context) => {
  const { begin } = await shell(context);
  const worker = begin(['work', 'W', '--', 'cat']);
  const lines = new Lines(worker.stderr);
  await lines.until(/waiting for messages/);
  worker.kill('SIGINT');
  assert.deepEqual(await lines.rest(), ['ipc: ending.']);
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

test('with twelve commands at a time work reports its jobs, and nothing of its own inside', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--parallel', '12', '--json', '--', 'sleep', '100']);
  const [events, notes] = [new Lines(worker.stdout), new Lines(worker.stderr)];
  await notes.until(/waiting for messages/);
  for (let job = 0; job < 12; job++) await run(['post', 'W', 'x']);
  for (let job = 0; job < 12; job++) assert.equal(JSON.parse(await events.next()).event, 'begun');
  worker.kill('SIGINT');
  const ending = '{"note":"ipc: ending after the running commands; Ctrl-C again ends those, too."}';
  assert.equal(await notes.next(), ending);
  worker.kill('SIGINT');
  assert.deepEqual(await notes.rest(), []);
  assert.equal((await events.rest()).length, 12);
});

test('a wrong command line of work is refused with the remedy', async (context) => {
  const { run } = await shell(context);
  for (const [words, code] of [
    [['work'], 'missing_parameter'],
    [['work', 'W'], 'missing_parameter'],
    [['work', 'W', '--parallel', '0', '--', 'cat'], 'bad_parameter'],
    [['work', 'W', '--attempts', '21', '--', 'cat'], 'bad_parameter'],
    [['work', 'W', '--sends-per-hour', '-1', '--', 'cat'], 'bad_parameter'],
    [['work', 'W', '--timeout', '1.5', '--', 'cat'], 'bad_timeout'],
    [['work', 'W', 'grep', '-v', 'x'], 'unknown_parameter'],
  ] as const) {
    const { code: exit, errors } = await run(words);
    assert.equal(exit, 2);
    assert.match(errors, new RegExp(`^ipc: ${code}: `));
  }
});

test('the asker of a shutdown is answered that the worker ends', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--', 'cat']);
  const asked = await run(['ask', 'W', 'shutdown', '--mailbox', 'A']);
  assert.deepEqual([asked.code, asked.text], [0, 'ipc work: this worker ends.\n']);
  assert.equal(await exitCodeOf(worker), 0);
  assert.equal(JSON.parse((await run(['status', '--json'])).text).messages, 0);
});

test('with --no-shutdown the text "shutdown" is a job like any other', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--no-shutdown', '--', 'tr', 'a-z', 'A-Z']);
  assert.equal((await run(['ask', 'W', 'shutdown', '--mailbox', 'A'])).text, 'SHUTDOWN');
  assert.equal(worker.exitCode, null);
});

test('each job is reported on stderr when it begins and when it ends', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'W', '--', 'sh', '-c', 'echo working >&2; cat']);
  const lines = new Lines(worker.stderr);
  await run(['ask', 'W', 'hello', '--mailbox', 'A']);
  await run(['post', 'W', 'for nobody']);
  await run(['post', 'W', 'shutdown']);
  const reports = (await lines.rest()).map((line) => line.replace(/\d+\.\d s/, 'T s'));
  assert.deepEqual(reports, [
    'ipc: waiting for messages in "W"; Ctrl-C ends it.',
    'ipc: #1 from "A": begun.',
    'working',
    'ipc: #1: exit 0 after T s; "A" is answered, 5 bytes.',
    'ipc: #3 from unknown: begun.',
    'working',
    'ipc: #3: exit 0 after T s; no sender to answer, 10 bytes of output dropped.',
    'ipc: #4 from unknown: shutdown.',
  ]);
});

test('with --json each event of a job is an object on stdout, and what the command writes to stderr a note', async (context) => {
  const { run, begin } = await shell(context);
  const line = 'test $IPC_ID = good || { echo oops >&2; exit 3; }; echo done';
  const worker = ended(begin(['work', 'W', '--attempts', '1', '--json', '--', 'sh', '-c', line]));
  await run(['post', 'W', 'x', '--from', 'A', '--id', 'good']);
  // Its answer is the second message.
  await run(['wait', 'A']);
  await run(['post', 'W', 'x', '--id', 'bad']);
  await run(['post', 'W', 'shutdown', '--id', 'end']);
  const { code, text, errors } = await worker;
  const events = text
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each));
  const none = { ms: null, exit: null, signal: null, bytes: null, reason: null, stderr: null };
  const good = { number: 1, id: 'good', from: 'A', attempt: 1 };
  const bad = { number: 3, id: 'bad', from: '', attempt: 1 };
  const end = { number: 4, id: 'end', from: '', attempt: 1 };
  for (const event of events) if (event.ms !== null) event.ms = 1;
  assert.deepEqual(events, [
    { event: 'begun', ...good, ...none },
    { event: 'answered', ...good, ...none, ms: 1, exit: 0, bytes: 5 },
    { event: 'begun', ...bad, ...none },
    {
      event: 'failed',
      ...bad,
      ms: 1,
      exit: 3,
      signal: null,
      bytes: 0,
      reason: 'exit 3',
      stderr: 'oops',
    },
    { event: 'shutdown', ...end, ...none },
  ]);
  const notes = errors
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each).note);
  assert.deepEqual(notes, ['ipc: waiting for messages in "W"; Ctrl-C ends it.', 'oops']);
  assert.equal(code, 0);
});

test('a command that cannot be run is refused before a message is taken, with the remedy', async (context) => {
  const { run, home } = await shell(context);
  await run(['post', 'W', 'x']);
  const file = join(home, 'not-executable');
  await writeFile(file, '#!/bin/sh\n', { mode: 0o600 });
  for (const [command, what, hint] of [
    [
      'tr a-z A-Z',
      'the command "tr a-z A-Z" is not on the PATH',
      "give the command and its arguments as separate words, or a line of the shell: sh -c '...'",
    ],
    ['no-such', 'the command "no-such" is not on the PATH', 'install it, or give its path'],
    ['./no-such', 'the command "./no-such" does not exist', 'check the path'],
    [home, `the command "${home}" is a folder`, 'check the path'],
    [
      file,
      `the command "${file}" may not be executed`,
      'make it executable (`chmod +x`), or run it with its interpreter',
    ],
    ['', 'the command is empty', 'name a program'],
  ] as const) {
    const { code, errors } = await run(['work', 'W', '--', command]);
    assert.deepEqual([code, errors], [2, `ipc: bad_parameter: ${what}. To do: ${hint}.\n`]);
  }
  assert.equal(JSON.parse((await run(['wait', 'W', '--json'])).text).attempt, 1);
});

test('work reports a broker that is not there once for all its commands, and tries again', async (context) => {
  const address = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address;
  if (address === undefined) return context.skip('this machine has no address but loopback');
  const { begin } = await shell(context);
  const host = `${address}:${await freePort()}`;
  const worker = begin(['work', 'W', '--parallel', '20', '--host', host, '--', 'cat']);
  const lines = new Lines(worker.stderr);
  const expected = `ipc: unreachable: ${host}: no program answers (ECONNREFUSED). Trying again.`;
  assert.equal(await lines.until(/unreachable/), expected);
  worker.kill('SIGINT');
  assert.deepEqual(await lines.rest(), ['ipc: ending.']);
});

test('a worker whose stderr nobody reads goes on working', async (context) => {
  const { begin, home, port } = await shell(context);
  // Two lines for each job, with this name: together more than a pipe takes.
  const [name, jobs] = ['x'.repeat(200), 400];
  const mail = await open({ home, port, name });
  context.after(() => mail.close());
  const { stderr } = begin(['work', 'W', '--parallel', '8', '--', 'true']);
  for (let job = 0; job < jobs; job++) await mail.post('W', 'x');
  for (let job = 0; job < jobs; job++) assert.ok(await mail.wait(name, { timeoutMs: 60_000 }));
  assert.equal(stderr?.readableFlowing, null);
});

async function shellLine(text: string): Promise<void> {
  await once(spawn('sh', ['-c', text]), 'exit');
}

const key = '5a'.repeat(32);
/** Posts through its own `ipc`, which is `"$@"`, then prints what came of it and which variables of the key it has. */
const postsItself =
  '"$@" post other x --quiet >/dev/null 2>"$IPC_HOME/said"; echo "exit $?"; cat "$IPC_HOME/said"; env | grep "^IPC_KEY" | sort';
/** Starts a worker for one job, and prints its answer. */
const oneJob = (option = '') =>
  `"$@" work W ${option} -- sh -c '${postsItself}' sh "$@" & "$@" ask W x --mailbox A; "$@" post W shutdown >&2; wait`;

test('the command of a worker does not get IPC_KEY, and its own ipc says why it has no key', async (context) => {
  const { line } = await shell(context);
  const { text } = await line(oneJob(), { IPC_KEY: key });
  assert.equal(
    text,
    [
      'exit 1',
      'ipc: key_unusable: `ipc work` has its key from IPC_KEY alone, which its command does not get. To do: keep the key in a file (`ipc help key import`), or start the worker with --pass-key.',
      'IPC_KEY_WITHHELD=1\n',
    ].join('\n'),
  );
});

test("the command's own ipc has the key from a file that has the same one", async (context) => {
  const { line, home } = await shell(context);
  await mkdir(home, { mode: 0o700 });
  await writeFile(join(home, 'key'), `${key}\n`, { mode: 0o600 });
  assert.equal((await line(oneJob(), { IPC_KEY: key })).text, 'exit 0\n');
  // Another key in the file is not the worker's.
  await writeFile(join(home, 'key'), `${'a5'.repeat(32)}\n`, { mode: 0o600 });
  const { text } = await line(oneJob(), { IPC_KEY: key });
  assert.match(text, /^exit 1\nipc: key_unusable: .*\nIPC_KEY_WITHHELD=1\n$/);
});

test('with --pass-key the command of a worker gets IPC_KEY', async (context) => {
  const { line } = await shell(context);
  assert.equal(
    (await line(oneJob('--pass-key'), { IPC_KEY: key })).text,
    `exit 0\nIPC_KEY=${key}\n`,
  );
});
