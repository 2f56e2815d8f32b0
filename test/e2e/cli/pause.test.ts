// `ipc pause` and `ipc resume`: people stop deliveries, and nothing is lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { reportedAbout } from '../../support/processes/doctor.ts';
import { exitCodeOf, Lines } from '../../support/processes/lines.ts';
import { ended, nextLine, shell } from '../../support/processes/shell.ts';

test('a mailbox that is paused stores and delivers nothing, over a kill of the owner, until it is resumed', async (context) => {
  const { run, begin } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  const child = begin(['wait', 'ann', '--timeout', '300']);
  const waiting = ended(child);
  const paused = await run(['pause', 'ann']);
  assert.deepEqual(
    [paused.code, paused.text, paused.errors],
    [0, 'Paused now: deliveries from "ann". Mail is kept until `ipc resume ann`.\n', ''],
  );
  const stored = await run(['post', 'ann', 'hello', '--from', 'ben']);
  assert.equal(
    stored.text,
    'Stored as #1 in "ann"; deliveries from "ann" are paused: it is kept, and nobody gets it until a person resumes them.\n',
  );
  owner.kill('SIGKILL');
  await exitCodeOf(owner);
  // The session that waits owns the broker now, or this one does.
  const fetched = await run(['fetch', 'ann']);
  assert.deepEqual(
    [fetched.code, fetched.text, fetched.errors],
    [0, '', '1 more there.\nDeliveries from "ann" are paused.\n'],
  );
  assert.equal(child.exitCode, null);
  const resumed = await run(['resume', 'ann']);
  assert.deepEqual([resumed.code, resumed.text], [0, 'Nothing is paused.\n']);
  const { code, text } = await waiting;
  assert.deepEqual([code, text], [0, 'hello']);
});

test('a pause of all is the panic button: no mailbox delivers, and its end ends every pause', async (context) => {
  const { port, run } = await shell(context);
  await run(['pause', 'ann']);
  const all = await run(['pause', '--all']);
  assert.equal(
    all.text,
    'Paused now: deliveries from all mailboxes, and by name "ann". Mail is kept until `ipc resume --all`.\n',
  );
  const again = await run(['pause', 'jobs', '--port', `${port}`]);
  const line = `ipc resume --all --port ${port}`;
  assert.match(again.text, new RegExp(`Mail is kept until \`${line}\`\\.\n$`));
  assert.equal((await run(line.split(' ').slice(1))).text, 'Nothing is paused.\n');
  await run(['pause', '--all']);
  await run(['pause', 'ann']);
  await run(['post', 'ben', 'hello']);
  const one = await run(['resume', 'ann', '--json']);
  assert.deepEqual(JSON.parse(one.text), { all: true, mailboxes: [] });
  await run(['pause', 'ann', 'jobs']);
  assert.equal((await run(['fetch', 'ben'])).text, '');
  const none = await run(['resume', '--all', '--json']);
  assert.deepEqual(JSON.parse(none.text), { all: false, mailboxes: [] });
  assert.equal((await run(['fetch', 'ben'])).text, 'hello\n');
});

test('pause and resume without a mailbox, or with one and --all, are usage errors that say what to give', async (context) => {
  const { run } = await shell(context);
  const { code, text, errors } = await run(['pause']);
  assert.deepEqual(
    [code, text, errors],
    [
      2,
      '',
      'ipc: missing_parameter: pause needs a mailbox, or --all. To do: name mailboxes, or give --all for every mailbox: ipc pause --all.\n',
    ],
  );
  const both = await run(['resume', 'ann', '--all']);
  assert.equal(both.code, 2);
  assert.match(both.errors, /^ipc: bad_parameter: resume takes mailboxes or --all, not both\./);
});

test('a wait that ends during a pause says so, also as JSON, and exits with 124', async (context) => {
  const { run, begin } = await shell(context);
  await nextLine(begin(['broker']));
  await run(['pause', 'jobs']);
  await run(['post', 'jobs', 'hello']);
  const { code, text, errors } = await run(['wait', 'jobs', '--timeout', '1']);
  assert.deepEqual(
    [code, text, errors],
    [124, '', 'No message within 1 s; deliveries from "jobs" are paused; 1 unread in "jobs".\n'],
  );
  const fetched = await run(['fetch', 'jobs', '--json']);
  assert.deepEqual(
    [
      fetched.code,
      fetched.text,
      fetched.errors
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ],
    [0, '', [{ note: '1 more there.' }, { note: 'Deliveries from "jobs" are paused.' }]],
  );
  const json = await run(['wait', 'ann', 'jobs', '--timeout', '1', '--json']);
  const timeout = { seconds: 1, stored: null, paused: ['jobs'] };
  assert.deepEqual([json.code, JSON.parse(json.errors)], [124, { timeout }]);
  const asked = await run(['ask', 'jobs', 'really?', '--mailbox', 'ann', '--timeout', '1']);
  assert.deepEqual(
    [asked.code, asked.errors],
    [124, 'No answer to #2 within 1 s; it was stored; deliveries from "jobs" are paused.\n'],
  );
  const question = ['ask', 'jobs', 'Well?', '--mailbox', 'ann', '--timeout', '1', '--json'];
  assert.deepEqual(JSON.parse((await run(question)).errors).timeout.paused, ['jobs']);
});

test('status, doctor and a check of the store show what is paused', async (context) => {
  const { run, begin } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  await run(['post', 'ann', 'hello']);
  await run(['pause', 'ann', 'empty']);
  const { text } = await run(['status']);
  assert.match(
    text,
    /\nDeliveries are paused by a person, from "ann" and "empty": mail is kept until they are resumed\.\n"ann": 1 ready, 0 held, 0 waiting, oldest \d+ s old, paused\n/,
  );
  const status = JSON.parse((await run(['status', '--json'])).text);
  assert.deepEqual(status.paused, ['ann', 'empty']);
  assert.deepEqual(
    status.mailboxes.map((box: { mailbox: string; paused: boolean }) => [box.mailbox, box.paused]),
    [['ann', true]],
  );
  const said = { ok: true, what: 'deliveries from "ann" and "empty" are paused' };
  const live = reportedAbout('pause', await run(['doctor', '--json']));
  assert.deepEqual({ ok: live.ok, what: live.what }, said);
  owner.kill('SIGTERM');
  await exitCodeOf(owner);
  // Without a broker it is told from the store.
  const stored = reportedAbout('pause', await run(['doctor', '--json']));
  assert.deepEqual({ ok: stored.ok, what: stored.what }, said);
  assert.match(
    (await run(['store', 'check'])).text,
    /\ndeliveries are paused from "ann" and "empty"\n/,
  );
});

test('a worker gets no job while its mailbox is paused, and all of them after it', async (context) => {
  const { run, begin } = await shell(context);
  const worker = new Lines(begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']).stderr);
  await run(['post', 'upper', 'one', '--from', 'ann']);
  await worker.until(/"ann" is answered/);
  await run(['pause', 'upper']);
  const stored = JSON.parse((await run(['post', 'upper', 'two', '--from', 'ann', '--json'])).text);
  assert.deepEqual([stored.reader, stored.paused, stored.before], [false, true, 0]);
  const third = JSON.parse((await run(['post', 'upper', 'three', '--from', 'ann', '--json'])).text);
  assert.deepEqual([third.reader, third.before], [false, 1]);
  assert.equal((await run(['fetch', 'ann'])).text, 'ONE\n');
  await run(['resume', 'upper']);
  await worker.until(/"ann" is answered/);
  await worker.until(/"ann" is answered/);
  assert.equal((await run(['fetch', 'ann'])).text, 'TWO\nTHREE\n');
});

test('a watch is not told of mail in a paused mailbox, and is told after the resume', async (context) => {
  const { run, begin, home, port } = await shell(context);
  await nextLine(begin(['broker']));
  const lines = new Lines(begin(['watch', 'ann', 'jobs', '--follow']).stdout);
  await run(['pause', 'ann']);
  const quiet = JSON.parse((await run(['post', 'ann', 'one', '--json'])).text);
  assert.deepEqual([quiet.watched, quiet.paused], [false, true]);
  // This mail is younger, so the other would have been told first.
  await run(['post', 'jobs', 'two']);
  assert.match(await lines.next(), /^1 message waits in "jobs": #2, /);
  const mail = await open({ home, port, env: {} });
  await (await mail.wait('jobs'))?.settle();
  await mail.close();
  await run(['resume', 'ann']);
  assert.match(await lines.next(), /^1 message waits in "ann": #1, /);
});

test('a pause outlives forty owners, whose segments are merged, and a compaction of the log', async (context) => {
  const { run, home, port } = await shell(context);
  await run(['pause', 'ann', 'gone']);
  await run(['resume', 'gone']);
  await run(['post', 'ann', 'hello']);
  for (let owners = 0; owners < 40; owners++) {
    const mail = await open({ home, port, env: {} });
    const { number } = await mail.post('other', 'x');
    const { messages } = await mail.fetch('other');
    assert.deepEqual(
      messages.map((message) => message.number),
      [number],
    );
    await messages[0]?.settle();
    assert.deepEqual((await mail.fetch('ann')).paused, ['ann']);
    await mail.close();
  }
  const before = JSON.parse((await run(['store', 'check', '--json'])).text);
  assert.ok(before.segments.length < 40, `${before.segments.length} segments`);
  assert.deepEqual(before.paused, ['ann']);
  await run(['store', 'compact']);
  const { text, errors } = await run(['fetch', 'ann']);
  assert.deepEqual([text, errors], ['', '1 more there.\nDeliveries from "ann" are paused.\n']);
  await run(['resume', '--all']);
  assert.equal((await run(['fetch', 'ann'])).text, 'hello\n');
  assert.deepEqual(JSON.parse((await run(['store', 'check', '--json'])).text).paused, []);
});
