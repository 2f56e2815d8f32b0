// What the tool does when a step between a reading and its result fails. It runs in this process, so
// that a step can be made to fail.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { CLIENT_INFO_META_KEY } from '@modelcontextprotocol/server';
import { IpcError } from '../../../src/base/errors.ts';
import { OverflowFiles } from '../../../src/mcp/overflow-files.ts';
import type { HostRequest } from '../../../src/mcp/plain-call.ts';
import { Tool } from '../../../src/mcp/tool.ts';
import { HostTransport } from '../../../src/mcp/transport.ts';
import type { Delivery } from '../../../src/model/mail-service.ts';
import { Session } from '../../../src/session/session.ts';
import { startBroker } from '../../support/brokers.ts';
import { read } from '../../support/mcp-host.ts';
import { collectGarbage } from '../../support/memory.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { replaceResolver } from '../../support/resolver.ts';

const params = { _meta: { [CLIENT_INFO_META_KEY]: { name: 'claude-code', version: '1' } } };
const silent = () => new IpcError('owner_silent', 'no answer');

async function setUp(context: TestContext, env: Record<string, string> = {}) {
  const input = new PassThrough();
  const output = new PassThrough().resume();
  const transport = new HostTransport(input, output);
  let end = async () => {};
  context.after(() => end());
  const home = join(await makeHome(context), 'home');
  const port = await freePort();
  const tool = new Tool({ IPC_HOME: home, IPC_PORT: `${port}`, ...env }, transport);
  end = () => tool.end();
  await transport.start();
  let id = 0;
  const call = async (given: Record<string, unknown>) => {
    id++;
    input.write(`${JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })}\n`);
    await new Promise(setImmediate);
    const { signal } = new AbortController();
    const request = { id, signal } as HostRequest;
    const result = await tool.call(given, request);
    await transport.send({ jsonrpc: '2.0', id, result });
    const [content] = result.content;
    assert(content?.type === 'text');
    return read(content.text, result.isError);
  };
  return { call, port };
}

const post = (message: string) => ({ operation: 'post', to: 'A', from: 'B', message });
const wait = { operation: 'wait', mailbox: 'A', timeout: 5 };
const fetch = { operation: 'fetch', mailbox: 'A' };
const status = { operation: 'broker_status' };

test('mail whose result could not be made is redelivered as if it were unread', async (context) => {
  const { call } = await setUp(context);
  await call(post('x'.repeat(40_000)));
  const { mock } = context.mock.method(OverflowFiles.prototype, 'keep', () => {
    throw new Error('no text');
  });
  const failed = await call(wait);
  assert.deepEqual([failed.isError, failed.text], [true, 'no text']);
  mock.restore();
  const { head } = await call(wait);
  assert.match(head, /^Message for "A": #1 from "B" \(.*\), [^,;]+; part 1 of 2/);
});

test('the result of a fetch has its ticket, even if the rest cannot be released at once', async (context) => {
  const { call } = await setUp(context);
  await call(post('x'.repeat(20_000)));
  await call(post('y'.repeat(20_000)));
  const { mock } = context.mock.method(Session.prototype, 'release', () =>
    Promise.reject(silent()),
  );
  const { bodies, ticket } = await call(fetch);
  mock.restore();
  assert.equal(bodies[0]?.[0], 'x');
  assert(ticket);
});

test('one note says how many messages could not be settled', async (context) => {
  const { call } = await setUp(context);
  for (const text of ['one', 'two', 'three']) await call(post(text));
  const { ticket } = await call(fetch);
  const held = async (deliveries: readonly Delivery[]) => deliveries;
  const { mock } = context.mock.method(Session.prototype, 'settle', held);
  const { head } = await call({ ...status, after: ticket });
  mock.restore();
  assert.match(head, /; 3 messages were not settled: other sessions hold them now\.$/);
});

test('a post to another port is stored even if its ticket cannot be settled', async (context) => {
  const { call } = await setUp(context);
  const port = await freePort();
  await call(post('question'));
  const { ticket } = await call(wait);
  const { mock } = context.mock.method(Session.prototype, 'settle', () => Promise.reject(silent()));
  const { head, isError } = await call({ ...post('answer'), port, after: ticket });
  mock.restore();
  assert.equal(isError, false);
  assert.match(head, /^Stored as #1 /);
  const note = `the messages of "${ticket}" were not settled (owner_silent): name this ticket again`;
  assert(head.endsWith(`; ${note}.`), head);
  assert.match((await call({ ...status, after: ticket })).head, /; 0 messages, /);
});

test('the error of a wrong variable names it, and does not show its value', async (context) => {
  const { call } = await setUp(context, { IPC_BROKER: 'redis://user:secret@host' });
  const { text, isError } = await call(status);
  assert.equal(isError, true);
  assert.match(text, /^bad_host: IPC_BROKER cannot be used/);
  assert.doesNotMatch(text, /secret/);
});

test('a message whose result was written is held until it is settled, and its body is not kept', async (context) => {
  const { call } = await setUp(context);
  const bodies: WeakRef<Buffer>[] = [];
  const { wait: waitOnce } = Session.prototype;
  // Not by a mock: it would keep the results itself.
  Session.prototype.wait = async function (...args) {
    const delivery = await waitOnce.apply(this, args);
    assert(delivery?.body);
    bodies.push(new WeakRef(delivery.body));
    return delivery;
  };
  context.after(() => {
    Session.prototype.wait = waitOnce;
  });
  const mailboxes = Array.from({ length: 20 }, (_, index) => `box ${index}`);
  for (const to of mailboxes) await call({ ...post('x'.repeat(60_000)), to });
  for (const mailbox of mailboxes) await call({ ...wait, mailbox });
  const { head, text } = await call(status);
  assert.match(head, /; 20 messages, /);
  assert.equal(text.match(/, 1 held/g)?.length, 20, text);
  collectGarbage();
  assert.equal(bodies.length, 20);
  assert.equal(bodies.filter((body) => body.deref()).length, 0);
});

/** The tool's broker is that of another machine, which has a name. */
async function setUpRemote(context: TestContext) {
  const { home, port } = await startBroker(context);
  // Not of this machine alone, and its first address answers.
  const resolver = replaceResolver(context, { 'one.test': ['127.0.0.1', '192.0.2.1'] });
  const { call } = await setUp(context, { IPC_HOME: home, IPC_BROKER: `one.test:${port}` });
  return { call, port, resolver };
}

test('the name of a broker is resolved when it is first used and when its session dials, not by each call', async (context) => {
  const { call, port, resolver } = await setUpRemote(context);
  assert.match((await call(post('first'))).head, /^Stored as #1 /);
  const opening = ['one.test', 'one.test'];
  assert.deepEqual(resolver.lookUps, opening);
  const { bodies, ticket } = await call(wait);
  assert.deepEqual(bodies, ['first']);
  await call({ ...post('answer'), after: ticket });
  await call({ ...fetch, host: `one.test:${port}` });
  await call({ operation: 'ask', to: 'A', mailbox: 'B', message: '?', timeout: 1 });
  assert.match((await call(status)).head, new RegExp(`^Broker at one\\.test:${port} `));
  assert.deepEqual(resolver.lookUps, opening);
});

test('a resolver that fails does not hinder calls to a broker that is connected', async (context) => {
  const { call, resolver } = await setUpRemote(context);
  await call(status);
  resolver.fails = true;
  assert.match((await call(post('first'))).head, /^Stored as #1 /);
  const { bodies, ticket } = await call(wait);
  assert.deepEqual(bodies, ['first']);
  assert.match((await call({ ...status, after: ticket })).head, /; 0 messages, /);
  const asked = await call({ operation: 'ask', to: 'A', mailbox: 'B', message: '?', timeout: 1 });
  assert.match(
    asked.head,
    /^No message for "B" within 1 s; the question is stored as #2; 1 unread in "A"\./,
  );
});

test('a name that could not be looked up is looked up again by the next call', async (context) => {
  const { call, resolver } = await setUpRemote(context);
  resolver.fails = true;
  assert.match((await call(status)).text, /^host_unknown: IPC_BROKER cannot be used/);
  resolver.fails = false;
  assert.match((await call(status)).head, /; 0 messages, /);
});

test('an ask whose resolver fails after the question was stored still waits for the answer', async (context) => {
  const { call, resolver } = await setUpRemote(context);
  const { post: postOnce } = Session.prototype;
  const posted = async function (this: Session, ...args: Parameters<typeof postOnce>) {
    const stored = await postOnce.apply(this, args);
    resolver.fails = true;
    return stored;
  };
  context.mock.method(Session.prototype, 'post', posted);
  const asked = await call({ operation: 'ask', to: 'A', mailbox: 'B', message: '?', timeout: 1 });
  assert.match(asked.head, /^No message for "B" within 1 s; the question is stored as #1\./);
});

test('an ask whose wait fails says that its question is stored', async (context) => {
  const { call } = await setUp(context);
  context.mock.method(Session.prototype, 'wait', () => Promise.reject(silent()));
  const { text, isError } = await call({ operation: 'ask', to: 'A', mailbox: 'B', message: '?' });
  assert.equal(isError, true);
  assert.match(text, /^owner_silent: no answer; the question is stored as #1\b/);
});
