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
