// `--json`: the fields of each command's objects, and what comes on stderr.
import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { makeProgram } from '../../../src/cli/program.ts';
import { jsonObjects } from '../../../src/cli/topics.ts';
import { freePort } from '../../support/places.ts';
import { Lines } from '../../support/processes/lines.ts';
import { type Ended, ended, nextLine, shell } from '../../support/processes/shell.ts';

const message = [
  ...['id', 'number', 'mailbox', 'to', 'from', 'program', 'pid', 'machine', 'folder'],
  ...['time', 'attempt', 'lastHold'],
  ...['answers', 'depth', 'remaining', 'elsewhere', 'failure', 'damaged', 'body'],
];
const keyChange = ['path', 'same', 'old'];

const expected: Readonly<Record<string, readonly string[]>> = {
  post: [
    'to',
    'id',
    'number',
    'duplicate',
    'reader',
    'watched',
    'paused',
    'before',
    'holder',
    'same',
    'elsewhere',
  ],
  wait: message,
  fetch: message,
  watch: ['mailbox', 'unread', 'number', 'attempt', 'ageMs'],
  ask: message,
  peek: [
    ...['id', 'number', 'mailbox', 'to', 'from', 'program', 'pid', 'machine', 'folder'],
    ...['time', 'attempt'],
    ...['answers', 'holder', 'lastHold', 'bytes', 'damaged', 'line', 'body'],
  ],
  drop: ['mailbox', 'dropped', 'held', 'missing'],
  pause: ['all', 'mailboxes'],
  resume: ['all', 'mailboxes'],
  log: [
    ...['id', 'number', 'mailbox', 'to', 'from', 'program', 'pid', 'machine', 'folder', 'time'],
    ...['answers', 'state', 'since', 'attempts', 'holder', 'bytes', 'damaged', 'line', 'body'],
    ...['life', 'kind'],
  ],
  find: ['id', 'state', 'number', 'mailbox', 'to', 'time', 'attempt', 'holder', 'answeredBy'],
  send: ['received', 'host'],
  receive: ['from', 'program', 'pid', 'machine', 'folder', 'body'],
  ping: ['host', 'ms'],
  broker: ['port', 'role', 'pid', 'epoch', 'addresses', 'messages', 'warnings', 'server'],
  status: [
    ...['host', 'port', 'pid', 'own', 'epoch', 'addresses', 'messages', 'bytes', 'sessions'],
    ...[
      'namedSessions',
      'sessionList',
      'mailboxCount',
      'mailboxes',
      'deadLetterCount',
      'deadLetters',
      'paused',
      'damaged',
    ],
    ...['storageStalledMs', 'warnings'],
  ],
  'store check': [
    ...['folder', 'records', 'mailboxes', 'messages', 'bytes'],
    ...[
      'deadLetters',
      'paused',
      'store',
      'epoch',
      'sound',
      'faults',
      'history',
      'kept',
      'warnings',
      'segments',
    ],
  ],
  'store retry': ['moved', 'stayed', 'missing'],
  'store compact': ['folder', 'freed', 'bytesBefore', 'bytesAfter'],
  'store move': [
    ...['from', 'to', 'dryRun', 'messages', 'bytes', 'again', 'mailboxes', 'held', 'holders'],
    ...['stayed', 'later', 'taken', 'paused'],
  ],
  doctor: ['about', 'ok', 'what', 'hint'],
  work: [
    ...['event', 'number', 'id', 'from', 'attempt', 'ms', 'exit', 'signal', 'bytes', 'reason'],
    'stderr',
  ],
  ui: ['url'],
  'key show': ['key', 'path', 'old'],
  'key new': keyChange,
  'key import': keyChange,
  'key retire': keyChange,
};

test('the manual lists these fields for each command', async () => {
  const program = await makeProgram({ out: '', errors: '' }, false);
  const table = jsonObjects(program).flatMap(({ commands, fields }) =>
    commands.map((command) => [command, Object.keys(fields)]),
  );
  assert.deepEqual(Object.fromEntries(table), expected);
});

test('each command prints those fields, in that order, and nothing else', async (context) => {
  const { run, begin } = await shell(context);
  const seen: Record<string, readonly string[]> = {};
  const see = (command: string, { text, errors }: Ended) => {
    assert.equal(errors, '', command);
    const lines = text.trimEnd().split('\n');
    // The lines of a pause and of a message have not the same fields.
    seen[command] = [...new Set(lines.flatMap((line) => Object.keys(JSON.parse(line))))];
  };
  const json = async (command: string, ...words: string[]) =>
    see(command, await run([...command.split(' '), ...words, '--json']));
  await json('post', 'B', 'one', '--from', 'A');
  await json('wait', 'B');
  await run(['post', 'B', 'two']);
  await json('watch', 'B');
  await json('peek', 'B');
  await json('find', 'none');
  await json('pause', 'B');
  await json('resume', '--all');
  await json('fetch', 'B');
  await json('drop', 'B', '--yes');
  const owner = begin(['broker', '--json']);
  const line = await new Promise((resolve) => owner.stdout?.once('data', resolve));
  seen.broker = Object.keys(JSON.parse(String(line)));
  const worker = begin(['work', 'upper', '--json', '--', 'tr', 'a-z', 'A-Z']);
  await json('ask', 'upper', 'hello', '--mailbox', 'A');
  seen.work = Object.keys(JSON.parse(await new Lines(worker.stdout).next()));
  const port = `${await freePort()}`;
  const receiving = ended(begin(['receive', '--port', port, '--json']));
  await json('ping', `127.0.0.1:${port}`);
  await json('send', `127.0.0.1:${port}`, 'hi');
  see('receive', await receiving);
  await json('status');
  const page = begin(['ui', '--port', `${await freePort()}`, '--json']);
  seen.ui = Object.keys(JSON.parse(await new Lines(page.stdout).next()));
  await json('store check');
  await json('log');
  await json('store retry');
  await json('store compact');
  await json('store move', '--to-port', `${await freePort()}`);
  await json('doctor');
  await json('key show');
  await json('key new');
  await json('key retire');
  const { text } = await run(['key', 'show']);
  see('key import', await run(['key', 'import', '--json'], text));
  assert.deepEqual(seen, expected);
});

test('a field without a value is null', async (context) => {
  const { run } = await shell(context);
  assert.equal(JSON.parse((await run(['status', '--json'])).text).host, null);
  const [node = ''] = (await run(['doctor', '--json'])).text.split('\n');
  assert.deepEqual(JSON.parse(node), {
    about: 'Node',
    ok: true,
    what: process.version,
    hint: null,
  });
});

test('an error is one object on stderr, with the usual exit code', async (context) => {
  const { run } = await shell(context);
  const error = async (...words: string[]) => {
    const { code, text, errors } = await run([...words, '--json']);
    assert.equal(text, '');
    return { code, ...JSON.parse(errors) };
  };
  assert.deepEqual(await error('wait', 'B', '--timeout', '301'), {
    code: 2,
    error: {
      code: 'bad_timeout',
      message: 'timeout is "301"; it must be whole seconds from 1 to 300',
      hint: 'to wait without end, give 0',
      retry: false,
      maybeStored: false,
    },
  });
  assert.deepEqual(await error('wait'), {
    code: 2,
    error: {
      code: 'missing_parameter',
      message: "missing required argument 'mailbox'",
      hint: 'see `ipc wait --help`',
      retry: false,
      maybeStored: false,
    },
  });
  const port = await freePort();
  const nobody = await error('send', `127.0.0.1:${port}`, 'hi', '--timeout', '1');
  assert.deepEqual([nobody.code, nobody.error.code, nobody.error.retry], [1, 'unreachable', true]);
});

test('a timeout is one object on stderr, and exit code 124', async (context) => {
  const { run } = await shell(context);
  const nothing = await run(['wait', 'B', '--timeout', '1', '--json']);
  assert.deepEqual(
    [nothing.code, nothing.text, nothing.errors],
    [124, '', '{"timeout":{"seconds":1,"stored":null}}\n'],
  );
  const asked = await run(['ask', 'B', '?', '--mailbox', 'A', '--timeout', '1', '--json']);
  assert.deepEqual([asked.code, asked.text], [124, '']);
  const { timeout } = JSON.parse(asked.errors);
  assert.deepEqual([timeout.seconds, timeout.stored.number], [1, 1]);
  const question = JSON.parse((await run(['wait', 'B', '--json'])).text);
  assert.equal(timeout.stored.id, question.id);
});

test('Ctrl-C is an error object, and notes are objects', async (context) => {
  const { run, begin, home } = await shell(context);
  const { errors } = await run(['store', 'check', '--json']);
  assert.ok(JSON.parse(errors).note.startsWith(`No store in ${home}`));
  const owner = begin(['broker']);
  await nextLine(owner);
  const waiting = begin(['wait', 'B', '--json']);
  for (;;) {
    const status = JSON.parse((await run(['status', '--json'])).text);
    if (status.mailboxes.some((box: { waiting: number }) => box.waiting === 1)) break;
  }
  waiting.kill('SIGINT');
  const end = await ended(waiting);
  assert.deepEqual([end.code, JSON.parse(end.errors)], [130, interrupted]);
  await run(['post', 'B', 'hi']);
  for (const args of [
    ['log', '--follow'],
    ['watch', 'B', '--follow'],
  ]) {
    const following = begin([...args, '--json']);
    assert(following.stdout && following.stderr);
    const lines = new Lines(following.stdout);
    const errors = buffer(following.stderr);
    await lines.next();
    following.kill('SIGINT');
    assert.deepEqual([args, JSON.parse(String(await errors))], [args, interrupted]);
  }
});

const interrupted = {
  error: {
    code: 'cancelled',
    message: 'interrupted (SIGINT).',
    hint: '',
    retry: false,
    maybeStored: false,
  },
};
