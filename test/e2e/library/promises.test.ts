// The promises of the library's docstrings: when a message is settled or released, what an abort does
// to each call, what is refused before a call does anything, and when a process may end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  type AgentMail,
  type ErrorCode,
  errorTable,
  IpcError,
  type Message,
  type OpenOptions,
  open,
} from '../../../src/index.ts';
import { libraryPlace } from '../../support/library.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { ended } from '../../support/processes/shell.ts';

const library = pathToFileURL(
  join(fileURLToPath(new URL('../../../../', import.meta.url)), 'dist/index.mjs'),
);

/** Of a mailbox: the text and attempt of each message, which goes back as if nobody had looked. */
async function left(mail: AgentMail, mailbox: string): Promise<(readonly [string, number])[]> {
  const { messages } = await mail.fetch(mailbox);
  for (const message of messages) await message.release({ unread: true });
  return messages.map(({ text, attempt }) => [text, attempt] as const);
}

async function readOne(mail: AgentMail, mailbox: string): Promise<Message> {
  const message = await mail.wait(mailbox);
  assert(message);
  return message;
}

/** Resolves when a wait is parked there. */
async function untilParked(mail: AgentMail, mailbox: string): Promise<void> {
  for (;;) {
    const { mailboxes } = await mail.status();
    if (mailboxes.some((each) => each.mailbox === mailbox && each.waiting > 0)) return;
  }
}

test('a loop over several mailboxes takes the mail of the first one first, and goes back when it is left', async (context) => {
  const { session } = await libraryPlace(context);
  const [mail, other] = [await session(), await session()];
  for (const [to, text] of [
    ['jobs', 'one'],
    ['amy', 'for amy'],
    ['jobs', 'two'],
  ] as const) {
    await mail.post(to, text);
  }
  const seen: string[] = [];
  for await (const { mailbox, text } of mail.messages(['amy', 'jobs'])) {
    seen.push(`${mailbox}: ${text}`);
    if (text === 'two') break;
  }
  assert.deepEqual(seen, ['amy: for amy', 'jobs: one', 'jobs: two']);
  assert.deepEqual(await left(other, 'amy'), []);
  assert.deepEqual(await left(other, 'jobs'), [['two', 2]]);
});

test('a wait on several mailboxes is served by whichever gets mail, and leaves none behind', async (context) => {
  const { session } = await libraryPlace(context);
  const [mail, other] = [await session(), await session()];
  for (const box of ['jobs', 'amy', 'team']) {
    const waiting = mail.wait(['amy', 'jobs', 'team', 'jobs']);
    await untilParked(other, 'team');
    assert.deepEqual(
      (await other.status()).mailboxes.map(({ mailbox, waiting }) => [mailbox, waiting]),
      [
        ['amy', 1],
        ['jobs', 1],
        ['team', 1],
      ],
    );
    await other.post(box, 'hello');
    const message = await waiting;
    assert.equal(message?.mailbox, box);
    assert.deepEqual(
      (await other.status()).mailboxes.map(({ waiting }) => waiting),
      [0],
    );
    await message?.settle();
  }
});

test('a fetch of several mailboxes empties one after the other, within its limits', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await mail.post('jobs', 'one');
  await mail.post(['amy', 'jobs'], 'two');
  const first = await mail.fetch(['amy', 'jobs'], { messagesMax: 2 });
  assert.deepEqual(
    first.messages.map(({ mailbox, text }) => [mailbox, text]),
    [
      ['amy', 'two'],
      ['jobs', 'one'],
    ],
  );
  assert.equal(first.remaining, 1);
});

test('what is no list of 1 to 16 mailboxes is refused before anything happens', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  const names = Array.from({ length: 17 }, (_, index) => `box ${index}`);
  await assert.rejects(mail.wait(names), {
    message: 'mailbox names 17; it must be 1 to 16 mailboxes',
  });
  await assert.rejects(mail.fetch([]), { code: 'bad_parameter' });
  await assert.rejects(mail.messages(['amy', '']).next(), { code: 'bad_name' });
});

test('a loop that is left by break or by return releases the message in hand, the rest stays', async (context) => {
  const { session } = await libraryPlace(context);
  const [mail, other] = [await session(), await session()];
  for (const text of ['one', 'two', 'three']) await mail.post('jobs', text);
  for await (const message of mail.messages('jobs')) {
    if (message.text === 'two') break;
  }
  const afterBreak = [
    ['two', 2],
    ['three', 1],
  ];
  assert.deepEqual(await left(other, 'jobs'), afterBreak);
  const first = async () => {
    for await (const message of mail.messages('jobs')) return message.text;
  };
  assert.equal(await first(), 'two');
  assert.deepEqual(await left(other, 'jobs'), [
    ['two', 3],
    ['three', 1],
  ]);
});

test('a loop does not settle a message that its body released: it is redelivered', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await mail.post('jobs', 'fails twice');
  const attempts: number[] = [];
  for await (const message of mail.messages('jobs', { signal: AbortSignal.timeout(10_000) })) {
    attempts.push(message.attempt);
    if (message.attempt === 3) break;
    await message.release();
  }
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.deepEqual(await left(mail, 'jobs'), [['fails twice', 4]]);
});

test('a loop does not settle a message that its body released and another session holds', async (context) => {
  const { session } = await libraryPlace(context);
  const [mail, other] = [await session(), await session()];
  await mail.post('jobs', 'given back');
  const seen: string[] = [];
  for await (const message of mail.messages('jobs')) {
    seen.push(message.text);
    if (message.text === 'shutdown') break;
    await message.release();
    assert.equal((await readOne(other, 'jobs')).attempt, 2);
    await mail.post('jobs', 'shutdown');
  }
  assert.deepEqual(seen, ['given back', 'shutdown']);
});

test('a loop does not touch a message that its body settled or answered', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  for (const text of ['settled', 'answered']) await mail.post('jobs', text);
  for await (const message of mail.messages('jobs')) {
    if (message.text === 'settled') {
      await message.settle();
      continue;
    }
    await mail.post('results', 'an answer', { answers: message });
    break;
  }
  assert.deepEqual(await left(mail, 'jobs'), []);
  assert.deepEqual(await left(mail, 'results'), [['an answer', 1]]);
});

test('an answer that is refused settles nothing, and the loop that it ends releases the message', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await mail.post('jobs', 'a job');
  const loop = async () => {
    for await (const message of mail.messages('jobs')) {
      await mail.post('results', 'x'.repeat(1_048_577), { answers: message });
    }
  };
  await assert.rejects(loop, { code: 'body_too_large' });
  assert.deepEqual(await left(mail, 'jobs'), [['a job', 2]]);
});

test('an abort ends a loop when it asks for the next message; the current one is settled first', async (context) => {
  const { session } = await libraryPlace(context);
  const [mail, other] = [await session(), await session()];
  for (const text of ['one', 'two']) await mail.post('jobs', text);
  const controller = new AbortController();
  const seen: string[] = [];
  const loop = async () => {
    for await (const message of mail.messages('jobs', { signal: controller.signal })) {
      seen.push(message.text);
      controller.abort();
    }
  };
  await assert.rejects(loop, { name: 'IpcError', code: 'cancelled' });
  assert.deepEqual(seen, ['one']);
  assert.deepEqual(await left(other, 'jobs'), [['two', 1]]);
});

test('a released message has one more attempt, or the same if it is released unread', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await mail.post('A', 'x');
  await (await readOne(mail, 'A')).release({ unread: true });
  const again = await readOne(mail, 'A');
  assert.equal(again.attempt, 1);
  await again.release();
  assert.equal((await readOne(mail, 'A')).attempt, 2);
});

test('a second settle succeeds like the first', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await mail.post('A', 'x');
  const message = await readOne(mail, 'A');
  await message.settle();
  await message.settle();
  assert.equal((await mail.status()).messages, 0);
});

test('a fetch of few bytes returns the first message, one of no bytes none', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  for (const text of ['longer than a byte', 'second']) await mail.post('A', text);
  assert.deepEqual(await mail.fetch('A', { bytesMax: 0 }), {
    messages: [],
    remaining: 2,
    elsewhere: [],
  });
  const { messages, remaining } = await mail.fetch('A', { bytesMax: 1 });
  assert.deepEqual([messages[0]?.text, messages.length, remaining], ['longer than a byte', 1, 1]);
});

test('an answer to a message that another session read is refused, and not stored', async (context) => {
  const [here, there] = [await libraryPlace(context), await libraryPlace(context)];
  const [mail, other] = [await here.session(), await there.session()];
  await mail.post('A', 'a question');
  const question = await readOne(mail, 'A');
  for (const stranger of [await here.session(), other]) {
    const answer = stranger.post('B', 'an answer', { answers: question });
    await assert.rejects(answer, { code: 'bad_parameter' });
    const asked = stranger.ask('B', 'why?', { mailbox: 'C', answers: question });
    await assert.rejects(asked, { code: 'bad_parameter' });
    assert.deepEqual(await left(stranger, 'B'), []);
  }
  await mail.post('B', 'an answer', { answers: question });
  assert.equal((await mail.status()).messages, 1);
});

test('a settle of a message that another session holds is not_held; so is an answer, which is stored', async (context) => {
  const { session } = await libraryPlace(context);
  const [mail, other] = [await session(), await session()];
  await mail.post('A', 'x');
  const message = await readOne(mail, 'A');
  await message.release();
  await readOne(other, 'A');
  const refused = { name: 'IpcError', code: 'not_held', maybeStored: false };
  await assert.rejects(message.settle(), refused);
  const answer = mail.post('B', 'an answer', { answers: message });
  await assert.rejects(answer, {
    code: 'not_held',
    maybeStored: true,
    message: '#1 is held by another session by now; the answer is stored as #2',
  });
  assert.deepEqual(await left(mail, 'B'), [['an answer', 1]]);
});

test('the fields of a message', async (context) => {
  const { session, port } = await libraryPlace(context);
  const mail = await session({ name: 'ann' });
  const before = Date.now();
  const { id, number, duplicate, reader } = await mail.post('A', 'x', { id: 'job-7' });
  assert.deepEqual([id, number, duplicate, reader], ['job-7', 1, false, false]);
  assert.equal((await mail.post('A', 'x', { id: 'job-7' })).duplicate, true);
  const message = await readOne(mail, 'A');
  const { time, origin, mailbox, to, from, answers, damaged, body } = message;
  assert.deepEqual([mailbox, to, from, answers, damaged], ['A', 'A', 'ann', '', false]);
  assert.deepEqual([origin.program, origin.pid], ['library', process.pid]);
  assert.ok(time.getTime() >= before - 1_000 && time.getTime() <= Date.now() + 1_000, `${time}`);
  assert.equal(message.body, body, 'the same buffer each time');
  const { mailboxes, own, pid } = await mail.status();
  assert.deepEqual([own, pid, (await mail.status()).port], [true, process.pid, port]);
  const oldestTime = time.getTime();
  const held = {
    mailbox: 'A',
    ready: 0,
    held: 1,
    waiting: 0,
    watching: 0,
    paused: false,
    oldestTime,
  };
  assert.deepEqual(mailboxes, [held]);
});

test('retry moves dead letters back, all or those that are named', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  for (const [to, id] of [
    ['A', 'one'],
    ['A', 'two'],
    ['B', 'three'],
  ] as const) {
    await mail.post(to, id, { id });
    for (let attempt = 1; attempt <= 20; attempt++) await (await readOne(mail, to)).release();
  }
  assert.equal((await mail.status()).deadLetterCount, 3);
  assert.deepEqual(await mail.retry({ ids: [] }), { moved: [], stayed: [] });
  const named = await mail.retry({ ids: ['two', 'nobody'] });
  assert.deepEqual(named, { moved: [{ id: 'two', to: 'A' }], stayed: [] });
  assert.deepEqual((await mail.retry({ to: 'B' })).moved, [{ id: 'three', to: 'B' }]);
  assert.deepEqual((await mail.retry()).moved, [{ id: 'one', to: 'A' }]);
  assert.deepEqual(await left(mail, 'A'), [
    ['one', 1],
    ['two', 1],
  ]);
});

/** Each call that takes a signal; `port`: one where nobody is. */
const calls: Readonly<
  Record<string, (mail: AgentMail, signal: AbortSignal, port: number) => Promise<unknown>>
> = {
  post: (mail, signal) => mail.post('A', 'x', { signal }),
  wait: (mail, signal) => mail.wait('A', { signal }),
  ask: (mail, signal) => mail.ask('A', 'x', { mailbox: 'B', signal }),
  fetch: (mail, signal) => mail.fetch('A', { signal }),
  peek: (mail, signal) => mail.peek('A', { signal }),
  drop: (mail, signal) => mail.drop('A', { signal }),
  messages: (mail, signal) => mail.messages('A', { signal }).next(),
  send: (mail, signal, port) => mail.send(`127.0.0.1:${port}`, 'x', { signal }),
  receive: (mail, signal, port) => mail.receive({ port, signal }),
  ping: (mail, signal, port) => mail.ping(`127.0.0.1:${port}`, { signal }),
  status: (mail, signal) => mail.status({ signal }),
  retry: (mail, signal) => mail.retry({ signal }),
  start: (mail, signal) => mail.start({ signal }),
};

for (const [name, call] of Object.entries(calls)) {
  test(`${name} throws cancelled when it is aborted, before it began or later`, async (context) => {
    const { session } = await libraryPlace(context);
    const mail = await session();
    const port = await freePort();
    const before = call(mail, AbortSignal.abort(), port);
    await assert.rejects(before, { name: 'IpcError', code: 'cancelled' });
    const controller = new AbortController();
    const running = call(mail, controller.signal, port);
    setImmediate(() => controller.abort());
    await assert.rejects(running, { name: 'IpcError', code: 'cancelled' });
  });
}

test('one signal ends twenty calls, and Node warns of nothing', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  context.after(() => process.off('warning', note));
  const controller = new AbortController();
  const { signal } = controller;
  const waits = Array.from({ length: 20 }, (_, index) => mail.wait(`M${index}`, { signal }));
  const ends = Promise.allSettled(waits);
  await mail.status();
  controller.abort();
  const codes = (await ends).map((end) => end.status === 'rejected' && end.reason.code);
  assert.deepEqual(codes, new Array(20).fill('cancelled'));
  assert.deepEqual(warnings, []);
});

test('an aborted post that was sent may be stored: posted again, it is stored once', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await mail.status();
  const controller = new AbortController();
  const posting = mail.post('A', 'x', { signal: controller.signal });
  controller.abort();
  await assert.rejects(posting, { code: 'cancelled', maybeStored: true });
  await mail.post('A', 'x');
  assert.deepEqual(await left(mail, 'A'), [['x', 1]]);
});

test('a post that is aborted before it began is not stored', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  const posting = mail.post('A', 'x', { signal: AbortSignal.abort() });
  await assert.rejects(posting, { code: 'cancelled', maybeStored: false });
  assert.deepEqual(await left(mail, 'A'), []);
});

test('an ask that is aborted after its question was stored says so', async (context) => {
  const { session } = await libraryPlace(context);
  const [ann, bob] = [await session({ name: 'ann' }), await session()];
  const controller = new AbortController();
  const asking = ann.ask('bob', '?', { signal: controller.signal });
  const question = await readOne(bob, 'bob');
  // A message may be read before its poster gets the response that it is stored.
  await untilParked(bob, 'ann');
  controller.abort();
  const message = 'the call was cancelled; the question is stored as #1';
  await assert.rejects(asking, { code: 'cancelled', maybeStored: true, message });
  await bob.post('ann', '!', { answers: question });
  assert.deepEqual(await left(ann, 'ann'), [['!', 1]]);
});

test('a settle or a release that is aborted after it was sent is done all the same', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  for (const text of ['to settle', 'to release']) await mail.post('A', text);
  const [one, two] = [await readOne(mail, 'A'), await readOne(mail, 'A')];
  for (const [message, call] of [
    [one, 'settle'],
    [two, 'release'],
  ] as const) {
    await assert.rejects(message[call]({ signal: AbortSignal.abort() }), { code: 'cancelled' });
    assert.equal((await mail.status()).mailboxes[0]?.ready, 0, 'nothing was begun');
    const controller = new AbortController();
    const ending = message[call]({ signal: controller.signal });
    controller.abort();
    await assert.rejects(ending, { code: 'cancelled' });
  }
  assert.deepEqual(await left(mail, 'A'), [['to release', 2]]);
  assert.equal((await mail.status()).messages, 1);
});

test('a stop that is aborted gives the broker up all the same; one aborted before gives up nothing', async (context) => {
  const { session } = await libraryPlace(context);
  const [owner, standby] = [await session(), await session()];
  await owner.start();
  await standby.status();
  await assert.rejects(owner.stop({ signal: AbortSignal.abort() }), { code: 'cancelled' });
  assert.equal((await owner.status()).own, true);
  const controller = new AbortController();
  const stopping = owner.stop({ signal: controller.signal });
  controller.abort();
  assert.deepEqual(await stopping, { successor: undefined, messages: 0 });
  assert.equal((await standby.status()).own, true);
});

test('an aborted receive frees its port; an unconfirmed message is refused, and sent again', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  const port = await freePort();
  const controller = new AbortController();
  const receiving = mail.receive({ port, signal: controller.signal });
  const sent = mail.send(`127.0.0.1:${port}`, 'once more');
  const message = await receiving;
  controller.abort();
  await assert.rejects(async () => message?.confirm(), { name: 'IpcError', code: 'cancelled' });
  const again = await mail.receive({ port });
  assert.equal(again?.text, 'once more');
  await again?.confirm();
  await sent;
});

test('an unknown option is refused, and the error lists those that the call takes', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = (await session()) as unknown as Record<string, (...given: unknown[]) => unknown>;
  await mail.post?.('M', 'x');
  const message = (await mail.wait?.('M')) as typeof mail;
  const wrong = { timeout: 60 };
  for (const [object, call, given, legal] of [
    [mail, 'post', ['A', 'x', wrong], 'from, id, answers, signal'],
    [mail, 'wait', ['A', wrong], 'timeoutMs, signal'],
    [mail, 'ask', ['A', 'x', wrong], 'mailbox, id, answers, timeoutMs, signal'],
    [mail, 'peek', ['A', wrong], 'max, full, signal'],
    [mail, 'drop', ['A', wrong], 'ids, olderThanMs, signal'],
    [mail, 'find', [['x'], wrong], 'mailbox, signal'],
    [mail, 'fetch', ['A', wrong], 'bytesMax, messagesMax, signal'],
    [mail, 'send', ['127.0.0.1:1', 'x', wrong], 'from, timeoutMs, signal'],
    [mail, 'receive', [wrong], 'port, bind, timeoutMs, signal'],
    [mail, 'ping', ['127.0.0.1:1', wrong], 'timeoutMs, signal'],
    [mail, 'status', [wrong], 'signal'],
    [mail, 'retry', [wrong], 'to, ids, signal'],
    [mail, 'start', [wrong], 'bind, signal'],
    [mail, 'stop', [wrong], 'signal'],
    [message, 'settle', [wrong], 'signal'],
    [message, 'release', [wrong], 'unread, signal'],
  ] as const) {
    const expected = `${call} takes no "timeout"; it takes: ${legal}`;
    const error = { name: 'IpcError', code: 'unknown_parameter', message: expected };
    await assert.rejects(async () => object[call]?.(...given), error, call);
  }
  const loop = mail.messages?.('A', wrong) as AsyncGenerator;
  await assert.rejects(loop.next(), { message: 'messages takes no "timeout"; it takes: signal' });
  await assert.rejects(open({ timeoutMs: 5 } as OpenOptions), {
    code: 'unknown_parameter',
    message:
      'open takes no "timeoutMs"; it takes: port, host, home, name, program, sendsPerHour, env',
  });
});

test('an option of a wrong form is an IpcError that names the right form', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = (await session()) as unknown as Record<string, (...given: unknown[]) => unknown>;
  const circular: { self?: unknown } = {};
  circular.self = circular;
  for (const [call, given, code, message] of [
    ['wait', ['A', null], 'bad_parameter', 'the options of wait must be an object, not null'],
    ['wait', ['A', 60], 'bad_parameter', 'the options of wait must be an object, not 60'],
    ['wait', ['A', { timeoutMs: '5' }], 'bad_timeout', /^timeoutMs is "5"; it must be from 0 to/],
    ['wait', ['A', { timeoutMs: null }], 'bad_timeout', /^timeoutMs is null; /],
    ['wait', ['A', { timeoutMs: Number.NaN }], 'bad_timeout', /^timeoutMs is NaN; /],
    ['wait', ['A', { timeoutMs: 5n }], 'bad_timeout', /^timeoutMs is 5; /],
    ['wait', ['A', { signal: circular }], 'bad_parameter', /; it must be an AbortSignal$/],
    ['post', ['A', 'x', { from: 5 }], 'bad_name', 'from must be a string'],
    [
      'post',
      ['A', 'x', { answers: {} }],
      'bad_parameter',
      /^answers must be a message that this session read/,
    ],
    ['ask', ['A', 'x', { mailbox: '' }], 'bad_name', 'mailbox is empty'],
    ['fetch', ['A', { bytesMax: '5' }], 'bad_parameter', /^bytesMax is "5"; it must be a whole/],
    [
      'peek',
      ['A', { max: 0 }],
      'bad_parameter',
      'max is 0; it must be a whole number from 1 to 1000',
    ],
    ['peek', ['A', { full: 1 }], 'bad_parameter', 'full is 1; it must be true or false'],
    ['drop', ['A', { ids: 'x' }], 'bad_parameter', 'ids is "x"; it must be a list of ids'],
    ['drop', ['A', { olderThanMs: -1 }], 'bad_parameter', /^olderThanMs is -1; it must be a whole/],
    [
      'wait',
      ['A', { timeoutMs: 300_001 }],
      'bad_timeout',
      'timeoutMs is 300001; it must be from 0 to 300000, or Infinity',
    ],
    ['ping', ['127.0.0.1:1', { timeoutMs: Number.POSITIVE_INFINITY }], 'bad_timeout', /to 300000$/],
    [
      'send',
      ['127.0.0.1:1', 'x', { timeoutMs: 0 }],
      'bad_timeout',
      'timeoutMs is 0; it must be from 1 to 300000',
    ],
    ['ping', ['127.0.0.1:1', { timeoutMs: 0.9 }], 'bad_timeout', /; it must be from 1 to 300000$/],
    ['receive', [{ port: 0 }], 'bad_port', /^port is 0; it must be a whole number from 1 to/],
    ['receive', [{ bind: 5 }], 'bad_parameter', 'bind is 5; it must be a text'],
    ['start', [{ bind: '[::1]:5' }], 'bad_parameter', /^bind is .* an address without a port/],
    ['retry', [{ ids: 'one' }], 'bad_parameter', 'ids is "one"; it must be a list of ids'],
    ['retry', [{ ids: [''] }], 'bad_id', 'an id must be non-empty text without control characters'],
    ['send', ['127.0.0.1', 'x'], 'bad_host', 'host is "127.0.0.1"; it must be HOST:PORT'],
    ['ping', [5], 'bad_parameter', 'host is 5; it must be a text'],
  ] as const) {
    const error = { name: 'IpcError', code, message };
    await assert.rejects(async () => mail[call]?.(...given), error, call);
  }
  for (const [given, code, message] of [
    [null, 'bad_parameter', 'the options of open must be an object, not null'],
    [{ home: 5 }, 'bad_parameter', 'home is 5; it must be a text'],
    [{ home: 'here' }, 'bad_parameter', 'home is "here"; it must be an absolute path'],
    [{ name: '' }, 'bad_name', 'name is empty'],
    [{ port: '1x' }, 'bad_port', /^port is "1x"; it must be a whole number/],
    [{ host: 'one:' }, 'bad_host', 'host is "one:"; it must be HOST or HOST:PORT'],
    [{ program: 5 }, 'bad_parameter', 'program is 5; it must be a text'],
    [{ sendsPerHour: -1 }, 'bad_parameter', /^sendsPerHour is -1; it must be a whole number/],
    [{ env: 5 }, 'bad_parameter', /^env is 5; it must be an object of texts/],
  ] as const) {
    const opened = open(given as unknown as OpenOptions);
    await assert.rejects(opened, { name: 'IpcError', code, message });
  }
});

test('after close each call throws closed, open calls too; a second close does nothing', async (context) => {
  const { session } = await libraryPlace(context);
  const mail = await session();
  await mail.post('M', 'x');
  const message = await readOne(mail, 'M');
  const waiting = assert.rejects(mail.wait('A'), { name: 'IpcError', code: 'closed' });
  await mail[Symbol.asyncDispose]();
  await waiting;
  const port = await freePort();
  const { signal } = new AbortController();
  for (const [name, call] of Object.entries(calls)) {
    await assert.rejects(call(mail, signal, port), { name: 'IpcError', code: 'closed' }, name);
  }
  await assert.rejects(message.settle(), { code: 'closed' });
  await message.release();
  await mail.close();
});

test('after close nothing more is made in the state folder, and the port is free, however early it was closed', async (context) => {
  for (let turns = 0; turns < 40; turns++) {
    const parent = await makeHome(context);
    const [home, port] = [join(parent, 'home'), await freePort()];
    const mail = await open({ port, home, env: {} });
    const starting = mail.start().catch(() => {});
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    await mail.close();
    // A file that is made meanwhile fails it.
    await rm(home, { recursive: true, force: true });
    const server = createServer().listen({ host: '127.0.0.1', port, exclusive: true });
    await once(server, 'listening');
    server.close();
    await starting;
    assert.deepEqual(await readdir(parent), []);
  }
});

test('a session that is closed amid a stop has given up all it had when close returns, and the stop ends', async (context) => {
  for (const hasStandby of [false, true]) {
    const parent = await makeHome(context);
    const place = { home: join(parent, 'home'), port: await freePort(), env: {} };
    const mail = await open(place);
    await mail.start();
    const standby = await open(place);
    context.after(() => standby.close());
    if (hasStandby) await standby.status();
    const began = performance.now();
    const stopping = mail.stop();
    await mail.close();
    if (!hasStandby) {
      await rm(place.home, { recursive: true });
      const server = createServer().listen({ host: '127.0.0.1', port: place.port });
      await once(server, 'listening');
      server.close();
      assert.deepEqual(await readdir(parent), []);
    }
    assert.deepEqual(await stopping, { successor: undefined, messages: 0 });
    assert.ok(performance.now() - began < 4_000, 'a stop waits up to 5 s for a standby');
  }
});

test('a process ends by itself until it uses a broker, and from then on only after close', async (context) => {
  const { home, port, session } = await libraryPlace(context);
  const run = (script: string) => {
    const head = `import { open } from ${JSON.stringify(library)};
      const mail = await open(${JSON.stringify({ home, port, env: {} })});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', head + script]);
    context.after(() => child.kill('SIGKILL'));
    return child;
  };
  assert.equal((await ended(run(''))).code, 0);
  assert.equal((await ended(run(`await mail.post('A', 'x'); await mail.close();`))).code, 0);
  const owner = run(`await mail.status(); console.log('owned');`);
  await once(owner.stdout, 'data');
  const mail = await session();
  assert.equal((await mail.status()).pid, owner.pid);
  const end = once(owner, 'exit');
  owner.kill('SIGKILL');
  await end;
  assert.equal((await mail.status()).pid, process.pid);
});

test('a process whose broker had a session that is stopped ends 2 s after close', async (context) => {
  const { home, port } = await libraryPlace(context);
  const run = (script: string) => {
    const head = `import { open } from ${JSON.stringify(library)};
      const mail = await open(${JSON.stringify({ home, port, env: {} })});
      console.log((await mail.status()).own);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', head + script]);
    context.after(() => child.kill('SIGKILL'));
    return child;
  };
  const owner = run(`process.stdin.once('data', () => mail.close()).once('end', () => {});`);
  assert.equal(String((await once(owner.stdout, 'data'))[0]), 'true\n');
  const stopped = run('');
  assert.equal(String((await once(stopped.stdout, 'data'))[0]), 'false\n');
  stopped.kill('SIGSTOP');
  owner.stdin.end('close');
  const began = performance.now();
  assert.deepEqual(await once(owner, 'exit'), [0, null]);
  const ms = performance.now() - began;
  assert.ok(
    ms < 20_000,
    `it ended after ${Math.round(ms)} ms; a stopped session counts as dead after 45 s`,
  );
});

test('a switch over the code of an error is checked by the compiler', () => {
  const advice = ({ code }: IpcError): string => {
    switch (code) {
      case 'mailbox_full':
        return 'wait';
      // @ts-expect-error: there is no such code
      case 'mailbox_fulll':
        return 'never';
      default:
        return errorTable[code].retry ? 'again' : 'no';
    }
  };
  const codes: ErrorCode[] = ['mailbox_full', 'store_full', 'bad_name'];
  const said = codes.map((code) => advice(new IpcError(code, 'what happened')));
  assert.deepEqual(said, ['wait', 'again', 'no']);
});
