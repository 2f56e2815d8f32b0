// What goes to stdout, and what to stderr: results can be piped, and notes cannot get into them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../../support/places.ts';
import { ended, shell } from '../../support/processes/shell.ts';

test('the result of a command goes to stdout, and stderr stays empty', async (context) => {
  const { run, begin } = await shell(context);
  const port = `${await freePort()}`;
  const receiving = ended(begin(['receive', '--port', port]));
  const reports: [readonly string[], RegExp][] = [
    [['ping', `127.0.0.1:${port}`], /^127\.0\.0\.1:\d+ answered in [0-9.]+ ms\.\n$/],
    [['send', `127.0.0.1:${port}`, 'hi', '--from', 'ben'], /^Received by the session at .*\.\n$/],
    [['post', 'ann', 'shutdown'], /^Stored as #1 in "ann"; no reader is waiting there\.\n$/],
    [['status'], /^Broker on port .*\n"ann": 1 ready/],
    [['store', 'check'], /^Store in .*: sound; [\s\S]*\n"ann": 1 message, 8 bytes\n$/],
    [['store', 'retry'], /^No dead letter was moved\.\n$/],
    [['doctor'], /^ok {3}Node: /],
    [['install', 'cursor', '--print'], /^Cursor:\n {2}/],
    [['install', 'cursor', '--yes'], /^Cursor:\n[\s\S]*Cursor has ipc when it is restarted\.\n$/],
    [['install', 'cursor', '--yes'], /^Cursor: nothing to do\.\n$/],
    [['key', 'new'], /^A new key is used from now on: /],
    [['key', 'retire'], /^Only the key in .* is valid from now on\.\n$/],
  ];
  for (const [words, expected] of reports) {
    const { code, text, errors } = await run(words);
    assert.deepEqual([code, errors], [0, ''], words.join(' '));
    assert.match(text, expected);
  }
  assert.equal((await receiving).text, 'hi');
});

test('a post without a name has a note on stderr, unless it is `shutdown` or --quiet is given', async (context) => {
  const { run } = await shell(context);
  const note = 'No --from, so nobody can answer it.\n';
  for (const [words, expected] of [
    [['post', 'ann', 'Go'], note],
    [['post', 'ann', 'shutdown'], ''],
    [['post', 'ann', 'Go', '--quiet'], ''],
    [['post', '-q', 'ann', 'Go'], ''],
    [['-q', 'post', 'ann', 'Go', '--from', 'ben'], ''],
  ] as const) {
    const { code, text, errors } = await run(words);
    assert.match(text, /^Stored as #\d .*\n$/);
    assert.deepEqual([code, errors], [0, expected], words.join(' '));
  }
});

test('what is left, and what waits for the name of the session, is a note on stderr, or a field with --json', async (context) => {
  const { line } = await shell(context);
  const run = (words: string) => line(`"$@" ${words}`, { IPC_NAME: 'ann' });
  for (const text of ['one', 'two', 'three', 'four']) await run(`post jobs ${text}`);
  const question = await run('post ann Ready --from ben');
  assert.equal(question.text, 'Stored as #5 in "ann"; no reader is waiting there.\n');
  const first = await run('wait jobs');
  assert.deepEqual([first.text, first.errors], ['one', '3 more in "jobs"; 1 unread in "ann".\n']);
  const second = await run('wait jobs --json');
  const { remaining, elsewhere } = JSON.parse(second.text);
  assert.deepEqual([remaining, elsewhere, second.errors], [2, [{ mailbox: 'ann', ready: 1 }], '']);
  const third = await run('fetch jobs --max 1');
  assert.deepEqual([third.text, third.errors], ['three\n', '1 more there.\n1 unread in "ann".\n']);
  const last = await run('fetch jobs -q');
  assert.deepEqual([last.text, last.errors], ['four\n', '']);
  const late = await run('wait jobs --timeout 1');
  assert.deepEqual([late.code, late.errors], [124, 'No message within 1 s; 1 unread in "ann".\n']);
});

test('a repeated post or ask says that its text is there twice', async (context) => {
  const { run } = await shell(context);
  const ago = (text: string) => text.replace(/\d+ s ago/, 'N s ago');
  await run(['post', 'jobs', 'build', '--from', 'ann']);
  const again = await run(['post', 'jobs', 'build', '--from', 'ann']);
  const note = 'N s ago, and is unread: it is there twice now';
  assert.equal(
    ago(again.text),
    `Stored as #2 in "jobs"; 1 unread before it; no reader is waiting there; the same text was stored as #1, ${note}.\n`,
  );
  const asked = await run(['ask', 'jobs', 'build', '--mailbox', 'ann', '--timeout', '1']);
  assert.equal(
    ago(asked.errors),
    `The question is stored as #3; the same text was stored as #2, ${note}.\nNo answer to #3 within 1 s; it was stored.\n`,
  );
});

test('--quiet drops the line of a timeout, and no error', async (context) => {
  const { run } = await shell(context);
  const late = await run(['wait', 'ann', '--timeout', '1', '-q']);
  assert.deepEqual([late.code, late.text, late.errors], [124, '', '']);
  const wrong = await run(['wait', 'ann', '--timeout', '301', '-q']);
  assert.deepEqual([wrong.code, wrong.text], [2, '']);
  assert.match(wrong.errors, /^ipc: bad_timeout: /);
});

test('a -q behind the command of `work` is not taken from it', async (context) => {
  const { run } = await shell(context);
  const { code, errors } = await run(['work', 'jobs', 'grep', '-q', 'x']);
  assert.equal(code, 2);
  assert.match(errors, /^ipc: unknown_parameter: unknown option '-q'.* put `--` before/);
});

test('a report whose reader has seen enough is no failure', async (context) => {
  const { line } = await shell(context);
  for (const command of ['post ann Go', 'status', 'doctor', 'peek ann']) {
    for (const words of [command, `${command} --json`]) {
      const { errors } = await line(`{ "$@" -q ${words}; echo "exit $?" >&2; } | true`);
      assert.equal(errors, 'exit 0\n', words);
    }
  }
});

test('a report that cannot be written exits with 1, and says that the call succeeded', async (context) => {
  const { line, run } = await shell(context);
  const { code, errors } = await line('"$@" post ann Go > /dev/full');
  assert.equal(code, 1);
  assert.match(
    errors,
    /^ipc: output_failed: stdout cannot be written \(ENOSPC\); the call itself succeeded/,
  );
  assert.equal((await run(['fetch', 'ann'])).text, 'Go\n');
});
