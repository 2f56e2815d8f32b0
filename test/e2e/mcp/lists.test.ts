// Waits on several mailboxes and fetches from them, as a host's model makes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPlace as place } from '../../support/mcp-host.ts';

const list = '["amy","jobs"]';
const wait = (more = {}) => ({ operation: 'wait', mailbox: list, timeout: 1, ...more });
const post = (to: string, message: string) => ({ operation: 'post', to, from: 'boss', message });

test('a worker with a mailbox of its own beside the shared one reads both with one wait, and answers', async (context) => {
  const { host } = await place(context);
  const [worker, boss] = [await host(), await host()];
  const none = await worker.call(wait());
  assert.equal(none.text, 'No message for "amy" or "jobs" within 1 s.\nNext: wait ["amy","jobs"].');
  await boss.call(post('jobs', 'a job'));
  await boss.call(post('amy', 'for amy'));
  const first = await worker.call(wait());
  assert.match(first.head, /^Message for "amy": #2 from "boss" /);
  assert.match(
    first.text,
    /Next: post to "boss", wait \["amy","jobs"\], or to end broker_status, with after "/,
  );
  const second = await worker.call(wait({ after: first.ticket }));
  assert.match(second.head, /^Message for "jobs": #1 from "boss" .*; #2 done\.$/);
  const answer = { operation: 'post', to: 'boss', from: 'amy', message: 'done' };
  const answered = await worker.call({ ...answer, after: second.ticket });
  assert.match(answered.text, /\nNext: wait \["amy","jobs"\]\.$/);
  const { text } = await boss.call({ operation: 'broker_status' });
  assert.match(text, /"boss": 1 ready, 0 held/);
  assert.doesNotMatch(text, /^"(amy|jobs)": /m);
});

test('a fetch from several mailboxes names the mailbox of each message', async (context) => {
  const { host } = await place(context);
  const [worker, boss] = [await host(), await host()];
  await boss.call(post('jobs', 'a job'));
  await boss.call(post('amy', 'for amy'));
  const both = await worker.call({ operation: 'fetch', mailbox: list });
  assert.match(both.head, /^2 messages for "amy" or "jobs", no more there\.$/);
  assert.deepEqual(both.bodies, ['for amy', 'a job']);
  assert.match(both.text, /<<<\w{8} "amy": #2 from "boss" [\s\S]*<<<\w{8} "jobs": #1 from "boss" /);
});

test('at Codex a dropped wait on a list ends with the next one, and what it was given comes once more', async (context) => {
  const { host } = await place(context);
  const [codex, boss] = [await host({ name: 'codex-mcp-client' }), await host()];
  codex.begin(wait({ timeout: 60 }), { threadId: 't1' });
  for (;;) {
    const { text } = await boss.call({ operation: 'broker_status' });
    if (/"amy": .* 1 waiting[\s\S]*"jobs": .* 1 waiting/.test(text)) break;
  }
  const next = codex.begin(wait({ timeout: 60 }), { threadId: 't1' });
  await boss.call(post('jobs', 'a job'));
  assert.deepEqual((await next.answer).bodies, ['a job']);
  const again = await codex.call(wait(), { threadId: 't1' });
  assert.deepEqual(again.bodies, ['a job']);
  assert.match(again.head, /attempt 2; redelivered, because no call named its ticket/);
});

test('a list is refused where one mailbox is meant, and the error says what to do', async (context) => {
  const { host } = await place(context);
  const agent = await host();
  const ask = await agent.call({ operation: 'ask', to: 'boss', mailbox: list, message: 'Ready?' });
  assert.equal(
    ask.text,
    'bad_parameter: mailbox names 2; an ask is answered in one mailbox. To do: name your own mailbox, which gets the answer.',
  );
  const names = JSON.stringify(Array.from({ length: 17 }, (_, index) => `box ${index}`));
  const { text } = await agent.call(wait({ mailbox: names }));
  assert.match(text, /^bad_parameter: mailbox names 17; it must be 1 to 16 mailboxes\. /);
});
