// The library, as the package exports it, with a broker of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IpcError, open } from '../../../src/index.ts';
import { libraryPlace } from '../../support/library.ts';
import { freePort } from '../../support/places.ts';
import { ended, shell } from '../../support/processes/shell.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

test('a message is posted, waited for, answered and settled', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session({ name: 'A' });
  const b = await session();
  const waiting = b.wait('B');
  const stored = await a.post('B', 'question');
  const question = await waiting;
  assert(question);
  assert.deepEqual(
    [question.id, question.number, question.from, question.to, question.text, question.attempt],
    [stored.id, stored.number, 'A', 'B', 'question', 1],
  );
  assert(question.time instanceof Date);
  await b.post(question.from, 'answer', { from: 'B', answers: question });
  const answer = await a.wait('A');
  assert.equal(answer?.answers, question.id);
  await answer?.settle();
  assert.equal((await a.status()).messages, 0);
});

test('find says what has become of messages, and which unread message answers them', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session({ name: 'A' });
  const b = await session({ name: 'B' });
  const [one, two] = [await a.post('B', 'one'), await a.post('B', 'two', { id: 'mine' })];
  const ids = [one.id, two.id, 'never'];
  const states = async () => (await a.find(ids)).map(({ state }) => state);
  assert.deepEqual(await states(), ['ready', 'ready', 'unknown']);
  const question = await b.wait('B');
  assert(question);
  const [held, ready, unknown] = await a.find(ids);
  assert(held && ready && unknown);
  const { holder, time, ...place } = held;
  assert.deepEqual(place, {
    ...{ id: one.id, state: 'held', number: one.number, answeredBy: undefined },
    ...{ mailbox: 'B', to: 'B', attempt: 1 },
  });
  assert.deepEqual(
    [holder?.name, holder?.origin?.program, time instanceof Date],
    ['B', 'test', true],
  );
  assert.deepEqual(
    [ready.number, ready.holder, unknown.number],
    [two.number, undefined, undefined],
  );
  const answer = await b.post('A', 'answer', { answers: question });
  const [answered] = await a.find(ids);
  assert.deepEqual([answered?.state, answered?.answeredBy], ['settled', answer.number]);
  assert.deepEqual(await a.find([]), []);
  await assert.rejects(a.find('mine' as never), { code: 'bad_parameter' });
  // More than one request has room for.
  const many = await a.find(
    Array.from({ length: 150 }, (_, index) => (index === 149 ? 'mine' : 'no')),
  );
  assert.deepEqual([many.length, many.at(-1)?.state], [150, 'ready']);
});

test('the status lists the sessions, and marks the one that asks', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session({ name: 'A' });
  const b = await session();
  const waiting = b.wait('jobs', { timeoutMs: 300 });
  await a.post('B', 'work');
  const work = await b.wait('B');
  const { sessions, namedSessions, sessionList } = await a.status();
  assert.deepEqual([sessions, namedSessions], [2, 2]);
  const [own, other] = sessionList;
  assert(own && other);
  assert.deepEqual([own.name, own.own, own.waitsOn, own.held], ['A', true, [], 0]);
  assert.deepEqual([other.name, other.own, other.waitsOn], ['B', false, ['jobs']]);
  assert.deepEqual([other.held, other.holds[0]?.number], [1, work?.number]);
  assert(Math.abs(Date.now() - (other.holds[0]?.since ?? 0)) < 60_000);
  await waiting;
});

test('a loop settles a message when its body is done, and releases it when the body throws', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session();
  const b = await session();
  for (const text of ['one', 'two', 'three']) await a.post('B', text);
  const seen: string[] = [];
  const loop = async () => {
    for await (const message of b.messages('B')) {
      seen.push(message.text);
      if (message.text === 'two') throw new Error('no idea');
    }
  };
  await assert.rejects(loop, { message: 'no idea' });
  const { messages, remaining } = await a.fetch('B');
  assert.deepEqual(seen, ['one', 'two']);
  assert.deepEqual(
    messages.map(({ text, attempt }) => [text, attempt]),
    [
      ['two', 2],
      ['three', 1],
    ],
  );
  assert.equal(remaining, 0);
});

test('a post says what is ahead of its message and whether its text is there already, a message what is left', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const boss = await session({ name: 'boss' });
  const ben = await session({ name: 'ben' });
  await boss.post('jobs', 'one');
  const first = await ben.wait('jobs');
  assert.deepEqual([first?.remaining, first?.elsewhere], [0, []]);
  const second = await boss.post('jobs', 'two');
  const { heldMs, ...holder } = second.holder ?? {};
  assert.deepEqual(
    [second.before, holder, second.same],
    [0, { number: first?.number, name: 'ben' }, undefined],
  );
  assert(heldMs !== undefined && heldMs < 60_000);
  const { before, same } = await boss.post('jobs', 'one');
  assert.deepEqual([before, same?.number, same?.isHeld], [1, first?.number, true]);
  await boss.post('ben', 'How far are you?');
  const next = await ben.wait('jobs');
  const inBen = [{ mailbox: 'ben', ready: 1 }];
  assert.deepEqual([next?.remaining, next?.elsewhere], [1, inBen]);
  const { elsewhere } = await ben.post('boss', 'half', { from: 'ben' });
  assert.deepEqual(elsewhere, [{ mailbox: 'jobs', ready: 1 }, ...inBen]);
  const fetched = await ben.fetch('jobs');
  assert.deepEqual([fetched.remaining, fetched.elsewhere], [0, inBen]);
  assert.deepEqual(fetched.messages[0]?.elsewhere, inBen);
});

test('close releases what is held', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session();
  const b = await session();
  await a.post('B', 'kept');
  assert.equal((await b.wait('B'))?.text, 'kept');
  await b.close();
  const again = await a.wait('B', { timeoutMs: 5_000 });
  assert.deepEqual([again?.text, again?.attempt], ['kept', 2]);
  const { lastHold } = again ?? {};
  assert.deepEqual([lastHold?.name, lastHold?.ended], ['B', 'disconnected']);
  assert.ok(lastHold && again && lastHold.from >= again.time && lastHold.to >= lastHold.from);
  await again.release();
  const [glimpse] = (await a.peek('B')).messages;
  assert.deepEqual([glimpse?.lastHold?.name, glimpse?.lastHold?.ended], ['B', 'released']);
});

test('a wait ends by its timeout, and by its signal', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session();
  assert.equal(await a.wait('A', { timeoutMs: 20 }), undefined);
  await assert.rejects(a.wait('A', { signal: AbortSignal.abort() }), { code: 'cancelled' });
});

test('an error is an IpcError with its code', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session();
  await assert.rejects(a.post('', 'x'), { code: 'bad_name' });
  await assert.rejects(a.post('A', '\ud800'), { code: 'bad_body' });
  await assert.rejects(a.wait('A', { timeoutMs: 300_001 }), { code: 'bad_timeout' });
  await assert.rejects(a.wait('A', { timeoutMs: Number.NaN }), { code: 'bad_timeout' });
  await assert.rejects(a.send('nowhere', 'x'), (error) => {
    assert(error instanceof IpcError);
    assert.equal(error.code, 'bad_host');
    return true;
  });
});

test('a wrong argument of an untyped program is an IpcError, too', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = (await session()) as unknown as Record<
    string,
    (...given: unknown[]) => Promise<unknown>
  >;
  for (const [call, given, code] of [
    ['post', [], 'bad_name'],
    ['post', ['x'], 'bad_body'],
    ['post', ['x', 5], 'bad_body'],
    ['post', ['x', 'y', { id: 5 }], 'bad_id'],
    ['post', ['x', 'y', { answers: {} }], 'bad_parameter'],
    ['wait', [], 'bad_name'],
    ['fetch', [], 'bad_name'],
    ['send', ['127.0.0.1:1'], 'bad_body'],
  ] as const) {
    await assert.rejects(async () => a[call]?.(...given), { name: 'IpcError', code }, call);
  }
  await assert.rejects(open({ home: 'relative' }), { code: 'bad_parameter' });
});

test('an amount to fetch is a whole number within its limit', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session();
  await a.post('A', 'x');
  for (const amount of [Number.POSITIVE_INFINITY, Number.NaN, -1, 1.5, 8_388_609]) {
    const message = `bytesMax is ${amount}; it must be a whole number from 0 to 8388608`;
    await assert.rejects(a.fetch('A', { bytesMax: amount }), { code: 'bad_parameter', message });
  }
  await assert.rejects(a.fetch('A', { messagesMax: 1_001 }), {
    code: 'bad_parameter',
    message: 'messagesMax is 1001; it must be a whole number from 0 to 1000',
  });
  assert.equal((await a.fetch('A', { messagesMax: 0 })).remaining, 1);
  assert.equal((await a.fetch('A', { bytesMax: 8_388_608 })).messages.length, 1);
});

test('a body is copied at once, so its buffer may be reused', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session();
  const bytes = new TextEncoder().encode('first');
  const posted = a.post('A', bytes);
  bytes.fill(0x78);
  await posted;
  assert.equal((await a.wait('A'))?.text, 'first');
});

for (const [what, program] of [
  ['control characters', 'a\nb\u0085'],
  ['300 letters of two bytes', 'é'.repeat(300)],
  ['300 characters of four bytes', '😀'.repeat(300)],
  ['half a character', '\ud800'],
]) {
  test(`a program may call itself by a name of ${what}`, async (context) => {
    const { session } = await libraryPlace(context, { program });
    const a = await session();
    await a.post('A', 'kept');
    assert.equal((await a.wait('A'))?.text, 'kept');
    const port = await freePort();
    const sent = a.send(`127.0.0.1:${port}`, 'hello');
    const message = await a.receive({ port });
    assert.equal(message?.text, 'hello');
    await message?.confirm();
    await sent;
  });
}

test('point to point: a send resolves when the receiver confirms', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const a = await session();
  const b = await session();
  const port = await freePort();
  const receiving = b.receive({ port });
  const events: string[] = [];
  const sent = a.send(`127.0.0.1:${port}`, 'hello', { from: 'A' }).then(() => events.push('sent'));
  const message = await receiving;
  assert.deepEqual([message?.from, message?.text], ['A', 'hello']);
  events.push('confirmed');
  await message?.confirm();
  await sent;
  assert.deepEqual(events, ['confirmed', 'sent']);
});

test('a receive on several addresses is refused, because it listens on one', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await assert.rejects(mail.receive({ bind: '0.0.0.0,::', port: await freePort() }), {
    code: 'bad_parameter',
    message: 'bind is "0.0.0.0,::"; a receive listens on one address',
  });
});

test('the example of the README runs, and tolerates a message without a sender', async (context) => {
  const { home, port, run } = await shell(context);
  const [, example = ''] =
    /```js\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const script = join(home, 'example.mjs');
  mkdirSync(home);
  writeFileSync(
    script,
    example.replace("'agent-ipc'", JSON.stringify(join(root, 'dist/index.mjs'))),
  );
  for (const args of [['nobody'], ['somebody', '--from', 'C'], ['shutdown']]) {
    await run(['post', 'ann', ...args]);
  }
  const env = { ...process.env, IPC_HOME: home, IPC_PORT: `${port}` };
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const { code, text, errors } = await ended(child);
  assert.deepEqual([code, errors], [0, '']);
  assert.equal(text, ' nobody 1\nC somebody 1\n shutdown 1\n');
  assert.equal((await run(['fetch', 'C'])).text, 'done\n');
  assert.equal((await run(['fetch', 'ann'])).text, '');
});

test('a peek shows ready and held messages, and takes none', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const [a, b] = [await session(), await session({ program: 'other' })];
  await a.post('B', 'one\nmore', { from: 'A', id: 'job-1' });
  for (let count = 2; count <= 25; count++) await a.post('B', `line ${count}`);
  assert.equal((await b.wait('B'))?.text, 'one\nmore');
  const { messages, remaining } = await a.peek('B');
  const [one, two] = messages;
  assert.deepEqual([messages.length, remaining], [20, 5]);
  const { id, number, mailbox, to, from, attempt, answers, bytes, damaged, line, text } = one ?? {};
  assert.deepEqual(
    { id, number, mailbox, to, from, attempt, answers, bytes, damaged, line, text },
    {
      ...{ id: 'job-1', number: 1, mailbox: 'B', to: 'B', from: 'A', attempt: 1, answers: '' },
      ...{ bytes: 8, damaged: false, line: 'one…', text: undefined },
    },
  );
  assert.equal(one?.holder?.origin?.program, 'other');
  assert.deepEqual([two?.holder, two?.line], [undefined, 'line 2']);
  const whole = await a.peek('B', { max: 1, full: true });
  assert.deepEqual([whole.messages[0]?.text, whole.remaining], ['one\nmore', 24]);
  assert.equal((await a.fetch('B')).messages.length, 24);
});

test('a drop settles what is ready, all of it or the named messages, and returns what went', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const [a, b] = [await session(), await session()];
  for (const id of ['w', 'x', 'y', 'z']) await a.post('B', id, { from: 'A', id });
  await b.wait('B');
  assert.deepEqual(await a.drop('B', { ids: [] }), { dropped: [], held: 0 });
  assert.deepEqual(await a.drop('B', { olderThanMs: 3_600_000 }), { dropped: [], held: 0 });
  assert.deepEqual(await a.drop('B', { ids: ['y', 'w', 'nobody'] }), {
    dropped: [{ id: 'y', number: 3, from: 'A' }],
    held: 1,
  });
  assert.deepEqual(await a.drop('B'), {
    dropped: [
      { id: 'x', number: 2, from: 'A' },
      { id: 'z', number: 4, from: 'A' },
    ],
    held: 1,
  });
  assert.equal((await a.post('B', 'x', { from: 'A', id: 'x' })).duplicate, true);
  assert.deepEqual(
    (await a.peek('B')).messages.map(({ id }) => id),
    ['w'],
  );
});

test('a wait without end gets the next message, and an abort ends it', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const [a, b] = [await session(), await session()];
  const waiting = b.wait('B', { timeoutMs: Number.POSITIVE_INFINITY });
  await a.post('B', 'hello');
  assert.equal((await waiting)?.text, 'hello');
  const abort = new AbortController();
  const endless = { timeoutMs: Number.POSITIVE_INFINITY, signal: abort.signal };
  const aborted = b.wait('B', endless);
  abort.abort();
  await assert.rejects(aborted, { code: 'cancelled' });
  assert.equal(await b.wait('B', { timeoutMs: 0 }), undefined);
});

test('an ask with an id is stored once, and finds the answer that came meanwhile', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const [a, b] = [await session(), await session()];
  const ask = (timeoutMs: number) => a.ask('B', '6 times 7?', { mailbox: 'A', id: 'q', timeoutMs });
  assert.equal(await ask(0), undefined);
  assert.equal(await ask(0), undefined);
  const { messages } = await b.fetch('B');
  assert.deepEqual(
    messages.map(({ id }) => id),
    ['q'],
  );
  const [question] = messages;
  await b.post('A', '42', { answers: question });
  assert.equal((await ask(5_000))?.text, '42');
});
