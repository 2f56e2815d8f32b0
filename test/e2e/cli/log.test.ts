// `ipc log`: what was said, from the files of a store, without a broker and beside one.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { realDisk } from '../../../src/journal/disk.ts';
import { postedRecord, settledRecord } from '../../support/disk/journal-model.ts';
import { openStore } from '../../support/disk/journal-store.ts';
import { Lines } from '../../support/processes/lines.ts';
import { nextLine, type Shell, shell } from '../../support/processes/shell.ts';

/** Times of day become TIME, the day DAY. */
function timeless(text: string): string {
  return text
    .replace(/^\d{4}-\d\d-\d\d UTC$/gm, 'DAY UTC')
    .replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'DATE')
    .replace(/(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d/g, 'TIME');
}

/** Four messages: one is answered, one is read and given back, one is dropped, one is new. */
async function conversation({ run, home, port }: Shell): Promise<void> {
  await run([
    'post',
    'ben',
    'What does `make test` print?\nAll of it.',
    '--from',
    'ann',
    '--id',
    'q1',
  ]);
  const mail = await open({ home, port, env: {}, program: 'worker', name: 'ben' });
  const question = await mail.wait('ben');
  assert(question);
  await mail.post('ann', 'It prints OK.', { answers: question });
  await mail.post('jobs', 'later', { id: 'job-1' });
  const job = await mail.wait('jobs');
  assert(job);
  await job.release();
  await mail.close();
  await run(['post', 'old', 'nobody reads this', '--from', 'ann']);
  await run(['drop', 'old', '--yes']);
}

test('log prints who said what to whom, with the state of each message', async (context) => {
  const place = await shell(context);
  await conversation(place);
  const { code, text, errors } = await place.run(['log']);
  assert.deepEqual([code, errors], [0, '']);
  assert.equal(
    timeless(text),
    [
      'DAY UTC',
      'TIME #1 "ann" to "ben": done by "ben" TIME',
      '  What does `make test` print?…',
      'TIME #2 "ben" to "ann", an answer: stored',
      '  It prints OK.',
      'TIME #3 "ben" to "jobs": stored, and back since TIME after attempt 1',
      '  later',
      'TIME #4 "ann" to "old": dropped TIME',
      '  nobody reads this',
      '',
    ].join('\n'),
  );
});

test('log finds by sender, mailbox, name, text in any case, time, and thread', async (context) => {
  const place = await shell(context);
  await conversation(place);
  const numbers = async (...args: string[]) => {
    const { text, code } = await place.run(['log', '--json', ...args]);
    assert.equal(code, 0, args.join(' '));
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line).number);
  };
  assert.deepEqual(await numbers('--from', 'ann'), [1, 4]);
  assert.deepEqual(await numbers('--to', 'ben'), [1]);
  assert.deepEqual(await numbers('--mailbox', 'jobs'), [3]);
  assert.deepEqual(await numbers('--with', 'ann'), [1, 2, 4]);
  assert.deepEqual(await numbers('--grep', 'MAKE test'), [1]);
  assert.deepEqual(await numbers('--grep', 'all of it'), [1]);
  assert.deepEqual(await numbers('--since', '1h', '--from', 'ben'), [2, 3]);
  assert.deepEqual(await numbers('--since', '2026-01-01T10:00'), [1, 2, 3, 4]);
  assert.deepEqual(await numbers('--since', '2999-01-01'), []);
  assert.deepEqual(await numbers('--thread', 'q1'), [1, 2]);
  assert.deepEqual(await numbers('--mailbox', 'dead-letters'), []);
  await place.run(['post', 'dead-letters', 'posted there']);
  assert.deepEqual(await numbers('--mailbox', 'dead-letters'), [5]);
});

test('log --id shows the whole life of a message, with its text and its answers', async (context) => {
  const place = await shell(context);
  await conversation(place);
  const { text, code } = await place.run(['log', '--id', 'q1']);
  assert.equal(code, 0);
  const [head = '', ...rest] = timeless(text).split('\n');
  assert.match(head, /^#1 from "ann" \("ipc" on ".*"\) to "ben", DATE, 39 bytes, id "q1"$/);
  assert.deepEqual(rest, [
    '  What does `make test` print?',
    '  All of it.',
    'DAY UTC',
    'TIME stored',
    'TIME delivered to "ben", attempt 1',
    `TIME done by "ben", with the post "${await answerId(place)}"`,
    'answered by #2',
    '',
  ]);
  const job = await place.run(['log', '--id', 'job-1']);
  assert.match(
    timeless(job.text),
    /TIME stored\nTIME delivered to "ben", attempt 1\nTIME back in "jobs"; "ben" had it for \d+ s and gave it back\n$/,
  );
});

async function answerId({ run }: Shell): Promise<string> {
  const { text } = await run(['log', '--json', '--to', 'ann']);
  return JSON.parse(text).id;
}

test('log --json has these fields, and the life of a message with --id', async (context) => {
  const place = await shell(context);
  await conversation(place);
  const { text } = await place.run(['log', '--json', '--full', '--from', 'ann', '--to', 'ben']);
  const { time, since, holder, pid, machine, folder, ...rest } = JSON.parse(text);
  assert.deepEqual(
    [time, since, pid].map((each) => typeof each),
    ['number', 'number', 'number'],
  );
  assert.deepEqual([typeof machine, typeof folder], ['string', 'string']);
  assert.deepEqual(Object.keys(holder), ['session', 'name']);
  assert.deepEqual(rest, {
    ...{ id: 'q1', number: 1, mailbox: 'ben', to: 'ben', from: 'ann', program: 'ipc' },
    ...{ answers: '', state: 'done', attempts: 1, bytes: 39, damaged: false },
    line: 'What does `make test` print?',
    body: 'What does `make test` print?\nAll of it.',
    life: null,
  });
  const { life } = JSON.parse((await place.run(['log', '--json', '--id', 'q1'])).text);
  assert.deepEqual(
    life.map((event: object) => Object.keys(event)),
    [
      ['kind', 'mailbox', 'attempt', 'session', 'name', 'time'],
      ['kind', 'mailbox', 'session', 'name', 'by', 'time'],
    ],
  );
});

test('a body cannot pass for a head, and moves no cursor', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'ben'], 'one\n10:00:00 #9 "x" to "y": stored\n\u001b[31mred');
  const { text } = await run(['log', '--full']);
  assert.match(
    timeless(text),
    /^DAY UTC\nTIME #1 unknown to "ben": stored\n {2}one\n {2}TIME #9 "x" to "y": stored\n {2}\\u\{1b\}\[31mred\n$/,
  );
});

test('a store that is not there, one without a message, and an id that is not kept are said', async (context) => {
  const { run, home, port } = await shell(context);
  const none = await run(['log']);
  assert.deepEqual([none.code, none.text], [1, '']);
  assert.equal(
    none.errors,
    `No store in ${home}/broker-${port}: nothing was posted there. See \`--port\` and IPC_HOME.\n`,
  );
  await run(['status']);
  await run(['fetch', 'ben']);
  const empty = await run(['log']);
  assert.deepEqual([empty.code, empty.text, empty.errors], [0, '', 'No message.\n']);
  for (const option of ['--id', '--thread']) {
    const { code, errors } = await run(['log', option, 'job-9']);
    assert.deepEqual([code, errors], [1, 'No message with the id "job-9" is kept.\n']);
  }
  for (const since of ['2', '2w', '2026-13-01', 'yesterday']) {
    const { code, errors } = await run(['log', '--since', since]);
    assert.equal(code, 2, since);
    assert.match(errors, /^ipc: bad_parameter: since is /);
  }
});

test('log --follow goes on where the files end, also without a broker at first', async (context) => {
  const place = await shell(context);
  const { run, begin, home, port } = place;
  await run(['post', 'ben', 'before', '--from', 'ann']);
  const following = begin(['log', '--follow', '--json']);
  assert(following.stdout);
  let text = '';
  following.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const shown = async (count: number) => {
    while (text.split('\n').length <= count) {
      await new Promise((resolve) => following.stdout?.once('data', resolve));
    }
  };
  await shown(1);
  const mail = await open({ home, port, env: {}, program: 'worker', name: 'ben' });
  const message = await mail.wait('ben');
  assert(message);
  await mail.post('ann', 'an answer', { answers: message });
  await shown(4);
  await mail.close();
  following.kill();
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ number, state, line }) => [number, state, line]),
    [
      [1, 'ready', 'before'],
      [1, 'held', 'before'],
      [2, 'ready', 'an answer'],
      [1, 'done', 'before'],
    ],
  );
});

test('log --follow tells each message once, in order, while only commands own the broker, also after one that stayed', async (context) => {
  const { run, begin, home, port } = await shell(context);
  const lines = new Lines(begin(['log', '--follow', '--json']).stdout);
  const told = async (count: number) => {
    const texts: string[] = [];
    while (texts.length < count) texts.push(JSON.parse(await lines.next()).line);
    return texts;
  };
  for (const text of ['one', 'two', 'three']) await run(['post', 'ben', text]);
  assert.deepEqual(await told(3), ['one', 'two', 'three']);
  const mail = await open({ home, port, env: {}, program: 'worker', name: 'ann' });
  await mail.post('ben', 'four');
  assert.deepEqual(await told(1), ['four']);
  await mail.close();
  for (const text of ['five', 'six']) await run(['post', 'ben', text]);
  assert.deepEqual(await told(2), ['five', 'six']);
});

test('log --erase forgets what is settled, of one mailbox or all, and asks a script for --yes', async (context) => {
  const place = await shell(context);
  const { run } = place;
  await conversation(place);
  const asked = await run(['log', '--erase']);
  assert.equal(asked.code, 2);
  assert.match(asked.errors, /To do: to erase without a question: ipc log --yes --erase\.\n$/);
  const numbers = async () => {
    const { text } = await run(['log', '--json']);
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line).number);
  };
  const one = await run(['log', '--erase', '--mailbox', 'ben', '--yes']);
  assert.equal(one.code, 0, one.errors);
  assert.match(one.text, /^Erased 1 settled message to "ben"; /);
  assert.deepEqual(await numbers(), [2, 3, 4]);
  assert.equal((await run(['log', '--erase', '--yes'])).code, 0);
  assert.deepEqual(await numbers(), [2, 3]);
  assert.equal((await run(['log', '--erase', '--yes', '--grep', 'x'])).code, 2);
});

test('log shows when deliveries were paused and resumed, in time order, unless messages are picked', async (context) => {
  const { run } = await shell(context);
  await run(['post', 'jobs', 'one', '--from', 'ann']);
  await run(['pause', 'jobs']);
  await run(['post', 'ben', 'two', '--from', 'ann', '--id', 'm2']);
  await run(['resume', '--all']);
  const log = async (...args: string[]) => timeless((await run(['log', ...args])).text);
  const one = 'TIME #1 "ann" to "jobs": stored\n  one\n';
  const two = 'TIME #2 "ann" to "ben": stored\n  two\n';
  const paused = 'TIME deliveries from "jobs" were paused\n';
  const resumed = 'TIME deliveries from all mailboxes were resumed\n';
  const day = 'DAY UTC\n';
  assert.equal(await log(), day + one + paused + two + resumed);
  assert.equal(await log('--since', '1h'), day + one + paused + two + resumed);
  assert.equal(await log('--mailbox', 'jobs'), day + one + paused + resumed);
  assert.equal(await log('--mailbox', 'ben'), day + two + resumed);
  for (const pick of ['--to=ben', '--grep=two', '--thread=m2']) {
    assert.equal(await log(pick), day + two, pick);
  }
  for (const pick of ['--from', '--with']) assert.equal(await log(pick, 'ann'), day + one + two);
  assert(!(await log('--id', 'm2')).includes('deliveries'));
  const lines = (await run(['log', '--json'])).text.trimEnd().split('\n');
  const events = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind !== undefined);
  assert.deepEqual(
    events.map(({ time, ...event }) => [typeof time, event]),
    [
      ['number', { kind: 'paused', mailbox: 'jobs' }],
      ['number', { kind: 'resumed', mailbox: null }],
    ],
  );
});

test('log --follow shows a pause when it is made', async (context) => {
  const { run, begin } = await shell(context);
  await nextLine(begin(['broker']));
  await run(['post', 'jobs', 'one']);
  const following = begin(['log', '--follow', '--json']);
  assert(following.stdout);
  const lines = new Lines(following.stdout);
  assert.equal(JSON.parse(await lines.next()).number, 1);
  await run(['pause', '--all']);
  const { kind, mailbox } = JSON.parse(await lines.next());
  assert.deepEqual([kind, mailbox], ['paused', null]);
});

test('log --erase without a store says so and makes none; --yes goes with --erase only', async (context) => {
  const { run, home, port } = await shell(context);
  const none = `No store in ${home}/broker-${port}: nothing was posted there. See \`--port\` and IPC_HOME.\n`;
  const { code, text, errors } = await run(['log', '--erase', '--yes']);
  assert.deepEqual([code, text, errors], [1, '', none]);
  assert.equal(existsSync(join(home, `broker-${port}`)), false);
  const alone = await run(['log', '--yes']);
  assert.deepEqual([alone.code, alone.text], [2, '']);
  assert.match(alone.errors, /^ipc: bad_parameter: --yes goes with --erase only\. To do: /);
});

test('log --follow --mailbox dead-letters tells only of what is or was there', async (context) => {
  const { run, begin, home, port } = await shell(context);
  await run(['post', 'jobs', 'waits', '--from', 'ann']);
  await run(['post', 'dead-letters', 'first']);
  const following = begin(['log', '--follow', '--json', '--mailbox', 'dead-letters']);
  const lines = new Lines(following.stdout);
  const next = async () => {
    const { state, line } = JSON.parse(await lines.next());
    return [state, line];
  };
  assert.deepEqual(await next(), ['ready', 'first']);
  const mail = await open({ home, port, env: {}, program: 'worker', name: 'ben' });
  for (let attempt = 1; attempt <= 20; attempt++) await (await mail.wait('jobs'))?.release();
  await mail.post('jobs', 'no dead letter');
  await mail.post('dead-letters', 'last');
  assert.deepEqual(
    [await next(), await next()],
    [
      ['dead', 'waits'],
      ['ready', 'last'],
    ],
  );
  await mail.close();
});

test('log --thread and --id show long threads, whose texts are more than is kept in memory', async (context) => {
  const { run, home, port } = await shell(context);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const { journal } = await openStore({ disk: realDisk, folder: join(home, `broker-${port}`) });
  const question = postedRecord(1, 'question');
  journal.append([question]);
  const { id } = question.envelope;
  for (let number = 2; number <= 36; number++) {
    const { envelope, ...answer } = postedRecord(number, `${number}`.padEnd(1_000_000));
    journal.append([{ ...answer, envelope: { ...envelope, answers: id } }]);
  }
  journal.append([settledRecord(...Array.from({ length: 36 }, (_, index) => index + 1))]);
  await journal.close();
  const thread = await run(['log', '--thread', id, '--full', '--json']);
  assert.deepEqual([thread.code, thread.errors], [0, '']);
  assert.equal(thread.text.trimEnd().split('\n').length, 36);
  const one = await run(['log', '--id', id]);
  assert.deepEqual([one.code, one.errors], [0, '']);
  assert.match(one.text, /^#1 .*\n {2}question\n[\s\S]*\nanswered by #2, .*#36\n$/);
});
