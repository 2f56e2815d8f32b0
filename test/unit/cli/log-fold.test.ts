// `ipc log` in bounded memory: of many messages only how they stand is kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageStories } from '../../../src/app/message-stories.ts';
import { LogEntries } from '../../../src/cli/log/log-entries.ts';
import { LogFold } from '../../../src/cli/log/log-fold.ts';
import { brokerSource, type LogSource, storeSource } from '../../../src/cli/log/log-source.ts';
import { MailSearch } from '../../../src/cli/log/message-query.ts';
import type { EventMessage, MailEvent } from '../../../src/model/mail-events.ts';
import type { MessageId, Name, SessionId } from '../../../src/model/message.ts';
import { startBroker } from '../../support/brokers.ts';
import { eventInBrief } from '../../support/disk/past.ts';
import { heapMiB } from '../../support/memory.ts';

const session = '0123456789abcdef' as SessionId;

function messageOf(number: number, to = 'ann'): EventMessage {
  return { id: `m-${number}` as MessageId, number, to: to as Name, from: 'ben' as Name };
}

function stored(number: number, mailbox?: string): MailEvent {
  const { id, to, from } = messageOf(number, mailbox);
  const origin = { program: 'test', pid: 1, machine: 'here' };
  const envelope = { id, number, to, from, time: number, answers: '' as const, depth: 0, origin };
  const part = Buffer.alloc(0);
  const all = { ...envelope, bodyBytes: 0, checksum: 0 };
  return { kind: 'stored', envelope: all, part, sequence: number, time: number };
}

function settled(number: number): MailEvent[] {
  const message = messageOf(number);
  const of = { message, mailbox: message.to, session, name: 'ann' as Name, sequence: 0, time: 9 };
  return [
    { kind: 'delivered', attempt: 2, ...of },
    { kind: 'settled', by: undefined, ...of },
  ];
}

function deadLettered(number: number): MailEvent {
  const message = messageOf(number);
  return { kind: 'deadLettered', message, lastHold: undefined, sequence: 0, time: 8 };
}

/** Numbers of messages, and whether each is printed for the first time. */
function followed(fold: LogFold, events: readonly MailEvent[], text?: string): unknown[] {
  return events.flatMap((event) => {
    const entry = fold.follow(event, text);
    return entry ? [[entry.envelope.number, entry.isNew, entry.text, entry.standing.state]] : [];
  });
}

test('of few messages the stories are kept whole; of many that wait for one that is not over, only how each stands', () => {
  const fold = new LogFold({ storiesMax: 3 });
  for (const number of [1, 2, 3]) fold.apply(stored(number), `text ${number}`);
  for (const event of settled(2)) fold.apply(event, undefined);
  assert(fold.isWhole);
  assert.equal(fold.stories.byNumber(2)?.text, 'text 2');
  fold.apply(stored(4), 'text 4');
  for (const event of settled(3)) fold.apply(event, undefined);
  assert(!fold.isWhole);
  assert.equal(fold.stories.size, 0);
  assert.deepEqual(fold.takeOver(), []);
  const done = { state: 'done', mailbox: 'ann', since: 9, attempts: 2 };
  for (const number of [2, 3]) {
    assert.deepEqual(fold.standing(number), { ...done, holder: { session, name: 'ann' } });
  }
  const ready = { state: 'ready', mailbox: 'ann', attempts: 0, holder: undefined };
  for (const number of [1, 4]) {
    assert.deepEqual(fold.standing(number), { ...ready, since: number });
  }
  assert.equal(fold.standing(5), undefined);
});

test('of many messages those that are over are given out once, in order, up to the first that is not over', () => {
  const fold = new LogFold({ storiesMax: 3 });
  for (const number of [1, 2, 3]) fold.apply(stored(number), `text ${number}`);
  for (const number of [2, 1]) for (const event of settled(number)) fold.apply(event, undefined);
  assert.deepEqual(fold.takeOver(), []);
  fold.apply(stored(4), 'text 4');
  assert.deepEqual(
    fold.takeOver().map(({ text, state }) => [text, state]),
    [
      ['text 1', 'done'],
      ['text 2', 'done'],
    ],
  );
  assert.deepEqual(fold.takeOver(), []);
  assert(fold.isWhole);
  assert.deepEqual(
    fold.rest().map(({ text }) => text),
    ['text 3', 'text 4'],
  );
  assert.equal(fold.standing(1), undefined);
});

test('the oldest story is forgotten when there are more than asked for, also behind one that was forgotten before', () => {
  const stories = new MessageStories(2);
  for (const number of [1, 2]) stories.apply(stored(number), '');
  stories.forget(1);
  for (const number of [3, 4, 5]) stories.apply(stored(number), '');
  assert.deepEqual(
    [...stories].map(({ stored }) => stored.envelope.number),
    [4, 5],
  );
});

test('a message that is over and not to be printed is forgotten', () => {
  const fold = new LogFold({ isDeadLettersOnly: true });
  fold.apply(stored(1), 'text');
  for (const event of settled(1)) fold.apply(event, undefined);
  assert.equal(fold.stories.size, 0);
  assert.equal(fold.standing(1), undefined);
});

test('a broker tells of the same messages as the files of its store', async (context) => {
  const { client, folder } = await startBroker(context);
  const mail = client();
  const ann = 'ann' as Name;
  for (const text of ['one', 'a NEEDLE here', 'three', 'needles']) {
    await mail.post(ann, Buffer.from(text), {});
  }
  const { deliveries } = await mail.fetch(ann, { messagesMax: 3 });
  await mail.settle(deliveries);
  const found = async (source: LogSource) => {
    const filter = new MailSearch({ text: 'needle' });
    const { signal } = new AbortController();
    const fold = new LogFold();
    const all: string[] = [];
    for await (const { events } of source({ filter, partBytesMax: 4, signal })) {
      for (const event of events) if (fold.follow(event, '')) all.push(eventInBrief(event));
    }
    return all;
  };
  const expected = ['stored #2 a NE', 'stored #4 need', 'delivered #2', 'settled #2'];
  assert.deepEqual(await found(storeSource(folder)), expected);
  assert.deepEqual(await found(brokerSource(mail)), expected);
});

test('of many messages only those that were dead letters are printed again, if only those are wanted', () => {
  const fold = new LogFold({ isDeadLettersOnly: true, storiesMax: 3 });
  for (const number of [1, 2, 3]) fold.apply(stored(number), '');
  fold.apply(deadLettered(2), undefined);
  fold.apply(stored(4, 'dead-letters'), '');
  assert(!fold.isWhole);
  fold.apply(deadLettered(3), undefined);
  for (const number of [1, 3]) for (const event of settled(number)) fold.apply(event, undefined);
  const states = [1, 2, 3, 4].map((number) => fold.standing(number)?.state);
  assert.deepEqual(states, [undefined, 'dead', 'done', 'ready']);
});

test('a message that has the number of a dead letter that a crash undid is none', () => {
  for (const storiesMax of [0, 3]) {
    const fold = new LogFold({ isDeadLettersOnly: true, keepsTexts: true, storiesMax });
    for (const event of [stored(1), deadLettered(1), stored(1)]) fold.apply(event, 'text');
    assert.equal(fold.rest().length, 0);
    assert.equal(fold.standing(1), undefined);
    fold.setText(1, 'text');
    fold.printed();
    assert.deepEqual(followed(fold, [deadLettered(1)]), [[1, true, 'text', 'dead']]);
    assert.deepEqual(followed(fold, [stored(1), ...settled(1)]), []);
  }
});

test('of a log that is followed for dead letters, a message is printed whole when it becomes one', () => {
  const fold = new LogFold({ isDeadLettersOnly: true, keepsTexts: true });
  fold.apply(stored(1), 'one');
  fold.printed();
  const expected = [
    [2, true, 'two', 'ready'],
    [1, true, 'one', 'dead'],
    [1, false, 'one', 'held'],
    [1, false, 'one', 'done'],
  ];
  assert.deepEqual(
    [
      ...followed(fold, [stored(2, 'dead-letters'), stored(3)], 'two'),
      ...followed(fold, [deadLettered(1), ...settled(1), ...settled(3)]),
    ],
    expected,
  );
});

test('a log that is followed has the texts that it printed, if it prints them again; a damaged one stays damaged', () => {
  for (const keepsTexts of [true, false]) {
    const fold = new LogFold({ keepsTexts, storiesMax: 1 });
    for (const number of [1, 2]) fold.apply(stored(number), '');
    fold.setText(1, 'one');
    fold.setText(2, undefined);
    fold.printed();
    const texts = followed(fold, [...settled(1), ...settled(2)]).map((entry) => [entry].flat()[2]);
    const kept = ['one', 'one', undefined, undefined];
    assert.deepEqual(texts, keepsTexts ? kept : ['', '', '', '']);
  }
});

test('a text that is read twice counts once for what is kept of all texts', () => {
  const entries = new LogEntries(10);
  for (const number of [1, 2, 3]) {
    const event = stored(number);
    assert(event.kind === 'stored');
    entries.add(event.envelope);
  }
  for (const text of ['first', 'first', 'other']) entries.setText(1, text);
  entries.setText(2, 'two');
  entries.setText(3, 'third');
  const texts = () => [1, 2, 3].map((number) => entries.get(number)?.text);
  assert.deepEqual(texts(), ['other', 'two', '']);
  entries.delete(1);
  entries.setText(3, 'third');
  assert.deepEqual(texts(), [undefined, 'two', 'third']);
});

test('an event of another message with the number of one that a crash undid changes nothing', () => {
  const fold = new LogFold();
  fold.printed();
  fold.follow(stored(1), 'text');
  const id = 'another' as MessageId;
  const events = settled(1).map((event) => ({ ...event, message: { ...messageOf(1), id } }));
  assert.deepEqual(followed(fold, events as MailEvent[]), []);
  assert.deepEqual(followed(fold, settled(1)), [
    [1, false, '', 'held'],
    [1, false, '', 'done'],
  ]);
});

test('a log that is followed keeps nothing of messages that are over', () => {
  const fold = new LogFold({ keepsTexts: true });
  fold.printed();
  const before = heapMiB();
  for (let number = 1; number <= 30_000; number++) {
    fold.follow(stored(number), 'text');
    for (const event of settled(number)) fold.follow(event, undefined);
  }
  const grown = heapMiB() - before;
  assert.equal(fold.standing(30_000), undefined);
  assert.ok(grown < 1, `30,000 messages that are over take ${grown} MiB`);
});

test('a log keeps some 110 bytes of each message that is not over, whether it is read or followed', () => {
  const messages = 50_000;
  const bytesOfEach = (take: (fold: LogFold, event: MailEvent) => void) => {
    const fold = new LogFold({ storiesMax: 1 });
    const before = heapMiB();
    for (let number = 1; number <= messages; number++) take(fold, storedByProgram(number));
    const bytes = ((heapMiB() - before) * 1_024 ** 2) / messages;
    assert.equal(fold.standing(messages)?.state, 'ready');
    return bytes;
  };
  const read = bytesOfEach((fold, event) => fold.apply(event, ''));
  assert.ok(read < 140, `${read} bytes`);
  const follow = bytesOfEach((fold, event) => {
    if (fold.isWhole) fold.printed();
    fold.follow(event, 'a text of some words');
  });
  assert.ok(follow < 140, `${follow} bytes`);
});

/** As a reader of the files has it: the id is a text of its own, all other texts are those of other messages. */
function storedByProgram(number: number): MailEvent {
  const event = stored(number);
  assert(event.kind === 'stored');
  const id = Buffer.from(`${session}.${number}`).toString() as MessageId;
  return { ...event, envelope: { ...event.envelope, id, to: 'ann' as Name, time: 1.7e12 } };
}
