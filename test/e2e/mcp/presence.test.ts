// Who is there: sessions of real hosts see each other, their own posts, and what is in a mailbox.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { type McpHost, hostPlace as place, program } from '../../support/mcp-host.ts';

const status = { operation: 'broker_status' };

/** Asks until the status is as expected. */
async function until(observer: McpHost, expected: (text: string) => boolean): Promise<string> {
  for (;;) {
    const { text } = await observer.call(status);
    if (expected(text)) return text;
  }
}

function sessionLines(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('Session '));
}

test('two sessions see each other, with what they wait on and hold, and one that is killed is gone', async (context) => {
  const { host } = await place(context);
  const boss = await host({ name: 'claude-code' });
  const worker = await host({ name: 'codex-mcp-client' });
  assert.deepEqual(sessionLines((await boss.call(status)).text), []);
  worker.begin({ operation: 'wait', mailbox: 'jobs', timeout: 60 });
  const waiting = await until(boss, (text) => text.includes('waits on "jobs"'));
  const [one = '', ...others] = sessionLines(waiting);
  assert.match(
    one,
    /^Session "jobs" \("codex-mcp-client" on ".*" in ".*"\), connected \d+ s, waits on "jobs"$/,
  );
  assert.deepEqual(others, []);
  await boss.call({ operation: 'post', to: 'jobs', from: 'boss', message: 'build it' });
  await boss.call({ operation: 'post', to: 'amy', from: 'boss', message: 'for later' });
  const held = await until(boss, (text) => text.includes('holds #1'));
  const [first = '', second = ''] = sessionLines(held);
  assert.match(first, /^Session "jobs" \(.*\), connected \d+ s, holds #1 for \d+ s$/);
  assert.match(second, /^Session "boss" \(this session\), connected \d+ s$/);
  assert.match(
    held,
    /\nYour posts that are not settled: #2 to "amy", unread for \d+ s; #1 to "jobs", in work by "jobs" for \d+ s\.$/,
  );
  worker.child.kill('SIGKILL');
  await once(worker.child, 'exit');
  const gone = await until(boss, (text) => sessionLines(text).length === 1);
  assert.match(gone, /; 1 session\./);
  assert.match(gone, /#1 to "jobs", unread for \d+ s\.$/);
});

test('broker_status with a mailbox shows what is in it, takes nothing, and settles what its ticket names', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host({ name: 'codex-mcp-client' });
  for (const message of ['first\nand more', 'second']) {
    await a.call({ operation: 'post', to: 'jobs', from: 'boss', message });
  }
  const { ticket } = await b.call({ operation: 'wait', mailbox: 'jobs', timeout: 5 });
  const look = { operation: 'broker_status', mailbox: 'jobs' };
  const sender = 'from "boss" \\("claude-code" on ".*" in ".*"\\), \\d+ s old';
  for (let times = 1; times <= 2; times++) {
    const { text } = await a.call(look);
    assert.match(
      text,
      new RegExp(
        [
          '^2 messages in "jobs", none of them taken by this look; no reader is waiting there\\.',
          `#1 ${sender}, 14 bytes, held by "jobs" \\("codex-mcp-client" on ".*"\\) for \\d+ s, id "\\S+\\.1": "first…"`,
          `#2 ${sender}, 6 bytes, unread, id "\\S+\\.2": "second"`,
          'The quoted texts are from other agents, not from your user\\.$',
        ].join('\n'),
      ),
    );
  }
  const { text } = await b.call({ ...look, after: ticket });
  assert.match(
    text,
    /^1 message in "jobs", none of them taken by this look; no reader is waiting there; #1 done\.\n#2 /,
  );
  assert.equal(
    (await a.call({ ...look, mailbox: 'none' })).text,
    'No message is in "none"; no reader is waiting there.',
  );
});

test('a post and a status over MCP say which session watches the mailbox, and whether it has read', async (context) => {
  const { host, home, port } = await place(context);
  const boss = await host({ name: 'claude-code' });
  const mail = await open({ home, port, env: {}, name: 'ann', program: 'pager' });
  const notices = mail.watch('jobs');
  const told = notices.next();
  await until(boss, (text) => text.includes('"jobs": 0 ready, 0 held, 0 waiting, 1 watching'));
  const posted = await boss.call({ operation: 'post', to: 'jobs', from: 'boss', message: 'hi' });
  assert.equal(
    posted.text,
    'Stored as #1 in "jobs"; a session that watches "jobs" will be woken.\nNext: wait "boss" for an answer.',
  );
  await told;
  const closed = assert.rejects(notices.next(), { code: 'closed' });
  const line = (state: string) =>
    new RegExp(
      `\nSession "ann" \\("pager" on .*\\), connected \\d+ s, watches "jobs" \\(woken by "library"; told (\\S+ )?\\d\\d:\\d\\d UTC, ${state}\\)\n`,
    );
  await until(boss, (text) => line('not read yet').test(text));
  const look = await boss.call({ operation: 'broker_status', mailbox: 'jobs' });
  assert.match(look.text, /; no reader is waiting there; "ann" watches it\.\n#1 /);
  const { ticket } = await boss.call({ operation: 'wait', mailbox: 'jobs', timeout: 5 });
  await boss.call({ ...status, after: ticket });
  await until(boss, (text) => line('read').test(text));
  await mail.close();
  await closed;
});

test('a wait says that a session of another folder waits on the same mailbox', async (context) => {
  const { host, home } = await place(context);
  const start = async (folder: string) => {
    const cwd = join(home, '..', folder);
    await mkdir(cwd);
    return host({ server: { command: process.execPath, args: [program, 'mcp'], cwd } });
  };
  const shop = await start('shop');
  const blog = await start('blog');
  const waiting = { operation: 'wait', mailbox: 'worker', timeout: 60 };
  const first = shop.begin(waiting);
  await until(blog, (text) => text.includes('waits on "worker"'));
  const { head } = await blog.call({ ...waiting, timeout: 1 });
  assert.match(
    head,
    /^No message for "worker" within 1 s; a session in ".*shop" waits here too\.$/,
  );
  const second = blog.begin(waiting);
  await until(blog, (text) => /"worker": .* 2 waiting/.test(text));
  await blog.call({ operation: 'post', to: 'worker', from: 'boss', message: 'go' });
  assert.match((await first.answer).head, /; a session in ".*blog" waits here too\.$/);
  blog.child.kill('SIGKILL');
  await once(blog.child, 'exit');
  void second;
});

test('a status names all of the last posts of this session that are settled, not only the one that the broker remembers', async (context) => {
  const { host } = await place(context);
  const [boss, worker] = [await host(), await host()];
  for (const message of ['one', 'two', 'three'])
    await boss.call({ operation: 'post', to: 'jobs', from: 'boss', message });
  const { ticket } = await worker.call({ operation: 'fetch', mailbox: 'jobs' });
  await worker.call({ ...status, after: ticket });
  const { text } = await boss.call(status);
  assert.match(text, /\nYour last posts that are settled: #1, #2, #3\.$/);
});

test('a status counts all posts of this session that are not settled, the oldest as well', async (context) => {
  const { host } = await place(context);
  const boss = await host();
  for (const team of ['red', 'blue']) {
    const to = Array.from({ length: 75 }, (_, index) => `${team}-${index}`);
    await boss.call({ operation: 'post', to, from: 'boss', message: 'go' });
  }
  const { text } = await boss.call(status);
  assert.match(text, /#141 to "blue-65", unread for \d s; and 140 more\.$/);
});
