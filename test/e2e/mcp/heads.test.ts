// Heads that say what an agent would otherwise have to ask for: what is left, where else mail waits, what a post found
// ahead of its message, and which question an answer answers.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { hostPlace, type McpHost, type Reading } from '../../support/mcp-host.ts';

async function setUp(context: TestContext): Promise<(name?: string) => Promise<McpHost>> {
  const place = await hostPlace(context);
  return (name = 'test-host') => place.host({ name });
}

/** A head without what differs from run to run. */
function plain({ head }: Reading): string {
  return head.replace(/"test-host" on [^)]*/, 'test-host').replace(/, \d{4}-\S+Z/, ', TIME');
}

const post = (from: string, to: string, message: string, more = {}) => ({
  operation: 'post',
  ...{ from, to, message },
  ...more,
});
const wait = (mailbox: string, more = {}) => ({ operation: 'wait', mailbox, timeout: 1, ...more });

test('a worker that reads a shared mailbox learns of mail in its own, whatever it calls', async (context) => {
  const start = await setUp(context);
  const boss = await start();
  const amy = await start();
  assert.equal(plain(await amy.call(wait('amy'))), 'No message for "amy" within 1 s.');
  for (const job of ['one', 'two']) await boss.call(post('boss', 'jobs', job));
  await boss.call(post('boss', 'amy', 'How far are you?'));
  const first = await amy.call(wait('jobs'));
  assert.equal(
    plain(first),
    'Message for "jobs": #1 from "boss" (test-host), TIME; 1 more in "jobs"; 1 unread in "amy".',
  );
  const answer = await amy.call(post('amy', 'boss', 'done', { after: first.ticket }));
  assert.equal(
    plain(answer),
    'Stored as #4 in "boss"; no reader is waiting there; #1 done; 1 unread in "jobs", 1 in "amy".',
  );
  const second = await amy.call({ operation: 'fetch', mailbox: 'jobs' });
  assert.equal(
    plain(second),
    'Message for "jobs": #2 from "boss" (test-host), TIME; no more there; 1 unread in "amy".',
  );
  assert.equal(
    plain(await amy.call({ operation: 'fetch', mailbox: 'jobs', after: second.ticket })),
    'No message for "jobs" now; #2 done; 1 unread in "amy".',
  );
  assert.equal(
    plain(await amy.call(wait('jobs'))),
    'No message for "jobs" within 1 s; 1 unread in "amy".',
  );
});

test('an agent that only reads a shared mailbox learns of questions to its name', async (context) => {
  const start = await setUp(context);
  const boss = await start();
  const ben = await start();
  await ben.call(post('ben', 'boss', 'Ready.'));
  await boss.call(post('boss', 'ben', 'Which version?'));
  await boss.call(post('boss', 'jobs', 'one'));
  assert.equal(
    plain(await ben.call(wait('jobs'))),
    'Message for "jobs": #3 from "boss" (test-host), TIME; 1 unread in "ben".',
  );
});

test('an ask says which other mail is in the mailbox of its answer', async (context) => {
  const start = await setUp(context);
  const boss = await start();
  const ben = await start();
  await ben.call(post('ben', 'boss', 'Ready.'));
  const ask = { operation: 'ask', to: 'ben', mailbox: 'boss', message: 'Why?', timeout: 1 };
  assert.equal(
    plain(await boss.call(ask)),
    'No message for "boss" within 1 s; the question is stored as #2; 1 unread in "boss".',
  );
  const asking = boss.call({ ...ask, message: 'How?', timeout: 60 });
  await ben.call(wait('ben'));
  const { ticket } = await ben.call({ ...wait('ben'), timeout: 60 });
  await ben.call(post('ben', 'boss', 'So.', { after: ticket }));
  assert.equal(
    plain(await asking),
    'Message for "boss": #4 from "ben" (test-host), an answer to your #3 "How?", TIME; 1 more in "boss".',
  );
});

test('a poster learns what is unread before its message, and who holds mail there', async (context) => {
  const start = await setUp(context);
  const boss = await start();
  const ben = await start();
  await boss.call(post('boss', 'jobs', 'one'));
  await ben.call(wait('jobs'));
  await ben.call(post('ben', 'log', 'begun'));
  const heads: string[] = [];
  for (const job of ['two', 'three']) {
    const { head } = await boss.call(post('boss', 'jobs', job));
    heads.push(head.replace(/(is busy with #1|has been busy with #1 for \d+ s)/, 'BUSY #1'));
  }
  assert.deepEqual(heads, [
    'Stored as #3 in "jobs"; "ben" BUSY #1.',
    'Stored as #4 in "jobs"; 1 unread before it; "ben" BUSY #1.',
  ]);
});

test('a post that another session repeats says that its text is there twice; a session may repeat itself', async (context) => {
  const start = await setUp(context);
  const boss = await start();
  const again = 'it is there twice now';
  await boss.call(post('boss', 'jobs', 'build'));
  assert.equal(
    plain(await boss.call(post('boss', 'jobs', 'build'))),
    'Stored as #2 in "jobs"; 1 unread before it; no reader is waiting there.',
  );
  await boss.kill('SIGKILL');
  const next = await start();
  const { head } = await next.call(post('boss', 'jobs', 'build'));
  assert.equal(
    head.replace(/\d+ s ago/, 'N s ago'),
    `Stored as #3 in "jobs"; 2 unread before it; no reader is waiting there; the same text was stored as #2, N s ago, and is unread: ${again}.`,
  );
  const asked = await next.call({
    ...{ operation: 'ask', to: 'jobs', mailbox: 'boss', message: 'build', timeout: 1 },
  });
  assert.equal(plain(asked), 'No message for "boss" within 1 s; the question is stored as #4.');
  const other = await next.call(post('amy', 'jobs', 'build'));
  assert.equal(
    plain(other),
    'Stored as #5 in "jobs"; 4 unread before it; no reader is waiting there.',
  );
});

test('an answer that succeeded and is made again with its used ticket is a second message, which answers nothing', async (context) => {
  const start = await setUp(context);
  const [ann, ben] = [await start(), await start()];
  await ann.call(post('ann', 'ben', 'ready?'));
  const { ticket: after } = await ben.call(wait('ben'));
  const answer = () => ben.call(post('ben', 'ann', 'yes', { after }));
  assert.equal(
    plain(await answer()),
    'Stored as #2 in "ann"; no reader is waiting there; #1 done.',
  );
  assert.equal(
    plain(await answer()),
    'Stored as #3 in "ann"; 1 unread before it; no reader is waiting there.',
  );
  const first = await ann.call(wait('ann'));
  assert.equal(
    plain(first),
    'Message for "ann": #2 from "ben" (test-host), an answer to your #1 "ready?", TIME; 1 more in "ann".',
  );
  assert.equal(
    plain(await ann.call(wait('ann', { after: first.ticket }))),
    'Message for "ann": #3 from "ben" (test-host), TIME; #2 done.',
  );
});

test('at a host that drops calls a session learns that it repeats itself', async (context) => {
  const start = await setUp(context);
  const codex = await start('codex-mcp-client');
  await codex.call(post('boss', 'jobs', 'build'));
  const { head } = await codex.call(post('boss', 'jobs', 'build'));
  assert.equal(
    head.replace(/\d+ s ago/, 'N s ago'),
    'Stored as #2 in "jobs"; 1 unread before it; no reader is waiting there; the same text was stored as #1, N s ago, and is unread: it is there twice now.',
  );
});

test('an answer without a ticket names the question if its sender held no other message of the asker', async (context) => {
  const start = await setUp(context);
  const boss = await start();
  const ben = await start();
  await boss.call(post('boss', 'ben', 'APPROVED?'));
  await ben.call(wait('ben'));
  const answered = await ben.call(post('ben', 'boss', 'Yes.'));
  assert.equal(
    answered.text,
    'Stored as #2 in "boss"; no reader is waiting there; #1 done.\nNext: wait "ben".',
  );
  assert.equal(
    plain(await boss.call(wait('boss'))),
    'Message for "boss": #2 from "ben" (test-host), an answer to your #1 "APPROVED?", TIME.',
  );
});

test('a message that carries the ticket of another agent is no answer for its reader', async (context) => {
  const start = await setUp(context);
  const [boss, ben, amy] = [await start(), await start(), await start()];
  await boss.call(post('boss', 'ben', 'Ask amy.'));
  const { ticket } = await ben.call(wait('ben'));
  await ben.call({ ...post('ben', 'amy', 'Which port?'), after: ticket });
  assert.equal(
    plain(await amy.call(wait('amy'))),
    'Message for "amy": #2 from "ben" (test-host), TIME.',
  );
});
