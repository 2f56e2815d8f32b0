// The program where something is in its way: a store it cannot read, output that fails, a signal,
// arguments that are not text. Each gets one line that says what to do, and its exit code.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { test } from 'node:test';
import { encodeRecord } from '../../../src/journal/record-codec.ts';
import { segmentSeed } from '../../../src/journal/record-framing.ts';
import { freePort } from '../../support/places.ts';
import { ended, nextLine, shell } from '../../support/processes/shell.ts';

test('store check and post name the folder that they cannot read', async (context) => {
  const { run, home, port } = await shell(context);
  const store = join(home, `broker-${port}`);
  await mkdir(store, { recursive: true });
  await writeFile(join(store, 'epochs'), 'a file where the folder should be');
  const file = await run(['store', 'check']);
  assert.equal(file.code, 1);
  assert.match(file.errors, /^ipc: home_unusable: \S+broker-\d+: ENOTDIR.* To do: .*\n$/);
  const posted = await run(['post', 'B', 'hi']);
  assert.equal(posted.code, 1);
  assert.match(posted.errors, /^ipc: home_unusable: .*ENOTDIR.* To do: [^.]*\.\n$/);
  const other = join(home, 'broker-1');
  await mkdir(join(other, 'epochs/00000001/seg-000001.log'), { recursive: true });
  const folder = await run(['store', 'check', '--port', '1']);
  assert.equal(folder.code, 1);
  assert.match(folder.errors, /^ipc: home_unusable: \S+broker-1: EISDIR.* To do: .*\n$/);
});

test('a file in the place of the folder of history is named, with what to do', async (context) => {
  const { run, home, port } = await shell(context);
  const store = join(home, `broker-${port}`);
  await run(['post', 'B', 'hi']);
  await writeFile(join(store, 'history'), 'a file');
  let posted = await run(['post', 'B', 'hi']);
  // Segments leave the log when there are several, one of each owner.
  for (let posts = 0; posted.code === 0 && posts < 30; posts++) {
    await run(['fetch', 'B']);
    posted = await run(['post', 'B', 'hi', '--from', 'A']);
  }
  assert.equal(posted.code, 1);
  const hint = `move that file out of the folder ${store}; the mail in it is safe`;
  assert.equal(
    posted.errors,
    `ipc: home_unusable: ${store}/history is a file, not a folder. To do: ${hint}.\n`,
  );
  await rm(join(store, 'history'));
  assert.equal((await run(['post', 'B', 'hi'])).code, 0);
});

test('store check at a port without a store exits 1 and says so', async (context) => {
  const { run, home, port } = await shell(context);
  const { code, text, errors } = await run(['store', 'check']);
  assert.deepEqual(
    [code, text, errors],
    [
      1,
      '',
      `No store in ${home}/broker-${port}: nothing was posted there. See \`--port\` and IPC_HOME.\n`,
    ],
  );
});

test('store check calls a newer store newer, not damaged', async (context) => {
  const { run, home, port } = await shell(context);
  await run(['post', 'B', 'hello']);
  const segment = join(home, `broker-${port}`, 'epochs/00000001/seg-000001.log');
  const header = {
    kind: 'segment',
    format: 2,
    store: '00'.repeat(16),
    nextNumber: 1,
    prologueBytes: 0,
    durable: { segment: 0, offset: 0 },
    earlier: [],
  } as const;
  await writeFile(segment, encodeRecord(header, segmentSeed({ epoch: 1, segment: 1 })));
  const { code, errors } = await run(['store', 'check']);
  assert.equal(code, 1);
  assert.match(errors, /^ipc: store_newer: .*written by a newer version \(format 2; this is 1\)/);
  assert.doesNotMatch(errors, /DAMAGED|sound/);
});

const full = { skip: existsSync('/dev/full') ? false : 'no /dev/full' };

test('output that cannot be written is an error with exit code 1', full, async (context) => {
  const { run, line } = await shell(context);
  const said = /output_failed.*ENOSPC/;
  for (const command of ['post B hi --json', 'status --json', '--help', '--version', 'wait B']) {
    const { code, errors } = await line(`"$@" ${command} >/dev/full`);
    assert.equal(code, 1, command);
    assert.match(errors, said, command);
  }
  assert.equal((await run(['wait', 'B'])).text, 'hi', 'it went back');
});

test('a stalled reader does not prevent the end of a command: the mail is released', async (context) => {
  const { run, begin } = await shell(context);
  // More than a pipe takes.
  const body = 'x'.repeat(1_000_000);
  for (const args of [
    ['wait', 'B'],
    ['fetch', 'B', '--json'],
  ]) {
    await run(['post', 'B'], body);
    const command = begin(args);
    await once(command.stdout ?? command, 'readable');
    command.kill('SIGINT');
    const [code] = await once(command, 'exit');
    assert.equal(code, 130);
    assert.equal((await run(['wait', 'B'])).text, body);
  }
});

test('a stalled reader of a report does not prevent the end of its command, which prints no error', async (context) => {
  const { run, begin } = await shell(context);
  await run(['post', 'B', '--from', 'A'], 'x'.repeat(1_000_000));
  for (const args of [
    ['peek', 'B', '--full'],
    ['log', '--full', '--json'],
  ]) {
    const command = begin(args);
    assert(command.stdout && command.stderr);
    const errors = textOf(command.stderr);
    await once(command.stdout, 'readable');
    command.kill('SIGTERM');
    const [code] = await once(command, 'exit');
    assert.deepEqual([code, await errors], [143, ''], args[0]);
  }
});

test('a reader that closes the pipe causes no error message', async (context) => {
  const { line } = await shell(context);
  const { errors } = await line('"$@" --help | true; "$@" status --json | true');
  assert.equal(errors, '');
});

test("after `ipc fetch | head` the pipe's messages are settled, the others released unread", async (context) => {
  const { run, line } = await shell(context);
  const big = 'x'.repeat(500_000);
  for (const body of ['first', big, 'last']) await run(['post', 'B'], body);
  const { text, errors } = await line('{ "$@" fetch B; echo "exit $?" >&2; } | head -1');
  assert.deepEqual([text, errors], ['first\n', 'exit 1\n']);
  const rest = (await run(['fetch', 'B', '--json'])).text.trimEnd().split('\n');
  assert.deepEqual(
    rest.map((each) => JSON.parse(each)).map(({ body, attempt }) => [body.length, attempt]),
    [
      [500_000, 2],
      [4, 1],
    ],
  );
});

test('a closed stderr changes nothing', async (context) => {
  const { line, run } = await shell(context);
  const { errors } = await line('{ "$@" post B hi; echo "exit $?" >&3; } 3>&2 2>&1 | true');
  assert.equal(errors, 'exit 0\n');
  assert.match((await run(['status'])).text, /; 1 message, /);
});

test('a receive whose stdout is closed makes its sender try again', async (context) => {
  const { run, begin } = await shell(context);
  const port = `${await freePort()}`;
  const receiving = begin(['receive', '--port', port]);
  receiving.stdout?.destroy();
  const exited = once(receiving, 'exit');
  const sending = run(['send', `127.0.0.1:${port}`, 'kept']);
  assert.deepEqual(await exited, [1, null]);
  const { code, text } = await run(['receive', '--port', port]);
  assert.deepEqual([code, text], [0, 'kept']);
  assert.equal((await sending).code, 0);
});

test('an interrupted command prints one line and exits with 128 + N', async (context) => {
  const { run, begin, port } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    const waiting = begin(['wait', 'B']);
    for (;;) {
      const status = JSON.parse((await run(['status', '--json'])).text);
      if (status.mailboxes.some((box: { waiting: number }) => box.waiting === 1)) break;
    }
    waiting.kill(signal);
    const end = await ended(waiting);
    assert.deepEqual([end.code, end.errors], [code, `ipc: interrupted (${signal}).\n`]);
  }
  const receiver = await freePort();
  const receiving = begin(['receive', '--port', `${receiver}`]);
  while ((await run(['ping', `127.0.0.1:${receiver}`])).code !== 0);
  receiving.kill('SIGTERM');
  const end = await ended(receiving);
  assert.deepEqual([end.code, end.errors], [143, 'ipc: interrupted (SIGTERM).\n']);
  const exited = once(owner, 'exit');
  owner.kill('SIGINT');
  assert.deepEqual(await exited, [0, null], `it is the way to end the broker on port ${port}`);
});

test('a post that is interrupted before a broker answers does the same', async (context) => {
  const { begin, port } = await shell(context);
  const silent = createServer().listen(Number(port), '127.0.0.1');
  context.after(() => silent.close());
  await once(silent, 'listening');
  const posting = begin(['post', 'B', 'hi']);
  const [socket] = await once(silent, 'connection');
  context.after(() => socket.destroy());
  posting.kill('SIGINT');
  const end = await ended(posting);
  assert.deepEqual([end.code, end.errors], [130, 'ipc: interrupted (SIGINT).\n']);
});

test('an argument that is not UTF-8 is refused, and so is U+FFFD, by which Node replaces such bytes', async (context) => {
  const { line, home } = await shell(context);
  const bad = '"$(printf "a\\377")"';
  const refused: [string, number][] = [
    [`post ${bad} hi`, 2],
    [`post B hi --from ${bad}`, 5],
    [`post B hi --from=${bad}`, 4],
    ['post B "a \ufffd that is meant"', 3],
  ];
  for (const [command, place] of refused) {
    const { code, errors } = await line(`"$@" ${command}`);
    const what = `bad_parameter: argument ${place} contains U+FFFD, or is not UTF-8.`;
    const remedy = 'To do: pass a message that contains it on stdin.';
    assert.deepEqual([code, errors], [2, `ipc: ${what} ${remedy}\n`], command);
  }
  const { text, errors } = await line(`"$@" wait ${bad} --json`);
  assert.deepEqual([text, JSON.parse(errors).error.code], ['', 'bad_parameter']);
  assert.equal(existsSync(home), false);
});

test('a wrong command line is an error in the usual form', async (context) => {
  const { run } = await shell(context);
  const calls: [string[], string][] = [
    [
      ['post', 'B', '-hello'],
      "unknown_parameter: unknown option '-hello'. To do: see `ipc post --help`; put `--` before a text that begins with '-'.",
    ],
    [
      ['peek', 'B', 'C'],
      "unknown_parameter: too many arguments for 'peek'. Expected 1 argument but got 2. To do: see `ipc peek --help`; it looks at one mailbox.",
    ],
    [
      ['wait'],
      "missing_parameter: missing required argument 'mailbox'. To do: see `ipc wait --help`.",
    ],
    [
      ['wait', 'B', '--timeout'],
      "missing_parameter: option '--timeout <timeout>' argument missing. To do: see `ipc wait --help`.",
    ],
    [
      ['store', 'chek'],
      "unknown_operation: unknown command 'chek' (Did you mean check?). To do: see `ipc store --help`.",
    ],
  ];
  for (const [args, expected] of calls) {
    const { code, text, errors } = await run(args);
    assert.deepEqual([code, text, errors], [2, '', `ipc: ${expected}\n`]);
  }
  for (const [word, meant] of [
    ['list', 'status'],
    ['read', 'fetch'],
  ]) {
    const { errors } = await run([`${word}`]);
    const what = `unknown command '${word}' (Did you mean ${meant}?)`;
    assert.equal(errors, `ipc: unknown_operation: ${what}. To do: see \`ipc --help\`.\n`);
  }
  assert.match((await run(['post', '', 'hi'])).errors, /^ipc: bad_name: to is empty\./);
  const nothing = await run([]);
  assert.equal(nothing.code, 2);
  assert.match(nothing.errors, /^Usage: ipc /);
});

test('the help of a command describes parameters for that command alone', async (context) => {
  const { run } = await shell(context);
  const help = async (...args: string[]) => (await run([...args, '--help'])).text;
  const receive = await help('receive');
  assert.match(receive, /--port <port> +port to listen on; 19900 by default/);
  assert.doesNotMatch(receive, /19901/);
  assert.match(receive, /--timeout <timeout> +whole seconds, 1-300; 60 by default/);
  const post = await help('post');
  assert.match(post, /to +the mailbox that gets the message\n/);
  assert.match(post, /message +text of at most 1 MB; stdin when it is - or left out/);
  assert.match(post, /--port <port> +port of the broker; 19901 by default/);
  assert.doesNotMatch(post, /19900|post: |send, post/);
  assert.match(await help('ping'), /--timeout <timeout> +whole seconds, 1-300; 10 by default/);
});

test('an address with a port cannot be bound, and errors name the given parameter', async (context) => {
  const { run, line } = await shell(context);
  const bound = await run(['receive', '--bind', '127.0.0.1:21010']);
  assert.equal(bound.code, 2);
  assert.match(bound.errors, /^ipc: bad_parameter: bind is "127.0.0.1:21010"; .*without a port/);
  const beyond = async (...args: string[]) => (await run(args)).errors;
  const nowhere = 'nowhere.invalid';
  assert.match(
    await beyond('send', `${nowhere}:1`, 'hi'),
    /^ipc: host_unknown: host nowhere.invalid: no such host/,
  );
  for (const command of ['receive', 'broker']) {
    assert.match(
      await beyond(command, '--bind', nowhere),
      /^ipc: host_unknown: bind nowhere.invalid: no such host/,
    );
  }
  const { errors } = await line('"$@" post B hi', { IPC_BROKER: `${nowhere}:1` });
  assert.match(errors, /^ipc: host_unknown: IPC_BROKER /);
});

test('the error for a wrong key or variable names its form, and never shows the value', async (context) => {
  const { line } = await shell(context);
  const said = async (env: Record<string, string>) => {
    const { errors } = await line('"$@" post B hi', env);
    assert.doesNotMatch(errors, /secret/);
    return errors;
  };
  assert.equal(
    await said({ IPC_KEY: 'secret' }),
    'ipc: key_unusable: IPC_KEY is not a key: 64 hex digits, or base64 of 32 bytes. To do: give what `ipc key show` prints on a machine that has the key.\n',
  );
  assert.equal(
    await said({ IPC_PORT: 'secret' }),
    'ipc: bad_port: IPC_PORT cannot be used; it needs a whole number from 1 to 65535. To do: leave it out for the default port.\n',
  );
  assert.match(
    await said({ IPC_BROKER: 'secret@' }),
    /^ipc: bad_host: IPC_BROKER cannot be used; it needs HOST or HOST:PORT\. To do: write HOST or HOST:PORT/,
  );
});

test('`ipc mcp` reports wrong variables at its start, and serves', async (context) => {
  const { home, line } = await shell(context);
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const env = { IPC_PORT: 'secret', IPC_SENDS_PER_HOUR: 'secret', IPC_KEY: 'secret' };
  const { text, errors } = await line(`echo '${ping}' | "$@" mcp`, env);
  assert.equal(JSON.parse(text).id, 1);
  assert.deepEqual(
    errors.split('\n').map((each) => /^ipc mcp: (\w+: \w+) /.exec(each)?.[1] ?? each),
    ['bad_port: IPC_PORT', 'bad_parameter: IPC_SENDS_PER_HOUR', 'key_unusable: IPC_KEY', ''],
  );
  assert.doesNotMatch(errors, /secret/);
  assert.equal(existsSync(home), false);
});

test('a ping of a stopped process reports that, with the remedy', async (context) => {
  const { run, begin, port } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  owner.kill('SIGSTOP');
  const { code, errors } = await run(['ping', `127.0.0.1:${port}`, '--timeout', '1']);
  assert.equal(code, 1);
  const [what, remedy] = errors.split(' To do: ');
  assert.match(
    what ?? '',
    new RegExp(`^ipc: unreachable: pid ${owner.pid} .* has port ${port}, but is stopped\\.$`),
  );
  assert.ok(remedy?.startsWith(`continue it (kill -CONT ${owner.pid}), or end it.`));
});

test('an unusable home folder is named', async (context) => {
  const { line, home } = await shell(context);
  const post = (env: Record<string, string>) => line('"$@" post B hi', env);
  for (const [env, expectedCode, expected] of [
    [{ IPC_HOME: 'mail' }, 2, /^ipc: bad_parameter: IPC_HOME is "mail"; .*absolute path/],
    [{ IPC_HOME: '', HOME: 'here' }, 2, /^ipc: bad_parameter: HOME is "here"; .*absolute path/],
    [{ IPC_HOME: `${home}${'n'.repeat(300)}` }, 1, /^ipc: home_unusable: .*shorter path/],
  ] as const) {
    const { code, errors } = await post(env);
    assert.equal(code, expectedCode);
    assert.match(errors, expected);
  }
  const { errors } = await line('"$@" store check', { IPC_HOME: '', HOME: '' });
  assert.match(errors, /^No store in \/.*\/\.agent-ipc\/broker-/);
});

test('a broker host may go without its port, and a wrong line says which port belongs there', async (context) => {
  const { run, line, port } = await shell(context);
  assert.equal((await run(['post', 'B', 'hi', '--host', '127.0.0.1'])).code, 0);
  assert.equal((await run(['status', '--host', '127.0.0.1', '--port', `${port}`])).code, 0);
  assert.equal((await run(['fetch', 'B', '--host', '[::1]'])).text, 'hi\n');
  assert.equal((await line('"$@" status', { IPC_BROKER: 'localhost' })).code, 0);
  const broker = await run(['status', '--host', '19901']);
  assert.equal(broker.code, 2);
  assert.match(
    broker.errors,
    / To do: write HOST or HOST:PORT, for example 127\.0\.0\.1:19901, or nats:\/\/HOST\.\n$/,
  );
  const direct = await run(['send', '127.0.0.1', 'hi']);
  assert.equal(direct.code, 2);
  assert.match(
    direct.errors,
    / To do: give both, for example 127\.0\.0\.1:19900 \(a receive\) or 127\.0\.0\.1:19901 \(a broker\)\.\n$/,
  );
  for (const variable of ['IPC_HOME', 'IPC_BROKER']) {
    assert.equal((await line('"$@" status', { [variable]: 'rel:' })).code, 2, variable);
  }
});
