// One message for several readers, over MCP, the command line and the library. It is stored in all of
// the mailboxes or in none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { hostPlace } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { shell } from '../../support/processes/shell.ts';
import { nothingAhead } from '../../support/receipts.ts';

async function libraryPlace(context: Parameters<typeof makeHome>[0], sendsPerHour = 0) {
  const [home, port] = [await makeHome(context), await freePort()];
  const mail = await open({ home, port, name: 'boss', sendsPerHour, env: {} });
  context.after(() => mail.close());
  return mail;
}

test('over MCP a post to a list reaches every waiting reader, and each reader answers separately', async (context) => {
  const place = await hostPlace(context);
  const [boss, ann, ben] = [await place.host(), await place.host(), await place.host()];
  const waiting = [ann.call({ operation: 'wait', mailbox: 'ann' })];
  waiting.push(ben.call({ operation: 'wait', mailbox: 'ben' }));
  const to = ['ann', 'ben', 'cleo'];
  const { head } = await boss.call({ operation: 'post', to, from: 'boss', message: 'stand-up?' });
  assert.match(head, /^Stored in 3 mailboxes: #1 in "ann".*, #2 in "ben".*, #3 in "cleo"\./);
  for (const [index, host] of [ann, ben].entries()) {
    const { bodies, ticket } = (await waiting[index]) ?? {};
    assert.deepEqual(bodies, ['stand-up?']);
    const from = to[index];
    await host.call({
      operation: 'post',
      to: 'boss',
      from,
      message: `${from} here`,
      after: ticket,
    });
  }
  const answers = await boss.call({ operation: 'fetch', mailbox: 'boss' });
  assert.deepEqual([...(answers.bodies ?? [])].sort(), ['ann here', 'ben here']);
  const { text } = await boss.call({ operation: 'broker_status' });
  assert.match(text, /"cleo": 1 ready, 0 held/);
  assert.doesNotMatch(text, /^"(ann|ben)":/m);
});

test('over MCP an answer may go to several mailboxes, and settles the message that it answers', async (context) => {
  const place = await hostPlace(context);
  const one = await place.host();
  await one.call({ operation: 'post', to: 'ann', from: 'boss', message: 'question' });
  const { ticket } = await one.call({ operation: 'wait', mailbox: 'ann' });
  const to = '["boss","log"]';
  await one.call({ operation: 'post', to, from: 'ann', message: 'answer', after: ticket });
  const { text } = await one.call({ operation: 'broker_status' });
  assert.match(text, /; 2 messages, /);
  const logged = await one.call({ operation: 'fetch', mailbox: 'log' });
  assert.match(logged.head, /, an answer to your #1 "question", /);
});

test('over MCP an ask of several mailboxes is refused before anything is stored', async (context) => {
  const place = await hostPlace(context);
  const one = await place.host();
  const asked = { operation: 'ask', to: ['ann', 'ben'], mailbox: 'boss', message: '?' };
  const { text, isError } = await one.call(asked);
  assert.equal(isError, true);
  assert.equal(
    text,
    'bad_parameter: to names 2; an ask goes to one mailbox. To do: post to them, then wait for their answers in your own mailbox.',
  );
  assert.match((await one.call({ operation: 'broker_status' })).text, /; 0 messages, /);
});

test('ipc post takes one --to per additional mailbox, and its JSON lists each stored message with its mailbox', async (context) => {
  const { run } = await shell(context);
  const result = await run(['post', 'ann', 'Go', '--to', 'ben', '--to=cleo', '--from', 'boss']);
  assert.deepEqual([result.code, result.errors], [0, 'Next: ipc wait boss\n']);
  assert.match(result.text, /^Stored in 3 mailboxes: #1 in "ann", #2 in "ben", #3 in "cleo"\.\n$/);
  const args = ['post', 'ann', '--to', 'ben', '--id', 'job-7', '--json'];
  const ahead = {
    duplicate: false,
    reader: false,
    watched: false,
    paused: false,
    before: 1,
    holder: null,
    same: null,
    elsewhere: [],
  };
  const expected = [
    { to: 'ann', id: 'job-7', number: 4, ...ahead },
    { to: 'ben', id: 'job-7/2', number: 5, ...ahead },
  ];
  for (const duplicate of [false, true]) {
    const { text } = await run(args, 'from stdin');
    const lines = text.trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      expected.map((stored) => ({ ...stored, duplicate })),
    );
  }
  assert.equal((await run(['fetch', 'ben'])).text, 'Go\nfrom stdin\n');
  const other = await run(['post', 'ann', 'other', '--to', 'ben', '--id', 'job-7']);
  assert.equal(other.code, 2);
  assert.match(
    other.errors,
    /^ipc: id_conflict: the broker says: "a message with the id job-7 was stored, but its body, mailboxes, /,
  );
});

test('the library reports one stored message per mailbox, in the order of the list, without duplicates', async (context) => {
  const mail = await libraryPlace(context);
  const stored = await mail.post(['ann', 'ben', 'ann'], 'Go', { id: 'job-7' });
  const alone = { duplicate: false, reader: false, ...nothingAhead, elsewhere: [] };
  assert.deepEqual(stored, [
    { to: 'ann', id: 'job-7', number: 1, ...alone },
    { to: 'ben', id: 'job-7/2', number: 2, ...alone },
  ]);
  assert.deepEqual(await mail.post(['ann'], 'alone', { id: 'job-8' }), [
    { to: 'ann', id: 'job-8', number: 3, ...alone, before: 1 },
  ]);
  const message = await mail.wait('ben');
  assert.deepEqual([message?.id, message?.to, message?.text], ['job-7/2', 'ben', 'Go']);
  await message?.settle();
  for (const wrong of [[], Array.from({ length: 101 }, (_, index) => `box ${index}`)]) {
    await assert.rejects(mail.post(wrong, 'Go'), {
      code: 'bad_parameter',
      message: `to names ${wrong.length}; it must be 1 to 100 mailboxes`,
    });
  }
  type Ask = (to: unknown, text: string, options?: object) => Promise<unknown>;
  const untyped = mail as unknown as { ask: Ask };
  await assert.rejects(untyped.ask(['ann', 'ben'], '?'), {
    code: 'bad_parameter',
    message: 'to names 2; an ask goes to one mailbox',
  });
  assert.equal((await mail.status()).messages, 2);
  assert.equal(await untyped.ask(['ann'], '?', { timeoutMs: 0 }), undefined);
  assert.equal((await mail.status()).messages, 3);
});

test('a post that exceeds the hourly rate limit of one mailbox is stored in none', async (context) => {
  const mail = await libraryPlace(context, 1);
  await mail.post('ann', 'first');
  await assert.rejects(mail.post(['ben', 'ann'], 'second'), { code: 'too_many_posts' });
  assert.equal((await mail.status()).messages, 1);
  await mail.post('ben', 'first');
});

test('one body of 1 MB can be posted to a hundred mailboxes', async (context) => {
  const mail = await libraryPlace(context);
  const names = Array.from({ length: 100 }, (_, index) => `box ${index}`);
  const body = Buffer.alloc(1_048_576, 'x');
  const stored = await mail.post(names, body);
  assert.deepEqual(
    stored.map(({ to }) => to),
    names,
  );
  for (const name of names) {
    const { messages } = await mail.fetch(name);
    assert(messages[0]?.body.equals(body), name);
    await messages[0]?.settle();
  }
  assert.equal((await mail.status()).messages, 0);
});
