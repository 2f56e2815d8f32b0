// The engine with large numbers. Its rules are tested by the transcripts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import type { Outcome } from '../../../src/engine/commands.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { State } from '../../../src/engine/state.ts';
import {
  bodyChecksum,
  deadLetterMailbox,
  type MessageId,
  type Name,
} from '../../../src/model/message.ts';
import {
  identity,
  instantAt,
  origin,
  replayed,
  type SentCommand,
  sentAny,
  sessionOf,
  stepOf,
} from '../../support/model/engine.ts';

const A = 'A' as Name;
const parked = 10_000;

function makeEngine(): Engine {
  const engine = new Engine();
  engine.begin(identity, instantAt(0));
  return engine;
}

function step(engine: Engine, command: SentCommand): Outcome {
  return stepOf(engine, command, 0);
}

function hello(engine: Engine, connection: number, name: string): void {
  const session = sessionOf(name);
  step(engine, {
    kind: 'hello',
    connection,
    request: 0,
    session,
    origin,
    standby: false,
    sentUpTo: sentAny,
    held: [],
  });
}

function park(
  engine: Engine,
  connection: number,
  questionOf = (_request: number): MessageId | '' => '',
): void {
  for (let request = 1; request <= parked; request++) {
    const waitMs = 1_000 + (request % 7);
    const answers = questionOf(request);
    step(engine, { kind: 'wait', connection, request, mailboxes: [A], answers, waitMs });
  }
}

function question(number: number): MessageId {
  return `question ${number}` as MessageId;
}

function post(
  engine: Engine,
  connection: number,
  count: number,
  { refusal, answers = '' }: { refusal?: IpcError; answers?: MessageId | '' } = {},
): Outcome {
  const body = Buffer.from('hello');
  return step(engine, {
    kind: 'post',
    connection,
    request: count,
    count,
    id: '',
    ackedUpTo: count - 1,
    to: A,
    alsoTo: [],
    from: '',
    answers,
    settles: [],
    checksum: bodyChecksum(body),
    body,
    refusal,
  });
}

/** The requests that were answered in this way, in ascending order. */
function answered(outcomes: readonly Outcome[], kind: 'offer' | 'end'): number[] {
  return outcomes
    .flatMap(({ replies }) => replies.map(({ response }) => response))
    .filter((response) => response.kind === kind)
    .map(({ request }) => request)
    .sort((one, other) => one - other);
}

const all = Array.from({ length: parked }, (_, index) => index + 1);

test('10,000 waits parked on one connection end together, each once', () => {
  const engine = makeEngine();
  hello(engine, 1, 'ann');
  park(engine, 1);
  assert.equal(engine.nextDeadline(), 1_000);
  const outcome = engine.tick(instantAt(1_006));
  assert.deepEqual(answered([outcome], 'end'), all);
  assert.equal(outcome.replies.length, parked);
  assert.equal(engine.nextDeadline(), undefined);
  assert.deepEqual(engine.tick(instantAt(9_999)), { records: [], events: [], replies: [] });
});

test('10,000 waits parked on one connection get 10,000 messages, in their order', () => {
  const engine = makeEngine();
  hello(engine, 1, 'ann');
  hello(engine, 2, 'bob');
  park(engine, 1);
  const outcomes = all.map((count) => post(engine, 2, count));
  const pairs = outcomes
    .flatMap(({ replies }) => replies.map(({ response }) => response))
    .filter((response) => response.kind === 'offer')
    .map(({ request, envelope }) => [request, envelope.number]);
  assert.deepEqual(
    pairs,
    all.map((number) => [number, number]),
  );
  assert.equal(engine.nextDeadline(), undefined);
});

test('10,000 waits end with their connection, and no message is delivered to them', () => {
  const engine = makeEngine();
  hello(engine, 1, 'ann');
  hello(engine, 2, 'bob');
  park(engine, 1);
  step(engine, { kind: 'disconnect', connection: 1 });
  assert.equal(engine.nextDeadline(), undefined);
  assert.deepEqual(answered([post(engine, 2, 1)], 'offer'), []);
});

test('an answer costs the same, however many waits for other answers are parked in its mailbox', (context) => {
  const engine = makeEngine();
  hello(engine, 1, 'ann');
  hello(engine, 2, 'bob');
  park(engine, 1, question);
  const { mock } = context.mock.method(State.prototype, 'answerTo');
  const lookUps = () => {
    const count = mock.callCount();
    mock.resetCalls();
    return count;
  };
  assert.deepEqual(answered([post(engine, 2, 1, { answers: question(parked) })], 'offer'), [
    parked,
  ]);
  // The answer is found, and then no second one.
  assert.equal(lookUps(), 2);
  assert.deepEqual(answered([post(engine, 2, 2, { answers: question(0) })], 'offer'), []);
  assert.equal(lookUps(), 1);
  assert.deepEqual(answered([post(engine, 2, 3)], 'offer'), []);
  assert.equal(lookUps(), 0);
  // A wait that finds its answer, and a message that goes back.
  const wait = { kind: 'wait', connection: 2, mailboxes: [A], waitMs: 1_000 } as const;
  step(engine, { ...wait, request: 4, answers: question(0) });
  assert.equal(lookUps(), 1);
  const holds = [{ number: 2, id: `${sessionOf('bob')}.2` as MessageId }];
  step(engine, {
    kind: 'release',
    connection: 2,
    request: 5,
    holds,
    unread: true,
    rejected: false,
  });
  assert.equal(lookUps(), 1);
});

test('standby sessions are counted without the own one', () => {
  const engine = makeEngine();
  const names = ['ann', 'bob', 'carl'];
  for (const [index, name] of names.entries()) {
    const connection = index + 1;
    const standby = name !== 'carl';
    const session = sessionOf(name);
    step(engine, {
      kind: 'hello',
      connection,
      request: 1,
      session,
      origin,
      standby,
      sentUpTo: 0,
      held: [],
    });
  }
  assert.equal(engine.standbys(sessionOf('ann')), 1);
  assert.equal(engine.standbys(sessionOf('carl')), 2);
  step(engine, { kind: 'disconnect', connection: 2 });
  assert.equal(engine.standbys(sessionOf('ann')), 0);
});

test('on a full disk only new posts are refused; a repeated post gets its response again', () => {
  const engine = makeEngine();
  hello(engine, 1, 'ann');
  post(engine, 1, 1);
  const refusal = new IpcError('store_full', 'no room');
  const refused = post(engine, 1, 2, { refusal });
  assert.deepEqual(refused.records, []);
  assert.deepEqual(
    refused.replies.map(({ response }) => 'code' in response && response.code),
    ['store_full'],
  );
  const again = post(engine, 1, 1, { refusal });
  assert.deepEqual(
    again.replies.map(({ response }) => 'duplicate' in response && response.duplicate),
    [true],
  );
  assert.equal(post(engine, 1, 2).records.length, 1);
});

test('a copied record has the mailbox of its message, even if the record that moved it is corrupt', () => {
  const first = makeEngine();
  hello(first, 1, 'a');
  const records = post(first, 1, 1).records;
  const copy = first.copyOf(1);
  assert(copy);
  const second = new Engine();
  for (const record of records) second.restore(record);
  second.restore({ ...copy, mailbox: deadLetterMailbox, attempt: 21, body: undefined });
  second.begin(identity, instantAt(0));
  const { mailbox, attempt } = second.copyOf(1) ?? {};
  assert.deepEqual([mailbox, attempt], ['dead-letters', 21]);
});

test('a store beyond the limit of its index, as an earlier version left it, is read and settled, and takes posts again then', () => {
  const earlier = makeEngine();
  hello(earlier, 1, 'ann');
  const records = [1, 2, 3].flatMap((count) => post(earlier, 1, count).records);
  const engine = replayed(records, { indexBytesMax: 1_000, mailboxIndexBytesMax: 1_000 }, 1);
  engine.begin(identity, instantAt(0));
  hello(engine, 1, 'ann');
  const codes = ({ replies }: Outcome) =>
    replies.map(({ response }) => ('code' in response ? response.code : response.kind));
  const size = { bytesMax: 1_000, messagesMax: 10 };
  assert.deepEqual(codes(post(engine, 1, 4)), ['store_full']);
  const fetched = step(engine, {
    kind: 'fetch',
    connection: 1,
    request: 50,
    mailboxes: [A],
    ...size,
  });
  assert.deepEqual(codes(fetched), ['offer', 'offer', 'offer', 'end']);
  const holds = fetched.replies.flatMap(({ response }) =>
    response.kind === 'offer' ? [response.envelope] : [],
  );
  step(engine, { kind: 'settle', connection: 1, request: 51, holds: holds.slice(0, 2) });
  assert.deepEqual(codes(post(engine, 1, 4)), ['store_full']);
  step(engine, { kind: 'settle', connection: 1, request: 52, holds: holds.slice(2) });
  assert.deepEqual(codes(post(engine, 1, 4)), ['stored']);
});

test('a peek shows 250 messages at most, and says how many follow', () => {
  const engine = makeEngine();
  hello(engine, 1, 'ann');
  for (let count = 1; count <= 252; count++) post(engine, 1, count);
  const look = { mailbox: A, after: 0, messagesMax: 1_000, partBytesMax: 0 };
  const { replies } = step(engine, { kind: 'peek', connection: 1, request: 2, ...look });
  const numbers = replies.flatMap(({ response }) =>
    response.kind === 'peeked' ? [response.envelope.number] : [],
  );
  assert.deepEqual([numbers.length, numbers.at(-1)], [250, 250]);
  assert.deepEqual(replies.at(-1)?.response, {
    kind: 'end',
    request: 2,
    remaining: 2,
    elsewhere: [],
  });
});

test('a drop and a retry of named messages go on behind those that they have looked at', () => {
  const engine = new Engine({ messagesPerLook: 4 });
  engine.begin(identity, instantAt(0));
  hello(engine, 1, 'ann');
  for (let count = 1; count <= 10; count++) post(engine, 1, count);
  const fetch = { kind: 'fetch', mailboxes: [A], bytesMax: 1_000, messagesMax: 2 } as const;
  step(engine, { ...fetch, connection: 1, request: 1 });
  const ids = [idOf(2), idOf(3), idOf(9)];
  const parts = [0, 4, 8].map((after) => {
    const which = { mailbox: A, dryRun: false, ageMsMin: 0, after, upTo: 0, ids };
    const { replies } = step(engine, { kind: 'drop', connection: 1, request: 2, ...which });
    const response = replies[0]?.response;
    assert(response?.kind === 'dropped');
    return [response.dropped.map(({ number }) => number), response.held, response.next];
  });
  assert.deepEqual(parts, [
    [[3], 1, 4],
    [[], 0, 8],
    [[9], 0, 0],
  ]);

  step(engine, { ...fetch, messagesMax: 10, connection: 1, request: 3 });
  const holds = [4, 5, 6, 7, 8].map((number) => ({ number, id: idOf(number) }));
  const release = { kind: 'release', holds, unread: true, rejected: true } as const;
  step(engine, { ...release, connection: 1, request: 4 });
  const moves = [0, 7].map((after) => {
    const which = { to: '', ids: [idOf(8)], after } as const;
    const { replies } = step(engine, { kind: 'retry', connection: 1, request: 5, ...which });
    const response = replies[0]?.response;
    assert(response?.kind === 'retried');
    return [response.moved.map(({ id }) => id), response.next];
  });
  assert.deepEqual(moves, [
    [[], 7],
    [[idOf(8)], 0],
  ]);
});

function idOf(count: number): MessageId {
  return `${sessionOf('ann')}.${count}` as MessageId;
}
