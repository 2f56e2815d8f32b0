// A pause as agents meet it: their results say that a person has made it, and that mail is kept.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { Inbox } from '../../support/inbox.ts';
import { type HostPlace, hostPlace, program } from '../../support/mcp-host.ts';
import { ended } from '../../support/processes/shell.ts';

const advice =
  'A person has paused them: mail is kept, and comes when a person resumes them. Do not resume them yourself, and look for no way around; wait again, or tell your user.';

async function run({ home, port }: HostPlace, ...words: string[]): Promise<string> {
  const { PATH } = process.env;
  const env = { PATH, HOME: home, IPC_HOME: home, IPC_PORT: `${port}` };
  const { text, errors } = await ended(spawn(process.execPath, [program, ...words], { env }));
  assert.equal(errors, '');
  return text;
}

test('agents post to a paused mailbox and get nothing from it, over a kill of the owner, until a person resumes it', async (context) => {
  const place = await hostPlace(context);
  const [owner, boss, ann] = [await place.host(), await place.host(), await place.host()];
  await owner.call({ operation: 'broker_start' });
  await run(place, 'pause', 'ann');
  const posted = await boss.call({ operation: 'post', to: 'ann', from: 'boss', message: 'hello' });
  assert.equal(
    posted.text,
    'Stored as #1 in "ann"; deliveries from "ann" are paused: it is kept, and nobody gets it until a person resumes them.\nNext: wait "boss" for an answer.',
  );
  const both = await boss.call({
    ...{ operation: 'post', to: '["ann","cy"]', from: 'boss', message: 'to both' },
  });
  assert.equal(
    both.head,
    'Stored in 2 mailboxes: #2 in "ann" (1 unread before it, deliveries are paused), #3 in "cy".',
  );
  const waited = await ann.call({ operation: 'wait', mailbox: 'ann', timeout: 1 });
  const none = (how: string) =>
    `No message for "ann" ${how}; deliveries from "ann" are paused; 2 unread in "ann".\n${advice}\nNext: wait "ann".`;
  assert.equal(waited.text, none('within 1 s'));
  await owner.kill('SIGKILL');
  const fetched = await ann.call({ operation: 'fetch', mailbox: 'ann' });
  assert.equal(
    fetched.text,
    `No message for "ann" now; deliveries from "ann" are paused.\n${advice}\nNext: wait "ann".`,
  );
  const status = await boss.call({ operation: 'broker_status' });
  assert.match(
    status.text,
    /\nDeliveries are paused by a person, from "ann": mail is kept until they are resumed\.\n/,
  );
  const look = await boss.call({ operation: 'broker_status', mailbox: 'ann' });
  assert.match(look.head, /; no reader is waiting there; deliveries from "ann" are paused\.$/);
  // The wait is parked when the resume comes, or comes after it.
  const open = ann.begin({ operation: 'wait', mailbox: 'ann', timeout: 60 });
  await run(place, 'resume', 'ann');
  const { bodies } = await open.answer;
  assert.deepEqual(bodies, ['hello']);
});

test('a question to a paused mailbox is stored, and the result says that nobody gets it now', async (context) => {
  const place = await hostPlace(context);
  const ann = await place.host();
  await run(place, 'pause', '--all');
  const asked = await ann.call({
    ...{ operation: 'ask', to: 'ben', mailbox: 'ann', message: '6 times 8?', timeout: 1 },
  });
  assert.equal(
    asked.text,
    `No message for "ann" within 1 s; the question is stored as #1; deliveries from "ben" are paused: it is kept, and nobody gets it until a person resumes them; deliveries from "ann" are paused.\n${advice}\nNext: wait "ann".`,
  );
});

test('an agent is not rung for mail in a paused mailbox, and is rung after the resume', async (context) => {
  const place = await hostPlace(context);
  const inbox = await Inbox.open(context);
  const ann = await place.host({ name: 'claude-code', env: inbox.env });
  const boss = await place.host();
  await boss.call({ operation: 'broker_status' });
  await run(place, 'pause', 'ann');
  const answer = await ann.call({ operation: 'watch', mailbox: '["ann","jobs"]' });
  assert.equal(
    answer.text,
    `You will be woken when there is mail in "ann" or "jobs"; deliveries from "ann" are paused.\n${advice}\nEnd your turn.`,
  );
  await boss.call({ operation: 'post', to: 'ann', from: 'boss', message: 'one' });
  // This mail is younger, so the other would have been rung for first.
  await boss.call({ operation: 'post', to: 'jobs', from: 'boss', message: 'two' });
  assert.match((await inbox.next()).text, /in mailbox "jobs"/);
  const read = await ann.call({ operation: 'wait', mailbox: '["ann","jobs"]' });
  assert.deepEqual(read.bodies, ['two']);
  await run(place, 'resume', '--all');
  assert.match((await inbox.next()).text, /in mailbox "ann"/);
});
