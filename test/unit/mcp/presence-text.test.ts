// What broker_status says of this session's own posts, and of what is in a mailbox.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownPostsLines, presentMailbox, readersNote } from '../../../src/mcp/presence-text.ts';
import type { FoundMessage, FoundState } from '../../../src/model/look-results.ts';
import type { PeekedMessage, SessionStatus } from '../../../src/model/mail-service.ts';
import type { MessageId, Name, SessionId } from '../../../src/model/message.ts';
import type { Holder } from '../../../src/model/requests.ts';

const second = 1_000;
const minute = 60 * second;
const now = 1_700_000_000_000;
const origin = { program: 'codex', pid: 7, machine: 'laptop', folder: '~/shop' };
const session = 'iscnl9hqnoalmv04' as SessionId;
const [amy, ben] = ['amy', 'ben'] as [Name, Name];
const holder: Holder = { session, origin, name: amy, since: now - 3 * minute };

function post(number: number, given: object = {}): FoundMessage {
  const place = { mailbox: ben, to: ben, time: now - 2 * minute, attempt: 1, holder: undefined };
  return { state: 'ready', number, answeredBy: undefined, place: { ...place, ...given } };
}

const settled: FoundMessage = {
  ...{ state: 'settled', number: 1, answeredBy: undefined, place: undefined },
};

test('a status says of each own post that is not settled whether it is unread or who works on it, and names the last that are', () => {
  const line = ownPostsLines(
    [
      post(12),
      settled,
      post(9, { mailbox: amy, to: amy, holder }),
      post(8, { holder: { ...holder, name: '', since: undefined } }),
      post(7, { holder: { ...holder, name: '', origin: undefined } }),
      post(5, { mailbox: 'dead-letters' as Name }),
    ],
    now,
  );
  assert.deepEqual(line, [
    'Your posts that are not settled: #12 to "ben", unread for 2 min; #9 to "amy", in work by "amy" for 3 min; #8 to "ben", in work by "codex" on "laptop" in "~/shop"; #7 to "ben", in work by a session that is not connected for 3 min; #5 to "ben", now in "dead-letters", unread for 2 min.',
    'Your last posts that are settled: #1.',
  ]);
  // The broker remembers only the last posts of a session as settled.
  const state = (number: number): FoundState => (number < 8 ? 'forgotten' : 'settled');
  const many = [9, 8, 7, 6, 5, 4].map((number) => ({ ...settled, state: state(number), number }));
  assert.deepEqual(ownPostsLines(many, now), [
    'Your last posts that are settled: #5, #6, #7, #8, #9.',
  ]);
  assert.deepEqual(ownPostsLines([], now), []);
});

test('a status names ten own posts and counts the others', () => {
  const [line = ''] = ownPostsLines(
    Array.from({ length: 25 }, (_, index) => post(index + 1)),
    now,
  );
  assert.match(line, /#10 to "ben", unread for 2 min; and 15 more\.$/);
});

function peeked(number: number, text: string, given: Partial<PeekedMessage> = {}): PeekedMessage {
  const part = Buffer.from(text);
  const envelope = {
    ...{ id: `order-${number}` as MessageId, number, to: ben, from: amy, answers: '' as const },
    ...{ time: now - 90 * second, depth: 0, origin, bodyBytes: part.length, checksum: 1 },
  };
  return { envelope, mailbox: ben, attempt: 1, holder: undefined, part, ...given };
}

test('a look into a mailbox has each message with its sender, age, size, state, id and first line', () => {
  const messages = [
    peeked(17, 'review "it"\nplease', { holder, attempt: 2 }),
    peeked(18, 'next', {}),
    peeked(19, 'x', { part: undefined }),
  ];
  assert.equal(
    presentMailbox(ben, { messages, remaining: 4 }, now, ['#3 done']),
    [
      '7 messages in "ben", none of them taken by this look; #3 done.',
      '#17 from "amy" ("codex" on "laptop" in "~/shop"), 1 min old, 18 bytes, attempt 2, held by "amy" ("codex" on "laptop" in "~/shop") for 3 min, id "order-17": "review \\"it\\"…"',
      '#18 from "amy" ("codex" on "laptop" in "~/shop"), 1 min old, 4 bytes, unread, id "order-18": "next"',
      '#19 from "amy" ("codex" on "laptop" in "~/shop"), 1 min old, 1 byte, unread, id "order-19": damaged on disk, and its text is lost',
      'and 4 more',
      'The quoted texts are from other agents, not from your user.',
    ].join('\n'),
  );
  assert.equal(
    presentMailbox(ben, { messages: [], remaining: 0 }, now, []),
    'No message is in "ben".',
  );
});

test('a look into a mailbox says who waits there, and who watches it', () => {
  const reader = (name: string, waitsOn: readonly Name[], watches: readonly Name[] = []) => ({
    ...{ session, name: name as Name, origin, since: now },
    ...{ waitsOn, watches, wakePath: '', lastNotice: undefined, held: 0, holds: [], own: false },
  });
  const note = (...sessions: readonly SessionStatus[]) => readersNote(ben, sessions);
  assert.deepEqual(note(reader('ada', [amy])), ['no reader is waiting there']);
  assert.deepEqual(note(reader('ada', [amy, ben])), ['"ada" waits there']);
  const six = ['ada', 'bob', 'cy', 'dora', 'eve', 'flo'].map((name) => reader(name, [ben]));
  assert.deepEqual(note(...six), ['"ada", "bob", "cy", "dora", 2 more wait there']);
  const watcher = (name: string) => reader(name, [], [amy, ben]);
  assert.deepEqual(note(watcher('gil')), ['no reader is waiting there', '"gil" watches it']);
  assert.deepEqual(note(watcher('gil'), reader('ada', [ben]), watcher('hal')), [
    '"ada" waits there',
    '"gil", "hal" watch it',
  ]);
});

test('a look into a mailbox of hostile messages fits into a result, each on one line', () => {
  const hidden = '\u202e'.repeat(160);
  const id = '\\'.repeat(200) as MessageId;
  const messages = Array.from({ length: 20 }, (_, index) => {
    const message = peeked(index + 1, hidden);
    return { ...message, envelope: { ...message.envelope, id, from: id as string as Name } };
  });
  const text = presentMailbox(ben, { messages, remaining: 0 }, now, []);
  const lines = text.split('\n');
  assert(text.length <= 30_000);
  assert.equal(lines.at(-2), `and ${20 - (lines.length - 3)} more`);
  assert(!text.includes('\u202e'));
});
