// Where a message comes from: an argument or stdin. What is absent is no message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { ended, nextErrorLine, shell } from '../../support/processes/shell.ts';

const missing = /^ipc: missing_parameter: there is no message: .* To do: give a text, .* --empty /;

test('an empty message is refused, however it comes about, and nothing is stored', async (context) => {
  const { line, run } = await shell(context);
  for (const text of [
    '"$@" post ann ""',
    '"$@" post ann "$NOT_SET"',
    '"$@" post ann < /dev/null',
    '"$@" post ann - < /dev/null',
    '"$@" post ann <&-',
    'false | "$@" post ann',
    '"$@" ask ann --mailbox ben < /dev/null',
    '"$@" ask ann "" --mailbox ben',
    '"$@" send 127.0.0.1:1 < /dev/null',
    '"$@" send 127.0.0.1:1 ""',
  ]) {
    const { code, text: out, errors } = await line(text);
    assert.deepEqual([code, out], [2, ''], text);
    assert.match(errors, missing, text);
  }
  assert.match((await run(['status'])).text, /; 0 messages, 0 bytes; /);
});

test('a stdin that cannot be read is an error in one sentence, and nothing is stored', async (context) => {
  const { line, run } = await shell(context);
  for (const command of ['post ann', 'ask ann --mailbox ben', 'send 127.0.0.1:1', 'key import']) {
    // Nothing is mapped at its beginning.
    const { code, errors } = await line(`"$@" ${command} < /proc/self/mem`);
    assert.match(
      errors,
      /^ipc: bad_body: stdin cannot be read \(EIO\)\. To do: [^\n]*\n$/,
      command,
    );
    assert.equal(code, 2, command);
  }
  assert.match((await run(['status'])).text, /; 0 messages, 0 bytes; /);
});

test('an option that is given twice is a usage error, and nothing is done', async (context) => {
  const { run } = await shell(context);
  const erase = await run(['log', '--erase', '--yes', '--mailbox', 'ann', '--mailbox', 'ben']);
  assert.equal(erase.code, 2);
  assert.match(
    erase.errors,
    /--mailbox <mailbox>' argument 'ben' is invalid\. It may be given only once\./,
  );
  assert.equal((await run(['post', 'ann', 'hi', '--id', 'one', '--id', 'two'])).code, 2);
  assert.equal((await run(['post', 'ann', 'hi', '--from', 'ben', '--from', 'eve'])).code, 2);
  assert.match((await run(['status'])).text, /; 0 messages, 0 bytes; /);
});

test('with --empty an empty message is stored, and another one as it is', async (context) => {
  const { line, run } = await shell(context);
  for (const text of [
    '"$@" post ann "" --empty',
    '"$@" post ann --empty < /dev/null',
    'echo full | "$@" post ann --empty',
    '"$@" post ann text --empty',
  ]) {
    assert.equal((await line(text)).code, 0, text);
  }
  assert.equal((await run(['fetch', 'ann'])).text, '\n\nfull\n\ntext\n');
});

test('a worker whose command prints nothing answers with an empty message', async (context) => {
  const { begin, run } = await shell(context);
  begin(['work', 'quiet', '--', 'true']);
  const { code, text } = await run(['ask', 'quiet', 'Go', '--mailbox', 'ben', '--json']);
  assert.deepEqual([code, JSON.parse(text).body], [0, '']);
});

test('a pipe that stays open is named on stderr after 2 s', async (context) => {
  const { other, run } = await shell(context);
  const posting = other(process.execPath, [program, 'post', 'ann'], null);
  assert.equal(await nextErrorLine(posting), 'Reading the message from stdin.\n');
  posting.stdin?.end('late');
  assert.equal((await ended(posting)).code, 0);
  const quick = await run(['post', 'ann', '--from', 'ben'], 'quick');
  assert.equal(quick.errors, 'Next: ipc wait ben\n');
});

test('--to before the only word is refused, because the word may be a mailbox or the message', async (context) => {
  const { line, run } = await shell(context);
  for (const text of [
    '"$@" post --to ann hi < /dev/null',
    'echo text | "$@" post --to ann hi',
    'echo text | "$@" post --from ben --to=ann hi',
  ]) {
    const { code, errors } = await line(text);
    assert.equal(code, 2, text);
    assert.equal(
      errors,
      'ipc: bad_parameter: --to comes before "hi", which may be a mailbox or the message. ' +
        'To do: write `ipc post ann hi` for one mailbox, `ipc post hi --to ann < FILE` for both.\n',
    );
  }
  const behind = await line('"$@" post hi --to ann < /dev/null');
  assert.equal(behind.code, 2);
  assert.match(
    behind.errors,
    /no message: stdin is empty\. To do: write `ipc post ann hi` for one /,
  );
  assert.match((await run(['status'])).text, /; 0 messages, 0 bytes; /);
  assert.equal((await line('"$@" post --to ann ben Go')).code, 0);
  assert.equal((await line('echo text | "$@" post ben --to ann')).code, 0);
  assert.equal((await run(['fetch', 'ann'])).text, 'Go\ntext\n\n');
});

test('a JSON list is no name of a mailbox on the command line, and nothing is stored or read', async (context) => {
  const { run } = await shell(context);
  for (const [words, parameter, list] of [
    [['post', '["a","b"]', 'hi'], 'to', '["a","b"]'],
    [['post', 'a', 'hi', '--to', '["b"]'], 'to', '["b"]'],
    [['ask', '["a"]', 'hi', '--mailbox', 'me'], 'to', '["a"]'],
    [['ask', 'a', 'hi', '--mailbox', '[a, b]'], 'mailbox', '[a, b]'],
    [['wait', 'a', '["b'], 'mailbox', '["b'],
    [['fetch', '["a"]'], 'mailbox', '["a"]'],
    [['watch', '["a"]'], 'mailbox', '["a"]'],
    [['work', '["a"]', '--', 'true'], 'mailbox', '["a"]'],
  ] as const) {
    const { code, text, errors } = await run(words);
    assert.deepEqual([code, text], [2, ''], words.join(' '));
    assert.equal(
      errors,
      `ipc: bad_parameter: ${parameter} is ${JSON.stringify(list)}, a list as MCP takes it. ` +
        'To do: give each name by itself: `ipc post a --to b`, `ipc wait a b`; a question goes to one mailbox.\n',
    );
  }
  assert.match((await run(['status'])).text, /; 0 messages, 0 bytes; /);
  assert.equal((await run(['post', '[7]', 'hi'])).code, 0);
});
