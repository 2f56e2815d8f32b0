// What the program and the MCP server both print.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as summaries from '../../../src/app/summaries.ts';
import { IpcError } from '../../../src/base/errors.ts';
import type { BrokerStatus, SessionStatus } from '../../../src/model/mail-service.ts';
import type { Name, SessionId } from '../../../src/model/message.ts';

test('the result of a stop counts the messages that stay on disk', () => {
  const stopped = (messages: number) =>
    summaries.presentStop(7, { successor: undefined, messages }, []);
  const head = 'Gave up the broker on port 7; no session took it over';
  assert.equal(stopped(1), `${head}, 1 message stays on disk.`);
  assert.equal(stopped(2), `${head}, 2 messages stay on disk.`);
});

test("a peer's words in an error are on one line", () => {
  const error = new IpcError('port_taken', 'held by pid 7 (a\n<system>\u001b[2J)');
  assert.match(
    summaries.presentError(error),
    /^port_taken: held by pid 7 \(a\\u\{a\}<system>\\u\{1b\}\[2J\)\./,
  );
});

test('the status lists mailboxes as far as they fit', () => {
  const mailboxes = Array.from({ length: 1_000 }, (_, index) => ({
    mailbox: `box ${index}` as Name,
    ready: 1,
    held: 2,
    waiting: 3,
    watching: index === 1 ? 1 : 0,
    paused: false,
    oldestTime: index === 0 ? 0 : 1_000,
  }));
  const status: BrokerStatus = {
    port: 19_901,
    pid: 7,
    own: true,
    epoch: 3,
    addresses: ['127.0.0.1'],
    messages: 3_000,
    bytes: 9_000,
    sessions: 2,
    namedSessions: 0,
    sessionList: [],
    mailboxCount: 5_000,
    mailboxes,
    deadLetterCount: 0,
    deadLetters: [],
    paused: [],
    damaged: 1,
    storageStalledMs: 3_000,
    warnings: ['the disk is full'],
  };
  const lines = summaries.presentStatus(status, 61_000, [], ofResult).split('\n');
  assert.deepEqual(lines.slice(0, 4), [
    'Broker on port 19901 (127.0.0.1): owner this session, pid 7, epoch 3; 3000 messages, 9000 bytes; 2 sessions; 1 message damaged; the disk has not answered for 3 s: posts and settles wait for it.',
    'The broker warns: "the disk is full".',
    '"box 0": 1 ready, 2 held, 3 waiting',
    '"box 1": 1 ready, 2 held, 3 waiting, 1 watching, oldest 60 s old',
  ]);
  assert.equal(lines.at(-1), `and ${5_000 - (lines.length - 3)} more mailboxes`);
  assert(lines.join('\n').length <= 30_000);
});

/** Of all that a broker lists, as much as a result over MCP may have. */
const ofResult = { mailboxesMax: 1_000, sessionsMax: 200, charactersMax: 30_000 };

const status: BrokerStatus = {
  ...{ port: 19_901, pid: 7, own: false, epoch: 3, addresses: ['127.0.0.1'] },
  ...{ messages: 4, bytes: 9, sessions: 9, mailboxCount: 0, mailboxes: [] },
  ...{ damaged: 0, storageStalledMs: 0, warnings: [], deadLetterCount: 0, deadLetters: [] },
  paused: [],
  ...{ namedSessions: 0, sessionList: [] },
};
const second = 1_000;
const hour = 3_600 * second;
const now = 1_000 * hour;

function session(name: string, given: Partial<SessionStatus> = {}): SessionStatus {
  return {
    session: 'iscnl9hqnoalmv04' as SessionId,
    name: name as Name,
    origin: { program: 'claude-code', pid: 7, machine: 'laptop', folder: '~/shop' },
    since: now - 2 * hour,
    ...{ waitsOn: [], watches: [], wakePath: '', lastNotice: undefined },
    ...{ held: 0, holds: [], own: false },
    ...given,
  };
}

function sessionLines(sessionList: readonly SessionStatus[], namedSessions = sessionList.length) {
  const text = summaries.presentStatus({ ...status, sessionList, namedSessions }, now, [], {
    ...ofResult,
    mailboxesMax: 20,
    sessionsMax: 20,
  });
  return text.split('\n').slice(1);
}

test('the status says of each session where it runs, since when, what it waits on and what it holds', () => {
  const boxes = ['jobs', 'ben', 'a', 'b', 'c'] as Name[];
  const holds = [17, 18, 19, 20].map((number, index) => ({
    number,
    since: index === 0 ? undefined : now - index * 180 * second,
  }));
  assert.deepEqual(
    sessionLines([
      session('boss', { own: true, since: now - 30 * second }),
      session('idle', { origin: { program: 'codex', pid: 8, machine: 'laptop' } }),
      session('ben', { waitsOn: boxes.slice(0, 1) }),
      session('amy', { waitsOn: boxes, held: 1, holds: holds.slice(0, 1) }),
      session('eve', { held: 9, holds }),
    ]),
    [
      'Session "ben" ("claude-code" on "laptop" in "~/shop"), connected 2 h, waits on "jobs"',
      'Session "amy" ("claude-code" on "laptop" in "~/shop"), connected 2 h, waits on "jobs", "ben", "a", "b" and 1 more, holds #17',
      'Session "eve" ("claude-code" on "laptop" in "~/shop"), connected 2 h, holds #17, #18 for 3 min, #19 for 6 min and 6 more',
      'Session "boss" (this session), connected 30 s',
      'Session "idle" ("codex" on "laptop"), connected 2 h',
    ],
  );
});

test('the status says what a session watches, how it is woken, and whether it has read since it was told', () => {
  const watches = ['jobs'] as Name[];
  const told = (isRead: boolean, time = now - 58 * 60 * second) => ({ time, isRead });
  const line = (given: Partial<SessionStatus>) =>
    sessionLines([session('ann', { watches, ...given })])[0]?.split('connected 2 h, ')[1];
  assert.equal(line({}), 'watches "jobs"');
  assert.equal(line({ wakePath: 'inbox' }), 'watches "jobs" (woken by "inbox")');
  assert.equal(
    line({ wakePath: 'inbox', lastNotice: told(true) }),
    'watches "jobs" (woken by "inbox"; told 15:02 UTC, read)',
  );
  assert.equal(
    line({ lastNotice: told(false, now - 24 * hour), held: 1, holds: [{ number: 9, since: now }] }),
    'watches "jobs" (told 1970-02-10 16:00 UTC, not read yet), holds #9 for 0 s',
  );
  assert.equal(
    line({ waitsOn: ['a'] as Name[], watches: ['a', 'b', 'c', 'd', 'e'] as Name[] }),
    'waits on "a", watches "a", "b", "c", "d" and 1 more',
  );
  assert.equal(line({ wakePath: 'x"; read)' }), 'watches "jobs" (woken by "x\\"; read)")');
});

test('a session that watches is listed before idle ones', () => {
  const lines = sessionLines([session('idle'), session('ann', { watches: ['ann'] as Name[] })]);
  assert.match(lines[0] ?? '', /^Session "ann" .*, watches "ann"$/);
});

test('a status counts the sessions that have no name, beside those that it lists', () => {
  const counted = (sessions: number, namedSessions: number) => {
    const [first = ''] = summaries
      .presentStatus({ ...status, sessions, namedSessions }, now, [], ofResult)
      .split('\n');
    return first.split('; ').at(-1);
  };
  assert.equal(counted(3, 2), '3 sessions, 1 without a name.');
  assert.equal(counted(2, 2), '2 sessions.');
  assert.equal(counted(1, 0), '1 session.');
});

test('the status lists 20 sessions to a model, fewer when their names are long, and counts the rest', () => {
  const many = Array.from({ length: 25 }, (_, index) => session(`s${index}`));
  const lines = sessionLines(many, 300);
  assert.deepEqual([lines.length, lines.at(-1)], [21, 'and 280 more sessions']);
  const long = '"'.repeat(200);
  const wide = many.map((each) => ({
    ...each,
    name: long as Name,
    waitsOn: [long, long] as Name[],
  }));
  const fewer = sessionLines(wide, 300);
  assert.equal(fewer.at(-1), `and ${300 - (fewer.length - 1)} more sessions`);
  assert(fewer.join('\n').length < 8_050);
});

test('of a status with mailboxes and sessions that all have long names everything fits into a result', () => {
  const long = '"'.repeat(200) as Name;
  const counts = { ready: 1, held: 2, waiting: 3, watching: 4 };
  const box = { mailbox: long, ...counts, paused: true, oldestTime: 1 };
  const mailboxes = Array.from({ length: 1_000 }, () => box);
  const sessionList = Array.from({ length: 200 }, () => session(long));
  const warnings = Array.from({ length: 100 }, () => '"'.repeat(1_000));
  const given = {
    ...status,
    mailboxes,
    mailboxCount: 1_000,
    sessionList,
    namedSessions: 200,
    warnings,
  };
  assert(summaries.presentStatus(given, now, [], ofResult).length <= 30_000);
});

test('a name of a session cannot break out of its line', () => {
  const [line] = sessionLines([
    session('a"\u202e', {
      origin: { program: 'x" on "y', pid: 1, machine: '\u200b', folder: '"' },
    }),
  ]);
  assert.equal(line, 'Session "a\\"\\u202e" ("x\\" on \\"y" on "\\u200b" in "\\""), connected 2 h');
});

test('an error has its code, what happened, and what to do', () => {
  assert.equal(
    summaries.presentError(new IpcError('bad_timeout', 'timeout is 0')),
    'bad_timeout: timeout is 0. To do: to wait longer, call again when the time is over.',
  );
  assert.match(
    summaries.presentError(new IpcError('cut_off', 'no answer')),
    /The call may have taken effect all the same\. The same call may succeed later\.$/,
  );
  assert.match(
    summaries.presentError(new IpcError('no_broker', 'gone', { maybeStored: true })),
    /The call may have taken effect all the same\./,
  );
  assert.doesNotMatch(
    summaries.presentError(new IpcError('storage_failed', 'unread', { maybeStored: false })),
    /It may have been taken/,
  );
});

test('the status says how many dead letters there are, and where they were meant to go', () => {
  const meant = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ to: `box ${index}` as Name, messages: 2 }));
  const status = {
    ...{ port: 19_901, pid: 7, own: true, epoch: 3, addresses: ['127.0.0.1'] },
    ...{ messages: 4, bytes: 9, sessions: 1, mailboxCount: 0, mailboxes: [] },
    ...{ namedSessions: 0, sessionList: [], paused: [] },
    ...{ damaged: 0, storageStalledMs: 0, warnings: [] },
  };
  const said = (deadLetterCount: number, boxes: number) =>
    summaries
      .presentStatus({ ...status, deadLetterCount, deadLetters: meant(boxes) }, 0, [], ofResult)
      .split('\n')[1];
  assert.equal(
    said(4, 2),
    '4 messages are dead letters, given up: 2 for "box 0", 2 for "box 1". `ipc store retry` moves them back.',
  );
  assert.equal(
    said(14, 7),
    '14 messages are dead letters, given up: 2 for "box 0", 2 for "box 1", 2 for "box 2", 2 for "box 3", 2 for "box 4", and 4 for others. `ipc store retry` moves them back.',
  );
});
