// `ipc watch`: a line when mail is unread, which stays where it is.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentMail, open } from '../../../src/index.ts';
import { reportedAbout } from '../../support/processes/doctor.ts';
import { exitCodeOf, Lines } from '../../support/processes/lines.ts';
import { ended, nextLine, type Shell, shell } from '../../support/processes/shell.ts';

/** A broker in a process of its own, and a session in this one. */
async function place(
  context: TestContext,
): Promise<Shell & { mail: AgentMail; owner: ChildProcess }> {
  let opened: AgentMail | undefined;
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(() => opened?.close());
  const found = await shell(context);
  const { begin, home, port } = found;
  const owner = begin(['broker']);
  await nextLine(owner);
  const mail = await open({ home, port, env: {}, name: 'boss' });
  opened = mail;
  return { ...found, mail, owner };
}

/** Returns when `count` sessions watch the mailbox. */
async function watched(mail: AgentMail, mailbox: string, count = 1): Promise<void> {
  for (;;) {
    const { mailboxes } = await mail.status();
    const found = mailboxes.find((each) => each.mailbox === mailbox);
    if ((found?.watching ?? 0) === count) return;
    await sleep(20);
  }
}

test('a watch ends with one line when mail comes, and takes nothing', async (context) => {
  const { begin, mail } = await place(context);
  const watching = ended(begin(['watch', 'ann']));
  await watched(mail, 'ann');
  const stored = await mail.post('ann', 'secret words');
  assert.deepEqual([stored.reader, stored.watched], [false, true]);
  const { code, text, errors } = await watching;
  assert.match(text, /^1 message waits in "ann": #1, [0-9] s old\.\n$/);
  assert.deepEqual([code, errors], [0, 'Next: ipc wait ann\n']);
  const { messages } = await mail.fetch('ann');
  assert.deepEqual(
    messages.map(({ text, attempt }) => [text, attempt]),
    [['secret words', 1]],
  );
});

test('a poster, a status and doctor say who is woken by what, and whether it has read since it was told', async (context) => {
  const { begin, run, mail } = await place(context);
  const lines = new Lines(begin(['watch', 'ann', '--follow']).stdout);
  await watched(mail, 'ann');
  assert.equal(
    (await run(['post', 'ann', 'one'])).text,
    'Stored as #1 in "ann"; a session that watches "ann" will be woken.\n',
  );
  await lines.next();
  await watched(mail, 'ann');
  const told = (state: string) =>
    `watches "ann" \\(woken by "ipc watch"; told (\\S+ )?\\d\\d:\\d\\d UTC, ${state}\\)`;
  const { text } = await run(['status']);
  assert.match(text, /\n"ann": 1 ready, 0 held, 0 waiting, 1 watching, oldest \d+ s old\n/);
  assert.match(text, new RegExp(`\nSession "ann" .*, ${told('not read yet')}\n`));
  const message = await mail.wait('ann');
  await message?.settle();
  const about = reportedAbout('watch', await run(['doctor', '--json']));
  assert.match(about.what, new RegExp(`^"ann" \\("ipc" on .*\\) ${told('read')}$`));
  assert.equal(about.ok, true);
});

test('mail that is there already ends a watch, of any of its mailboxes', async (context) => {
  const { run, mail } = await place(context);
  for (const text of ['one', 'two']) await mail.post('jobs', text);
  const { code, text } = await run(['watch', 'ann', 'jobs', '--json']);
  const { ageMs, ...notice } = JSON.parse(text);
  assert.deepEqual([code, notice], [0, { mailbox: 'jobs', unread: 2, number: 1, attempt: 1 }]);
  assert(ageMs >= 0);
});

test('a watch whose time is over exits with 124, and says how long it was: 3 s at least', async (context) => {
  const { run } = await place(context);
  const before = performance.now();
  const { code, text, errors } = await run(['watch', 'ann', '--timeout', '1']);
  assert.deepEqual([code, text, errors], [124, '', 'No unread message within 3 s.\n']);
  assert(performance.now() - before >= 3_000);
  const json = await run(['watch', 'ann', '--timeout', '1', '--json']);
  const timeout = { timeout: { seconds: 3, stored: null } };
  assert.deepEqual([json.code, json.text, JSON.parse(json.errors)], [124, '', timeout]);
});

test('a watch that follows has a line for each time that mail waits, and for a message that was released', async (context) => {
  const { begin, mail } = await place(context);
  const child = begin(['watch', 'ann', '--follow', '--timeout', '600']);
  const lines = new Lines(child.stdout);
  await watched(mail, 'ann');
  await mail.post('ann', 'one');
  assert.match(await lines.next(), /^1 message waits in "ann": #1, /);
  const one = await mail.wait('ann');
  await one?.release();
  assert.match(await lines.next(), /^1 message waits in "ann": #1, /);
  const again = await mail.wait('ann');
  assert.equal(again?.attempt, 2);
  await again?.settle();
  await watched(mail, 'ann');
  await mail.post('ann', 'two');
  assert.match(await lines.next(), /^1 message waits in "ann": #2, /);
  child.kill('SIGTERM');
  assert.equal(await exitCodeOf(child), 143);
  assert.deepEqual(await lines.rest(), []);
});

test('a watch that followed until its time was over exits with 0 if mail came', async (context) => {
  const { run, mail } = await place(context);
  await mail.post('ann', 'one');
  const { code, text, errors } = await run(['watch', 'ann', '--follow', '--timeout', '3']);
  assert.match(text, /^1 message waits in "ann": #1, [0-9] s old\.\n$/);
  assert.deepEqual([code, errors], [0, '']);
});

test('the shortest watch reports mail that is there, with and without a broker', async (context) => {
  const { run, begin } = await shell(context);
  await run(['post', 'ann', 'hi']);
  const shortest = ['watch', 'ann', '--timeout', '1', '--json'];
  const alone = await run(shortest);
  await nextLine(begin(['broker']));
  for (const { code, text } of [alone, await run(shortest)]) {
    assert.deepEqual([code, JSON.parse(text || '{}').unread], [0, 1]);
  }
});

test('Ctrl-C ends a watch with 130', async (context) => {
  const { begin, mail } = await place(context);
  const child = begin(['watch', 'ann']);
  const watching = ended(child);
  await watched(mail, 'ann');
  child.kill('SIGINT');
  const { code, errors } = await watching;
  assert.deepEqual([code, errors], [130, 'ipc: interrupted (SIGINT).\n']);
  await watched(mail, 'ann', 0);
});

test('a watch whose reader has closed the pipe ends at its next line', async (context) => {
  const { begin, mail } = await place(context);
  const child = begin(['watch', 'ann', '--follow']);
  await watched(mail, 'ann');
  child.stdout?.destroy();
  await mail.post('ann', 'one');
  assert.equal(await exitCodeOf(child), 0);
});

test('of two that watch a mailbox one is told of a message', async (context) => {
  const { begin, mail } = await place(context);
  const children = [begin(['watch', 'ann']), begin(['watch', 'ann'])];
  const exits = children.map((child) => ended(child));
  await watched(mail, 'ann', 2);
  await mail.post('ann', 'one');
  const first = await Promise.race(exits);
  assert.match(first.text, /^1 message waits in "ann": #1, /);
  await watched(mail, 'ann', 1);
  const one = await mail.wait('ann');
  await one?.settle();
  for (const child of children) child.kill('SIGTERM');
  assert.deepEqual((await Promise.all(exits)).map(({ text }) => text === '').sort(), [false, true]);
});

test('a standby takes over from an owner that was killed, and the watch goes on', async (context) => {
  const { begin, run, mail, owner } = await place(context);
  await mail.close();
  const watching = ended(begin(['watch', 'ann']));
  const standby = begin(['broker']);
  const errors = new Lines(standby.stderr);
  const lines = new Lines(standby.stdout);
  await errors.until(/^Standby: /);
  owner.kill('SIGKILL');
  assert.match(await lines.next(), new RegExp(`\\(127.0.0.1; pid ${standby.pid}, epoch 2\\)`));
  assert.match((await run(['post', 'ann', 'one'])).text, /^Stored as #1 in "ann"; /);
  const { code, text } = await watching;
  assert.match(text, /^1 message waits in "ann": #1, /);
  assert.equal(code, 0);
});

test('a watch is no standby, and owns the broker when no other session does', async (context) => {
  const { begin, run, owner, mail, port } = await place(context);
  await mail.close();
  const watcher = begin(['watch', 'ann', '--follow']);
  const lines = new Lines(watcher.stdout);
  await run(['post', 'ann', 'one']);
  assert.match(await lines.next(), /^1 message waits in "ann": #1, /);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  const freed = performance.now();
  while ((await run(['ping', `127.0.0.1:${port}`])).code !== 0);
  assert(performance.now() - freed >= 900, 'a standby would have had the time to take over');
  assert.equal(JSON.parse((await run(['status', '--json'])).text).pid, watcher.pid);
  await run(['fetch', 'ann']);
  await run(['post', 'ann', 'two']);
  assert.match(await lines.next(), /^1 message waits in "ann": #\d+, /);
});

test('without any other session a watch still learns of a post', async (context) => {
  const { begin, run } = await shell(context);
  const watching = ended(begin(['watch', 'ann']));
  await run(['post', 'ann', 'one']);
  const { code, text } = await watching;
  assert.match(text, /^1 message waits in "ann": #1, /);
  assert.equal(code, 0);
});

test('a watch reports an owner that does not answer, and goes on when it does', async (context) => {
  const { begin, mail, owner } = await place(context);
  await mail.status();
  owner.kill('SIGSTOP');
  const child = begin(['watch', 'ann']);
  const lines = new Lines(child.stdout);
  assert.match(await new Lines(child.stderr).next(), /^ipc: owner_silent: .*\. Trying again\.$/);
  owner.kill('SIGCONT');
  await watched(mail, 'ann');
  await mail.post('ann', 'one');
  assert.match(await lines.next(), /^1 message waits in "ann": #1, /);
});

test('a wrong line of watch is a usage error', async (context) => {
  const { run } = await shell(context);
  for (const words of [[], ['ann', '--timeout', '-1'], ['ann', '--timeout', '604801']]) {
    assert.equal((await run(['watch', ...words])).code, 2, words.join(' '));
  }
  assert.match(
    (await run(['watch', 'ann', '--timeout', 'soon'])).errors,
    /^ipc: bad_timeout: timeout is "soon"; it must be a whole number from 1 to 604800\./,
  );
});
