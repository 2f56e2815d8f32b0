// To look without taking, take one, and drop: `peek`, `fetch --max`, `drop`; and calls that wait without end or
// ask once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { damageText } from '../../support/disk/damage.ts';
import { program } from '../../support/mcp-host.ts';
import { atTerminal, noTerminal, shows } from '../../support/processes/pseudo-terminal.ts';
import { Remote } from '../../support/processes/remote.ts';
import { ended, nextLine, shell } from '../../support/processes/shell.ts';

const dumpOf = ({ text }: { readonly text: string }) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).kind)
    .filter((kind) => ['posted', 'offered', 'released', 'settled'].includes(kind));

test('peek prints a head and the first line of each message, and changes nothing', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'B', 'first line\nsecond', '--from', 'A', '--id', 'job-1']);
  await run(['post', 'B', 'just one\n']);
  await run(['post', 'B', '--empty'], '');
  const head = (number: number, from: string) =>
    `#${number} from ${from} on "[^"]*" in "[^"]*"\\)?, \\d{4}-[^,]*Z, ready`;
  for (let time = 1; time <= 2; time++) {
    const { code, text, errors } = await run(['peek', 'B']);
    assert.equal(code, 0);
    const [one, two, three] = [head(1, '"A" \\("ipc"'), head(2, 'unknown.*'), head(3, 'unknown.*')];
    const id = 'id "[^"]+"';
    assert.match(
      text,
      new RegExp(
        `^${one}, 17 bytes, id "job-1"\n {2}first line…\n${two}.*, 9 bytes, ${id}\n {2}just one\n${three}.*, 0 bytes, ${id}\n$`,
      ),
    );
    assert.equal(errors, '');
  }
  assert.deepEqual(dumpOf(await run(['store', 'dump'])), ['posted', 'posted', 'posted']);
  const { text } = await run(['fetch', 'B', '--json']);
  const messages = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    messages.map(({ number, attempt }) => [number, attempt]),
    [
      [1, 1],
      [2, 1],
      [3, 1],
    ],
  );
});

test('peek and drop take a host without a port, as other commands do, and 1 byte is no plural', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'B', 'x', '--id', 'job-1']);
  const { code, text } = await run(['peek', 'B', '--host', '127.0.0.1']);
  assert.equal(code, 0);
  assert.match(text, /, ready, 1 byte, id "job-1"\n {2}x\n$/);
  const dropped = await run(['drop', 'B', '--yes', '--host', 'localhost']);
  assert.equal(
    dropped.text,
    'Dropped 1 message of "B" unread: 1 from unknown.\n#1 (id "job-1").\n',
  );
});

test('peek shows who holds a message, and an empty mailbox is no failure', async (context) => {
  const { run, home, port } = await shell(context);
  const mail = await open({ home, port, env: {}, program: 'worker' });
  await mail.post('B', 'in work');
  await mail.wait('B');
  const { text: held } = await run(['peek', 'B']);
  assert.match(
    held,
    /, held by "worker" on "[^"]*" in "[^"]*" since (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC, 7 bytes, id ".*"\n {2}in work\n$/,
  );
  const { holder, attempt, lastHold } = JSON.parse((await run(['peek', 'B', '--json'])).text);
  assert.deepEqual(Object.keys(holder), [
    ...['session', 'name', 'since', 'program', 'pid', 'machine', 'folder'],
  ]);
  assert.deepEqual([holder.name, holder.pid, attempt, lastHold], ['B', process.pid, 1, null]);
  await mail.post('C', 'note', { from: 'ben' });
  const named = await run(['peek', 'B']);
  assert.match(named.text, /, held by "ben" \("worker" on "[^"]*" in "[^"]*"\) since /);
  const { code, text, errors } = await run(['peek', 'nobody']);
  assert.deepEqual([code, text, errors], [0, '', 'No message in "nobody".\n']);
  await mail.close();
  const { text: after } = await run(['peek', 'B']);
  assert.match(
    after,
    /, attempt 2, ready, 7 bytes, id ".*"; "ben" had it from \S+( [\d:]+)? to \S+( [\d:]+)? UTC and ended without saying it was done\n {2}in work\n$/,
  );
  const again = JSON.parse((await run(['peek', 'B', '--json'])).text);
  assert.deepEqual(again.lastHold, {
    ...{ name: 'ben', from: holder.since, to: again.lastHold.to, ended: 'disconnected' },
  });
});

test('peek --max bounds the messages and says how many follow; --full prints whole bodies', async (context) => {
  const { run } = await shell(context);
  const long = `#9 from "A"\n${'✓'.repeat(400)}\n`;
  await run(['post', 'B'], long);
  await run(['post', 'B'], 'x'.repeat(1_048_576));
  for (let count = 1; count <= 2; count++) await run(['post', 'B', '\u001b[31mred']);
  const one = await run(['peek', 'B', '--max', '1', '--full']);
  // No body can pass for a head: it is indented.
  assert.match(one.text, /^#1 .*\n {2}#9 from "A"\n {2}✓{400}\n$/);
  assert.equal(one.errors, '3 more there.\n');
  const all = await run(['peek', 'B', '--max', '3']);
  assert.equal(all.text.match(/^#/gm)?.length, 3);
  assert.match(all.text, / {2}x{120}…\n/);
  assert.match(all.text, / {2}\\u\{1b\}\[31mred\n/);
  assert.equal(all.errors, '1 more there.\n');
  const { text } = await run(['peek', 'B', '--max', '1000', '--full', '--json']);
  const bodies = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).body);
  assert.deepEqual([bodies.length, bodies[0], bodies[1].length], [4, long, 1_048_576]);
  const lines = (await run(['peek', 'B', '--json', '--max', '1'])).text;
  assert.deepEqual([JSON.parse(lines).line, JSON.parse(lines).body], ['#9 from "A"…', null]);
  for (const max of ['0', '1001', 'x']) {
    const { code, errors } = await run(['peek', 'B', '--max', max]);
    assert.equal(code, 2);
    assert.match(
      errors,
      /^ipc: bad_parameter: max is .*; it must be a whole number from 1 to 1000\./,
    );
  }
});

test('peek shows a mailbox of large bodies page by page', async (context) => {
  const { run, line } = await shell(context);
  const script = `for i in $(seq 12); do head -c 1000000 /dev/zero | tr '\\0' $((i % 10)) | "$@" post B; done`;
  await line(script);
  const { text, errors } = await run(['peek', 'B']);
  const firsts = [...text.matchAll(/^ {2}(\d)/gm)].map(([, digit]) => digit);
  assert.deepEqual(firsts.join(''), '123456789012');
  assert.equal(errors, '');
});

test('peek goes on behind the 250 messages that a broker shows at once', async (context) => {
  const { run, home, port } = await shell(context);
  const mail = await open({ home, port, env: {}, program: 'poster' });
  await Promise.all(Array.from({ length: 600 }, (_, index) => mail.post('B', `line ${index}`)));
  const { text, errors } = await run(['peek', 'B', '--max', '501']);
  const numbers = [...text.matchAll(/^#(\d+) /gm)].map(([, number]) => Number(number));
  assert.deepEqual(
    numbers,
    Array.from({ length: 501 }, (_, index) => index + 1),
  );
  assert.equal(errors, '99 more there.\n');
  await mail.close();
});

test('peek reports a damaged message, and its neighbours as they are', async (context) => {
  const { run, home, port } = await shell(context);
  await run(['post', 'B', 'sound']);
  await run(['post', 'B', 'to be damaged']);
  damageText(join(home, `broker-${port}`), 'to be damaged');
  const { text } = await run(['peek', 'B']);
  assert.match(text, /^#1 .*\n {2}sound\n#2 .*\n {2}\(damaged: the disk lost its body\)\n$/);
  const [, two = ''] = (await run(['peek', 'B', '--json'])).text.split('\n');
  const { damaged, line } = JSON.parse(two);
  assert.deepEqual([damaged, line], [true, null]);
});

test('fetch --max takes at most that many, and a pipe that reads one loses none', async (context) => {
  const { run, line } = await shell(context);
  for (const body of ['one', 'two', 'three']) await run(['post', 'B', body]);
  const first = await line('"$@" fetch B --max 1 | head -1');
  assert.deepEqual([first.text, first.errors], ['one\n', '2 more there.\n']);
  const two = await run(['fetch', 'B', '--max', '2']);
  assert.deepEqual([two.text, two.errors], ['two\nthree\n', '']);
  const wrong = await run(['fetch', 'B', '--max', '0']);
  assert.deepEqual(
    [wrong.code, wrong.errors.split('.')[0]],
    [2, 'ipc: bad_parameter: max is "0"; it must be a whole number from 1 to 1000'],
  );
});

test('drop settles what is ready, names it, and leaves what a session holds', async (context) => {
  const { run, home, port } = await shell(context);
  const mail = await open({ home, port, env: {} });
  await mail.post('B', 'in work');
  await mail.wait('B');
  await run(['post', 'B', 'one', '--from', 'A', '--id', 'job-1']);
  await run(['post', 'B', 'two', '--id', 'job-2']);
  const { code, text, errors } = await run(['drop', 'B', '--yes']);
  assert.deepEqual([code, errors], [0, '']);
  assert.equal(
    text,
    'Dropped 2 messages of "B" unread: 1 from "A", 1 from unknown.\n' +
      '#2 (id "job-1"), #3 (id "job-2").\n1 message is held and stays.\n',
  );
  const again = await run(['drop', 'B', '--yes']);
  assert.deepEqual(
    [again.code, again.text],
    [0, 'No message of "B" was dropped.\n1 message is held and stays.\n'],
  );
  assert.match((await run(['peek', 'B'])).text, /^#1 .*\n {2}in work\n$/);
  // The id stays known.
  const posted = await run(['post', 'B', 'two', '--id', 'job-2']);
  assert.match(posted.text, /^Already stored as #3 /);
  assert.equal((await run(['peek', 'B'])).text.match(/^#/gm)?.length, 1);
  await mail.close();
});

test('drop --id drops only what is named, and fails if it is not there', async (context) => {
  const { run } = await shell(context);
  for (const id of ['a', 'b', 'c']) await run(['post', 'B', id, '--id', id]);
  const some = await run(['drop', 'B', '--id', 'a', '--id', 'c', '--id', 'x', '--yes', '--json']);
  assert.equal(some.code, 1);
  assert.deepEqual(JSON.parse(some.text), {
    mailbox: 'B',
    dropped: [
      { id: 'a', number: 1, from: '' },
      { id: 'c', number: 3, from: '' },
    ],
    held: 0,
    missing: ['x'],
  });
  const missing = await run(['drop', 'B', '--id', 'x', '--yes']);
  assert.deepEqual(
    [missing.code, missing.text],
    [1, 'No message of "B" was dropped.\n"x" was not dropped: it is not ready in "B".\n'],
  );
  assert.equal((await run(['fetch', 'B'])).text, 'b\n');
});

test('drop --older drops only what is that old', async (context) => {
  const { run, home, port } = await shell(context);
  const owner = new Remote(home, port);
  context.after(() => owner.kill());
  await owner.post('B', 'old');
  const young = await run(['drop', 'B', '--older', '1h', '--yes']);
  assert.equal(young.text, 'No message of "B" was dropped.\n');
  await owner.shiftClock(3_600_000);
  await run(['post', 'B', 'new']);
  await run(['drop', 'B', '--older', '1h', '--yes']);
  assert.match((await run(['peek', 'B'])).text, /\n {2}new\n$/);
  for (const older of ['2', '0s', '2w', '-1d', '1.5h', '']) {
    const { code, errors } = await run(['drop', 'B', `--older=${older}`, '--yes']);
    assert.equal(code, 2, older);
    assert.match(
      errors,
      /^ipc: bad_parameter: older is ".*"; it must be a whole number from 1 to 999999 and/,
    );
  }
});

test('drop without a terminal and without --yes drops nothing, and prints the line to give', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'B', 'kept']);
  const { code, errors } = await run(['drop', 'B', '--older', '2d']);
  assert.equal(code, 2);
  assert.match(
    errors,
    /^ipc: missing_parameter: stdin is not a terminal, so nothing can be asked\./,
  );
  assert.match(errors, / To do: to drop without a question: ipc drop --yes B --older 2d\.\n$/);
  const quiet = await run(['-q', 'drop', 'B']);
  assert.match(quiet.errors, / To do: to drop without a question: ipc -q drop --yes B\.\n$/);
  assert.equal((await run(['fetch', 'B'])).text, 'kept\n');
});

test('drop asks at a terminal, and drops nothing that came after the question', {
  skip: noTerminal,
}, async (context) => {
  const place = await shell(context);
  await place.run(['post', 'B', 'one', '--from', 'A']);
  const refused = atTerminal(place, 'NO_COLOR=1 ipc drop B', null);
  const no = ended(refused);
  await shows(refused, /This drops 1 message of "B" unread: 1 from "A"\.[\s\S]*\[y\/N\] /);
  refused.stdin?.write('\n');
  assert.match((await no).text, /Nothing was dropped\./);
  const agreed = atTerminal(place, 'NO_COLOR=1 ipc drop B', null);
  const yes = ended(agreed);
  await shows(agreed, /\[y\/N\] /);
  await place.run(['post', 'B', 'later']);
  agreed.stdin?.write('y\n');
  assert.match((await yes).text, /Dropped 1 message of "B" unread: 1 from "A"\./);
  assert.equal((await place.run(['fetch', 'B'])).text, 'later\n');
});

test('drop clears 3,500 messages, and what was dropped stays gone after the owner was killed', async (context) => {
  const { run, begin, home, port } = await shell(context);
  const script = `import { open } from ${JSON.stringify(new URL('index.mjs', `file://${program}`).href)};
    const mail = await open({ home: ${JSON.stringify(home)}, port: ${port}, env: {} });
    await Promise.all(Array.from({ length: 3500 }, (_, index) => mail.post('B', String(index))));
    await mail.close();`;
  const filled = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(filled.status, 0, filled.stderr.toString());
  const owner = begin(['broker']);
  await nextLine(owner);
  const { text } = await run(['drop', 'B', '--yes']);
  owner.kill('SIGKILL');
  assert.match(
    text,
    /^Dropped 3500 messages of "B" unread: 3500 from unknown\.\n#1 .*, and 3480 more\.\n$/,
  );
  assert.equal((await run(['peek', 'B'])).errors, 'No message in "B".\n');
});

test('wait --timeout 0 waits without end', { skip: noTerminal }, async (context) => {
  const place = await shell(context);
  const waiting = atTerminal(place, 'NO_COLOR=1 ipc wait B --timeout 0');
  const end = ended(waiting);
  await shows(waiting, /Waiting for mail in "B"\. Ctrl-C ends it\./);
  await place.run(['post', 'B', 'hello']);
  assert.match((await end).text, /hello\r\n$/);
  for (const [words, hint] of [
    [['wait', 'B', '--timeout', '301'], 'to wait without end, give 0'],
    [['receive', '--timeout', '0'], 'to wait longer, call again when the time is over'],
  ] as const) {
    const { code, errors } = await place.run(words);
    assert.equal(code, 2);
    assert.ok(errors.endsWith(`To do: ${hint}.\n`), errors);
  }
});

test('ask --timeout 0 waits for its answer without end', async (context) => {
  const { run, begin } = await shell(context);
  const asking = ended(begin(['ask', 'upper', 'hello', '--mailbox', 'A', '--timeout', '0']));
  begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']);
  const { code, text } = await asking;
  assert.deepEqual([code, text], [0, 'HELLO']);
  assert.match((await run(['peek', 'A'])).errors, /^No message/);
});

test('ask --id asks once, however often it is started, and finds the answer that came meanwhile', async (context) => {
  const { run, begin } = await shell(context);
  const ask = (timeout: string) =>
    ['ask', 'B', '6 times 7?', '--mailbox', 'A', '--id', 'q-1', '--timeout', timeout] as const;
  assert.equal((await run(ask('1'))).code, 124);
  assert.equal((await run(ask('1'))).code, 124);
  const question = JSON.parse((await run(['peek', 'B', '--json'])).text);
  assert.deepEqual([question.id, question.number], ['q-1', 1]);
  const worker = begin(['work', 'B', '--', 'echo', '42']);
  const workerEnd = ended(worker);
  while (!(await run(['peek', 'A'])).text.includes('42'));
  worker.kill('SIGTERM');
  await workerEnd;
  const { code, text } = await run(ask('60'));
  assert.deepEqual([code, text], [0, '42\n']);
  const again = await run(ask('1'));
  assert.equal(again.code, 124);
  assert.equal(
    again.errors,
    'No answer to #1 within 1 s; it was stored before, and an answer that was read by now does not come again.\n',
  );
});
