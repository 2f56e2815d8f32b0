// The program as people and scripts use it: built, each command a process.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { bodyBytesMax } from '../../../src/base/limits.ts';
import { version } from '../../../src/base/version.ts';
import { program } from '../../support/mcp-host.ts';
import { freePort } from '../../support/places.ts';
import { ended, nextLine, shell } from '../../support/processes/shell.ts';

test('post stores with no broker alive, and a later wait prints the exact bytes', async (context) => {
  const { run } = await shell(context);
  const body = '\ufefftwo\nlines \u0000 and ✓, no newline at the end';
  const posted = await run(['post', 'B', '-', '--from', 'A'], body);
  assert.equal(posted.code, 0);
  assert.match(posted.text, /^Stored as #1 .*\n$/);
  assert.equal(posted.errors, 'Next: ipc wait A\n');
  const waited = await run(['wait', 'B']);
  assert.equal(waited.code, 0);
  assert.deepEqual(waited.out, Buffer.from(body));
  assert.equal((await run(['wait', 'B', '--timeout', '1'])).code, 124);
});

test('status lists every mailbox that the broker lists, however long the list is', async (context) => {
  const { run } = await shell(context);
  const names = Array.from({ length: 500 }, (_, index) => `mailbox-${index}-${'x'.repeat(60)}`);
  for (let first = 0; first < 500; first += 100) {
    const [name = '', ...others] = names.slice(first, first + 100);
    await run(['post', name, 'hi', ...others.flatMap((other) => ['--to', other])]);
  }
  const { text } = await run(['status']);
  const listed = [...text.matchAll(/^"(mailbox-.*)": 1 ready/gm)].map(([, name]) => name);
  assert.deepEqual(listed.sort(), names.sort());
  assert.doesNotMatch(text, /more mailboxes/);
});

test('1 MB passes through stdin and stdout, one byte more is refused', async (context) => {
  const { run } = await shell(context);
  const body = Buffer.alloc(bodyBytesMax, '\n');
  assert.equal((await run(['post', 'B'], body)).code, 0);
  assert.deepEqual((await run(['wait', 'B'])).out, body);
  const { code, errors } = await run(['post', 'B'], Buffer.alloc(bodyBytesMax + 1, 'a'));
  assert.equal(code, 2);
  assert.match(errors, /^ipc: body_too_large: /);
});

test('a folder as stdin is refused, so no empty message is stored', async (context) => {
  const { line } = await shell(context);
  const { code, errors } = await line('"$@" post B < /');
  assert.equal(code, 2);
  assert.match(errors, /^ipc: bad_body: stdin is a folder, not a file/);
});

test('bytes that are not UTF-8 are refused on stdin', async (context) => {
  const { run } = await shell(context);
  const { code, errors } = await run(['post', 'B'], Buffer.from([0x61, 0xff]));
  assert.equal(code, 2);
  assert.match(errors, /^ipc: bad_body: message is not UTF-8/);
  assert.equal((await run(['post', 'B'], 'a \ufffd that is meant')).code, 0);
});

test('fetch prints each body and a newline, and settles them', async (context) => {
  const { run } = await shell(context);
  for (const body of ['one', 'two', '']) await run(['post', 'B', body, '--empty']);
  const { code, text } = await run(['fetch', 'B']);
  assert.deepEqual([code, text], [0, 'one\ntwo\n\n']);
  const again = await run(['fetch', 'B']);
  assert.deepEqual([again.code, again.text], [0, '']);
});

const noTerminal = existsSync('/usr/bin/script') ? false : 'no `script` here to make a terminal';

test('control characters are escaped on a terminal, unless --raw is given', {
  skip: noTerminal,
}, async (context) => {
  const { run, home, port } = await shell(context);
  for (const options of [[], ['--raw']]) {
    await run(['post', 'B', 'a\u001b[2Jb\u202e']);
    const words = [process.execPath, program, 'wait', 'B', ...options];
    const command = `exec ${words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}`;
    const env = { PATH: process.env.PATH, IPC_HOME: home, IPC_PORT: `${port}`, SHELL: '/bin/sh' };
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], { env });
    child.stdin.end();
    const { text } = await ended(child);
    const shown = options.length === 0 ? 'a\\u{1b}[2Jb\\u{202e}' : 'a\u001b[2Jb\u202e';
    assert(text.includes(shown), JSON.stringify(text));
  }
});

test('wait, fetch and receive write the exact bytes to a pipe', async (context) => {
  const { run, port } = await shell(context);
  const body = 'a\u001b[2Jb\u202e\u3164\r\u0000';
  await run(['post', 'B'], body);
  assert.equal((await run(['wait', 'B'])).text, body);
  await run(['post', 'B'], body);
  assert.equal((await run(['fetch', 'B'])).text, `${body}\n`);
  const receiving = run(['receive', '--port', `${port + 1}`]);
  await run(['send', `127.0.0.1:${port + 1}`], body);
  assert.equal((await receiving).text, body);
});

test('--json prints one object a line', async (context) => {
  const { run, port } = await shell(context);
  const stored = JSON.parse((await run(['post', 'B', 'hi', '--json', '--id', 'mine'])).text);
  assert.deepEqual(stored, {
    ...{ to: 'B', id: 'mine', number: 1, duplicate: false, reader: false },
    ...{ watched: false, paused: false, before: 0, holder: null, same: null, elsewhere: [] },
  });
  const twice = JSON.parse((await run(['post', 'B', 'hi', '--json', '--id', 'mine'])).text);
  assert.equal(twice.duplicate, true);
  const status = JSON.parse((await run(['status', '--json'])).text);
  assert.deepEqual([status.port, status.messages, status.own], [port, 1, true]);
  const all = JSON.parse((await run(['wait', 'B', '--json'])).text);
  const { time, pid, machine, folder, ...message } = all;
  assert.deepEqual(
    [typeof time, typeof pid, typeof machine, typeof folder],
    ['number', 'number', 'string', 'string'],
  );
  assert.deepEqual(message, {
    id: 'mine',
    number: 1,
    mailbox: 'B',
    to: 'B',
    from: '',
    program: 'ipc',
    attempt: 1,
    lastHold: null,
    answers: '',
    depth: 0,
    remaining: 0,
    elsewhere: [],
    failure: null,
    damaged: false,
    body: 'hi',
  });
});

test('a usage error exits 2 and shows the right form', async (context) => {
  const { run, home } = await shell(context);
  const calls: [string[], RegExp][] = [
    [['dance'], /^ipc: unknown_operation: unknown command 'dance'.* see `ipc --help`/],
    [['wait'], /^ipc: missing_parameter: missing required argument 'mailbox'.* `ipc wait --help`/],
    [
      ['wait', 'B', '--box', 'C'],
      /^ipc: unknown_parameter: unknown option '--box'.* `ipc wait --help`.* `--`/,
    ],
    [['wait', 'B', '--timeout', 'abc'], /timeout is "abc"; it must be whole seconds from 1 to 300/],
    [['wait', 'B', '--timeout', '301'], /timeout is "301"/],
    [
      ['wait', 'B', '--port', '65536'],
      /port is "65536"; it must be a whole number from 1 to 65535/,
    ],
    [['wait', 'n'.repeat(201)], /bad_name: mailbox has 201 bytes; the limit is 200/],
    [['wait', 'a\nb'], /bad_name: mailbox has a control character/],
    [['send', '127.0.0.1', 'hi'], /bad_host: host is "127.0.0.1"; it must be HOST:PORT/],
    [['post', 'B', 'hi', '--id', ' \t'], /bad_id/],
  ];
  for (const [args, expected] of calls) {
    const { code, text, errors } = await run(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(text, '');
    assert.match(errors, expected);
  }
  await assert.rejects(stat(home), { code: 'ENOENT' }, 'a wrong call leaves nothing behind');
});

test('an operation that fails exits 1', async (context) => {
  const { run, home } = await shell(context);
  const port = await freePort();
  const nobody = await run(['send', `127.0.0.1:${port}`, 'hi', '--timeout', '1']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.errors, /^ipc: unreachable: /);
  const unknown = await run(['ping', 'no.such.host.invalid:1', '--timeout', '1']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.errors, /^ipc: host_unknown: /);
  await rm(home, { recursive: true, force: true });
  await writeFile(home, 'a file where the folder should be');
  const unusable = await run(['post', 'B', 'hi']);
  assert.equal(unusable.code, 1);
  assert.match(unusable.errors, /^ipc: home_unusable: /);
});

test('a port of another program is named, with its pid', async (context) => {
  const { run, port } = await shell(context);
  const squatter = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  context.after(() => squatter.close());
  await once(squatter, 'listening');
  const { code, errors } = await run(['post', 'B', 'hi']);
  assert.equal(code, 1);
  const named = new RegExp(`port_taken: port ${port} is held by pid ${process.pid} `);
  assert.match(errors, named);
  const receiving = await run(['receive', '--port', `${port}`]);
  assert.equal(receiving.code, 1);
  assert.match(receiving.errors, named);
});

test('send and receive, with pings between', async (context) => {
  const { run, begin } = await shell(context);
  const port = await freePort();
  const peer = `127.0.0.1:${port}`;
  const receiving = ended(begin(['receive', '--port', `${port}`]));
  const ping = await run(['ping', peer, '--json']);
  assert.equal(JSON.parse(ping.text).host, peer);
  const sent = await run(['send', peer], 'hello\n');
  assert.equal(sent.code, 0);
  assert.equal(sent.text, `Received by the session at ${peer}.\n`);
  const { code, out } = await receiving;
  assert.deepEqual([code, out.toString()], [0, 'hello\n']);
  assert.equal((await run(['receive', '--port', `${port}`, '--timeout', '1'])).code, 124);
});

test('a wait whose stdout is closed settles nothing', async (context) => {
  const { run, begin } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  const waiting = begin(['wait', 'B']);
  waiting.stdout?.destroy();
  const exited = once(waiting, 'exit');
  await run(['post', 'B', 'kept']);
  assert.deepEqual(await exited, [1, null]);
  const { text } = await run(['wait', 'B', '--json', '--timeout', '5']);
  assert.equal(JSON.parse(text).body, 'kept');
});

test('an interrupted wait takes no message', async (context) => {
  const { run, begin } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  const waiting = begin(['wait', 'B']);
  for (;;) {
    const status = JSON.parse((await run(['status', '--json'])).text);
    if (status.mailboxes.some((box: { waiting: number }) => box.waiting === 1)) break;
  }
  waiting.kill('SIGINT');
  const { code, errors } = await ended(waiting);
  assert.deepEqual([code, errors], [130, 'ipc: interrupted (SIGINT).\n']);
  await run(['post', 'B', 'kept']);
  const { text } = await run(['wait', 'B', '--json', '--timeout', '5']);
  assert.equal(JSON.parse(text).attempt, 1);
});

test('`ipc broker` owns the broker in the foreground, one with --once names the owner, and Ctrl-C hands over', async (context) => {
  const { run, begin, port } = await shell(context);
  const owner = begin(['broker']);
  const line = await nextLine(owner);
  assert.match(
    line,
    new RegExp(`^This session owns the broker on port ${port} .*pid ${owner.pid},`),
  );
  const second = await run(['broker', '--once', '--json']);
  assert.equal(second.code, 0);
  assert.equal(JSON.parse(second.text).pid, owner.pid);
  owner.kill('SIGTSTP');
  const waiting = begin(['wait', 'B', '--json']);
  for (;;) {
    const status = JSON.parse((await run(['status', '--json'])).text);
    if (status.mailboxes.some((box: { waiting: number }) => box.waiting === 1)) break;
  }
  const exited = once(owner, 'exit');
  owner.kill('SIGINT');
  assert.deepEqual(await exited, [0, null]);
  const hopeful = ended(waiting);
  assert.equal((await run(['post', 'B', 'after the handover'])).code, 0);
  assert.equal(JSON.parse((await hopeful).text).body, 'after the handover');
});

test('store check reports what is in a store, and changes nothing', async (context) => {
  const { run, home, port } = await shell(context);
  await run(['post', 'B', 'hello']);
  const { code, text } = await run(['store', 'check']);
  assert.equal(code, 0);
  assert.match(text, /: sound; epoch 1\.\n/);
  assert.match(text, /\n1 message not settled, 5 bytes\n"B": 1 message, 5 bytes\n$/);
  const segment = join(home, `broker-${port}`, 'epochs/00000001/seg-000001.log');
  const bytes = await readFile(segment);
  bytes[bytes.indexOf('hello')] = 0x48;
  await writeFile(segment, bytes);
  const damaged = await run(['store', 'check', '--json']);
  assert.equal(damaged.code, 1);
  assert.equal(JSON.parse(damaged.text).sound, false);
  assert.deepEqual(await readFile(segment), bytes);
});

test('--version and --help are answered at once', async (context) => {
  const { run } = await shell(context);
  assert.deepEqual((await run(['--version'])).text, `${version}\n`);
  const { code, text } = await run(['--help']);
  assert.equal(code, 0);
  for (const name of [
    'mcp',
    'post',
    'wait',
    'fetch',
    'send',
    'receive',
    'ping',
    'broker',
    'status',
  ]) {
    assert.match(text, new RegExp(`^ {2}${name}\\b`, 'm'));
  }
});

test('a command that waits for a second gets what a killed reader held, though no other session keeps a broker', async (context) => {
  const { begin, run } = await shell(context);
  await run(['post', 'box', 'job']);
  const worker = begin(['work', 'box', '--', 'sh', '-c', 'kill -9 $PPID']);
  await once(worker, 'exit');
  const { code, text } = await run(['wait', 'box', '--timeout', '1']);
  assert.deepEqual([code, text], [0, 'job']);
  assert.equal((await run(['wait', 'box', '--timeout', '1'])).code, 124);
});

test('a wait of seconds ends in its time while the broker stands still', async (context) => {
  const { begin, run } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  const wait = begin(['wait', 'box', '--timeout', '2']);
  const waiting = ended(wait);
  const isParked = async () => /"waiting":1\b/.test((await run(['status', '--json'])).text);
  while (wait.exitCode === null && !(await isParked()));
  owner.kill('SIGSTOP');
  const { code, errors } = await waiting;
  assert.equal(code, 124, errors);
  assert.match(errors, /^No message within 2 s/m);
});
