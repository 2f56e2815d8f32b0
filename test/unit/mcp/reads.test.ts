// A read whose call names a ticket: its settle and its request leave together. The broker is the test's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { AppContext, BrokerSession } from '../../../src/app/context.ts';
import { IpcError } from '../../../src/base/errors.ts';
import type { ReceivedMessage } from '../../../src/direct/receive.ts';
import { OwnPosts } from '../../../src/mcp/own-posts.ts';
import { Reads } from '../../../src/mcp/reads.ts';
import { Settlement, type ToolRequest } from '../../../src/mcp/settlement.ts';
import type { ResultWatcher } from '../../../src/mcp/transport.ts';
import type {
  Delivery,
  FetchResult,
  Held,
  MailService,
  ReleaseArguments,
  WaitArguments,
} from '../../../src/model/mail-service.ts';
import type { Envelope, MailboxList, MessageId, Name } from '../../../src/model/message.ts';
import { collectGarbage } from '../../support/memory.ts';
import { origin } from '../../support/model/engine.ts';
import { nothingLeft } from '../../support/receipts.ts';

const ann = 'ann' as Name;
const mailbox: MailboxList = [ann];

function delivery(number: number): Delivery {
  const envelope: Envelope = {
    ...{ id: `m${number}` as MessageId, number, to: ann, from: '', time: 1, answers: '', origin },
    ...{ depth: 0, bodyBytes: 2, checksum: 0 },
  };
  const body = Buffer.from('hi');
  return { envelope, mailbox: ann, attempt: 1, others: 0, ...nothingLeft, body };
}

function ids(held: readonly Held[]): string {
  return held.map(({ envelope }) => envelope.id).join(' ');
}

/** A broker whose responses the test sends. It notes the requests in their order. */
class PlayedMail {
  readonly requests: string[] = [];
  settle = (held: readonly Held[]): Promise<readonly Held[]> => {
    this.requests.push(`settle ${ids(held)}`);
    return this.settled.promise;
  };
  wait = async (_from: MailboxList, { signal }: WaitArguments): Promise<Delivery | undefined> => {
    this.requests.push('wait');
    const cancel = () => {
      this.requests.push('cancel');
      this.read.reject(new IpcError('cancelled', 'the call was cancelled'));
    };
    signal?.addEventListener('abort', cancel);
    const [first] = await this.read.promise;
    signal?.removeEventListener('abort', cancel);
    return first;
  };
  fetch = async (): Promise<FetchResult> => {
    this.requests.push('fetch');
    return { deliveries: await this.read.promise, remaining: 0, elsewhere: [] };
  };
  release = async (held: readonly Held[], { unread }: ReleaseArguments = {}): Promise<void> => {
    if (held.length > 0) this.requests.push(`release${unread ? ' unread' : ''} ${ids(held)}`);
  };
  settled = promised<readonly Held[]>();
  read = promised<readonly Delivery[]>();
}

function promised<Value>() {
  let resolve: (value: Value) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<Value>((fulfil, refuse) => {
    [resolve, reject] = [fulfil, refuse];
  });
  return { promise, resolve, reject };
}

/** A session that has read a message, and the ticket of that. */
async function setUp({ dropsCalls = false } = {}) {
  const mail = new PlayedMail();
  const broker: BrokerSession = {
    ...{ port: 1, host: undefined, name: '1' },
    mail: mail as unknown as MailService,
  };
  const context = { broker: async () => broker, mailOf: () => broker.mail };
  const reads = new Reads(new Settlement(), new OwnPosts());
  const request = (): ToolRequest => ({
    ...{ caller: { id: '', dropsCalls }, host: undefined, notes: [] },
    signal: new AbortController().signal,
    context: context as unknown as AppContext,
    secondsAllowed: (asked) => asked,
    watch: (watcher) => {
      watcher.writing();
      watcher.written();
    },
    offerTask: () => undefined,
  });
  mail.read.resolve([delivery(1)]);
  const text = await reads.wait({ mailbox, timeout: 1 }, request());
  const ticket = /after "([^"]+)"/.exec(String(text))?.[1] ?? '';
  mail.requests.length = 0;
  mail.read = promised();
  const calls = {
    wait: (after?: string) =>
      reads.wait({ mailbox, timeout: 1, ...(after && { after: [after] }) }, request()),
    fetch: (after?: string) =>
      reads.fetch({ mailbox, ...(after && { after: [after] }) }, request()),
  };
  return { mail, ticket, calls };
}

for (const kind of ['wait', 'fetch'] as const) {
  test(`the request of a ${kind} leaves right behind the settle, and its result tells what was settled`, async () => {
    const { mail, ticket, calls } = await setUp();
    const call = calls[kind](ticket);
    await setImmediate();
    assert.deepEqual(mail.requests, ['settle m1', kind]);
    mail.read.resolve([delivery(2)]);
    const state = await Promise.race([call, setImmediate('open')]);
    assert.equal(state, 'open');
    mail.settled.resolve([]);
    assert.match(String(await call), /#1 done/);
    assert.deepEqual(mail.requests, ['settle m1', kind]);
  });

  test(`a ${kind} whose settle fails gives back what it has read, and fails with the same error`, async () => {
    const { mail, ticket, calls } = await setUp();
    const call = calls[kind](ticket);
    await setImmediate();
    mail.read.resolve([delivery(2)]);
    await setImmediate();
    mail.settled.reject(new IpcError('storage_failed', 'no space'));
    await assert.rejects(call, { code: 'storage_failed' });
    assert.deepEqual(mail.requests, ['settle m1', kind, 'release unread m2']);
    // What it did not settle can be settled by another call.
    [mail.settled, mail.read] = [promised(), promised()];
    mail.settled.resolve([]);
    mail.read.resolve([delivery(3)]);
    assert.match(String(await calls[kind](ticket)), /#1 done/);
  });
}

test('a wait that is parked when its settle fails ends at once', async () => {
  const { mail, ticket, calls } = await setUp();
  const call = calls.wait(ticket);
  await setImmediate();
  mail.settled.reject(new IpcError('storage_failed', 'no space'));
  await assert.rejects(call, { code: 'storage_failed' });
  assert.deepEqual(mail.requests, ['settle m1', 'wait', 'cancel']);
});

test('a wait whose time is over does not last as long as its settle, and its result tells that', async () => {
  const { mail, ticket, calls } = await setUp();
  const call = calls.wait(ticket);
  mail.read.resolve([]);
  const text = String(await call);
  assert.match(text, /^No message for "ann" within 1 s; /);
  const note = `the messages of "${ticket}" are not settled yet: name this ticket again`;
  assert.ok(text.includes(note), text);
  mail.settled.resolve([]);
  await setImmediate();
  // By then it is.
  mail.read = promised();
  mail.read.resolve([delivery(2)]);
  assert.doesNotMatch(String(await calls.wait()), /this session still holds #1/);
});

test('a wait that named no ticket asks for none when its settle lasts longer', async () => {
  const { mail, calls } = await setUp({ dropsCalls: true });
  mail.read.resolve([delivery(1)]);
  await calls.wait();
  mail.read = promised();
  const call = calls.wait();
  mail.read.resolve([]);
  assert.equal(await call, 'No message for "ann" within 1 s.\nNext: wait "ann".');
  assert.deepEqual(mail.requests, ['release m1', 'wait', 'settle m1', 'wait']);
});

test('a wait that fails does not last as long as its settle, and a settle that fails later can be repeated', async () => {
  const { mail, ticket, calls } = await setUp();
  const call = calls.wait(ticket);
  mail.read.reject(new IpcError('unreachable', 'the server is away'));
  await assert.rejects(call, { code: 'unreachable' });
  mail.settled.reject(new IpcError('owner_silent', 'the owner is silent'));
  await setImmediate();
  [mail.settled, mail.read] = [promised(), promised()];
  mail.settled.resolve([]);
  mail.read.resolve([delivery(2)]);
  assert.match(String(await calls.wait(ticket)), /#1 done/);
});

test('at a host that drops calls a message that is to be redelivered is back before the read leaves', async () => {
  const { mail, calls } = await setUp({ dropsCalls: true });
  const released = promised<void>();
  mail.release = (held) => {
    mail.requests.push(`release ${ids(held)}`);
    return released.promise;
  };
  const call = calls.wait();
  await setImmediate();
  assert.deepEqual(mail.requests, ['release m1']);
  released.resolve();
  mail.read.resolve([delivery(1)]);
  assert.match(String(await call), /redelivered/);
  assert.deepEqual(mail.requests, ['release m1', 'wait']);
});

test('what watches the written result of a receive keeps no body: the transport has a thousand of them', async () => {
  let body: WeakRef<Buffer> | undefined;
  const receive = async (): Promise<ReceivedMessage> => {
    const message = { from: ann, origin, body: Buffer.from('hello'), confirm: async () => {} };
    body = new WeakRef(message.body);
    return { ...message, refuse: () => {} };
  };
  const watchers: ResultWatcher[] = [];
  const request = {
    ...{ caller: { id: '', dropsCalls: false }, notes: [], signal: new AbortController().signal },
    ...{ context: { direct: { receive } }, secondsAllowed: (asked: number) => asked },
    ...{ watch: (watcher: ResultWatcher) => watchers.push(watcher), offerTask: () => undefined },
  };
  const reads = new Reads(new Settlement(), new OwnPosts());
  await reads.receive({ port: 1, timeout: 1 }, request as unknown as ToolRequest);
  watchers[0]?.writing();
  watchers[0]?.written();
  await setImmediate();
  collectGarbage();
  assert.equal(body?.deref(), undefined);
  watchers[0]?.gone();
});
