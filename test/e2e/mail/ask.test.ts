// Request and reply in one call, over MCP, the command line and the library.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { hostPlace } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { ended, shell } from '../../support/processes/shell.ts';

test('over MCP an ask returns the answer to its question, leaves other mail, and is answered with a ticket', async (context) => {
  const place = await hostPlace(context);
  const [ann, bob] = [await place.host(), await place.host()];
  await bob.call({ operation: 'post', to: 'ann', from: 'bob', message: 'other mail' });
  const asked = ann.call({ operation: 'ask', to: 'bob', mailbox: 'ann', message: '6 times 7?' });
  const { ticket } = await bob.call({ operation: 'wait', mailbox: 'bob' });
  await bob.call({ operation: 'post', to: 'ann', from: 'bob', message: '42', after: ticket });
  const answer = await asked;
  assert.match(
    answer.head,
    /^Message for "ann": #3 from "bob".*, an answer to your #2 "6 times 7\?", /,
  );
  assert.deepEqual(answer.bodies, ['42']);
  const rest = await ann.call({ operation: 'fetch', mailbox: 'ann', after: answer.ticket });
  assert.deepEqual(rest.bodies, ['other mail']);
});

test('an ask that times out reports that its question is stored', async (context) => {
  const place = await hostPlace(context);
  const ann = await place.host();
  const result = await ann.call({
    ...{ operation: 'ask', to: 'bob', mailbox: 'ann', message: '?', timeout: 1 },
  });
  assert.match(result.head, /^No message for "ann" within 1 s; the question is stored as #1\./);
  assert.deepEqual((await ann.call({ operation: 'fetch', mailbox: 'bob' })).bodies, ['?']);
});

test('an ask without a mailbox for its answer stores nothing', async (context) => {
  const { run } = await shell(context);
  const { code, errors } = await run(['ask', 'bob', 'who?']);
  assert.equal(code, 2);
  assert.match(errors, /^ipc: missing_parameter: ask needs "mailbox", which gets the answer/);
  assert.match((await run(['status'])).text, /; 0 messages, /);
});

test('ipc ask prints the answer of a worker, and exits with 124 without one', async (context) => {
  const { run, begin } = await shell(context);
  const worker = begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']);
  const asked = await run(['ask', 'upper', 'hello', '--mailbox', 'me']);
  assert.deepEqual([asked.code, asked.text], [0, 'HELLO']);
  await run(['post', 'upper', 'shutdown']);
  assert.equal((await ended(worker)).code, 0);
  const late = await run(['ask', 'upper', 'hello', '--mailbox', 'me', '--timeout', '1']);
  assert.deepEqual([late.code, late.text], [124, '']);
  assert.match(late.errors, /^No answer to #\d+ within 1 s; it was stored\./);
});

test('two asks that wait in one mailbox each get their own answer, in any order', async (context) => {
  const home = await makeHome(context);
  const port = await freePort();
  const [ann, bob] = [
    await open({ home, port, name: 'ann' }),
    await open({ home, port, name: 'bob' }),
  ];
  context.after(() => Promise.all([ann.close(), bob.close()]));
  const first = ann.ask('bob', 'first?');
  const one = await bob.wait('bob');
  const second = ann.ask('bob', 'second?');
  const two = await bob.wait('bob');
  assert(one && two);
  await bob.post('ann', 'second!', { answers: two });
  await bob.post('ann', 'first!', { answers: one });
  assert.deepEqual([(await first)?.text, (await second)?.text], ['first!', 'second!']);
});

test('an ask whose wait fails reports that its question is stored', async (context) => {
  const home = await makeHome(context);
  const mail = await open({ home, port: await freePort(), name: 'ann' });
  context.after(() => mail.close());
  const ended = new AbortController();
  const asked = mail.ask('bob', 'first?', { signal: ended.signal });
  // The answers are stored in the same order.
  await mail.post('bob', 'second');
  ended.abort();
  await assert.rejects(asked, {
    code: 'cancelled',
    message: 'the call was cancelled; the question is stored as #1',
    maybeStored: true,
  });
});
