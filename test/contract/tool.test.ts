// The contract of the MCP tool: agents behind hosts, with tickets.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type HostPlace, hostPlace, type McpHost } from '../support/mcp-host.ts';
import { stopOfTheOwner } from './differences.ts';
import { type Engine, engines } from './engines.ts';

async function placeOf(context: TestContext, engine: Engine): Promise<HostPlace> {
  return hostPlace(context, await engine.environment());
}

const status = { operation: 'broker_status' };
const post = (to: string, message: string) => ({ operation: 'post', to, from: 'boss', message });
const wait = (mailbox: string, more = {}) => ({ operation: 'wait', mailbox, timeout: 60, ...more });

async function untilWaiting(observer: McpHost, mailbox: string): Promise<void> {
  for (;;) {
    const { text } = await observer.call(status);
    if (new RegExp(`"${mailbox}": .* 1 waiting`).test(text)) return;
  }
}

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: an agent waits, answers with its ticket, and so settles its message`, async (context) => {
    const { host } = await placeOf(context, engine);
    const [ann, ben] = [await host({ name: 'claude-code' }), await host({ name: 'codex' })];
    const asked = ann.begin(wait('ann'));
    await ben.call({ operation: 'post', to: 'ann', from: 'ben', message: 'ping' });
    const question = await asked.answer;
    assert.deepEqual(question.bodies, ['ping']);
    assert.match(question.head, /^Message for "ann": #1 from "ben" \("codex" on ".*"\), \S+Z\.$/);
    const answer = { operation: 'post', to: 'ben', from: 'ann', message: 'pong' };
    await ann.call({ ...answer, after: question.ticket });
    const read = await ben.call(wait('ben'));
    assert.deepEqual(read.bodies, ['pong']);
    assert.match(read.head, /from "ann" \(.*\), an answer to your #1 "ping", /);
    const settled = await ben.call({ ...status, after: read.ticket });
    assert.match(settled.head, /; 0 messages, .*; #2 done\.$/);
  });

  test(`${name}: a message whose ticket was not named is redelivered when its agent's server is killed`, async (context) => {
    const { host } = await placeOf(context, engine);
    const [boss, worker, next] = [await host(), await host(), await host()];
    await boss.call(post('jobs', 'job'));
    assert.deepEqual((await worker.call(wait('jobs'))).bodies, ['job']);
    await worker.kill('SIGKILL');
    const again = await next.call(wait('jobs'));
    assert.deepEqual(again.bodies, ['job']);
    assert.match(again.head, /attempt 2/);
    const settled = await next.call({ ...status, after: again.ticket });
    assert.match(settled.head, /; 0 messages, .*; #1 done\.$/);
  });

  test(`${name}: an agent in a loop settles each message with the ticket of the one before`, async (context) => {
    const { host } = await placeOf(context, engine);
    const [boss, worker] = [await host(), await host()];
    for (const text of ['one', 'two', 'three']) await boss.call(post('jobs', text));
    const seen: (string | undefined)[] = [];
    let after: string | undefined;
    for (let count = 0; count < 3; count++) {
      const { bodies, ticket } = await worker.call(wait('jobs', { after }));
      seen.push(bodies[0]);
      after = ticket;
    }
    await worker.call({ ...status, after });
    assert.deepEqual(seen, ['one', 'two', 'three']);
    assert.match((await boss.call(status)).head, /; 0 messages, /);
  });

  test(`${name}: an ask returns the answer to its question, and leaves other mail`, async (context) => {
    const { host } = await placeOf(context, engine);
    const [ann, ben] = [await host(), await host()];
    await ben.call(post('ann', 'other mail'));
    const ask = { operation: 'ask', to: 'ben', mailbox: 'ann', message: '6 times 7?' };
    const asked = ann.begin(ask);
    const { ticket } = await ben.call(wait('ben'));
    await ben.call({ ...post('ann', '42'), after: ticket });
    const answer = await asked.answer;
    assert.deepEqual(answer.bodies, ['42']);
    const fetch = { operation: 'fetch', mailbox: 'ann', after: answer.ticket };
    assert.deepEqual((await ann.call(fetch)).bodies, ['other mail']);
  });

  test(`${name}: a wait that its host cancels takes no message`, async (context) => {
    const { host } = await placeOf(context, engine);
    const [ann, ben] = [await host({ name: 'claude-code' }), await host()];
    const { id } = ann.begin(wait('ann'));
    await untilWaiting(ben, 'ann');
    ann.cancel(id);
    await ann.call(status);
    await ben.call(post('ann', 'later'));
    const { bodies, head } = await ben.call(wait('ann'));
    assert.deepEqual(bodies, ['later']);
    assert.doesNotMatch(head, /attempt/);
  });

  test(`${name}: a post to a list is stored in every mailbox, whatever its name`, async (context) => {
    const { host } = await placeOf(context, engine);
    const boss = await host();
    const to = ['ann', 'ben', 'a.*'];
    const { head } = await boss.call({ ...post('', 'stand-up?'), to });
    assert.match(head, /^Stored in 3 mailboxes: #1 in "ann".*, #2 in "ben".*, #3 in "a\.\*"\./);
    for (const mailbox of to) {
      const fetched = await boss.call({ operation: 'fetch', mailbox });
      assert.deepEqual(fetched.bodies, ['stand-up?']);
    }
  });

  test(`${name}: broker_stop does what its engine says, and the mail is there after it`, async (context) => {
    const { host } = await placeOf(context, engine);
    const [owner, other] = [await host(), await host()];
    assert.equal((await owner.call({ operation: 'broker_start' })).isError, false);
    await owner.call(post('ann', 'kept'));
    await other.call(status);
    const { text, isError } = await owner.call({ operation: 'broker_stop' });
    const outcome = isError ? text.slice(0, text.indexOf(':')) : 'handed over';
    assert.equal(outcome, stopOfTheOwner[name]);
    assert.deepEqual((await other.call(wait('ann'))).bodies, ['kept']);
  });

  test(`${name}: an agent that ends while it owns the broker leaves its mail to the others`, async (context) => {
    const { host } = await placeOf(context, engine);
    const owner = await host();
    await owner.call(post('ann', 'kept'));
    const other = await host();
    await other.call(status);
    await owner.end();
    assert.deepEqual((await other.call(wait('ann'))).bodies, ['kept']);
  });
}
