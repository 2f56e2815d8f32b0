import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnsOf, textOf } from '../../../../src/cli/top/columns.ts';
import { topRows } from '../../../../src/cli/top/top-rows.ts';
import type { Name } from '../../../../src/model/message.ts';
import {
  happens,
  laptop,
  mailboxOf,
  noon,
  sessionOf,
  statusOf,
  stored,
} from '../../../support/top/mail-facts.ts';
import { ModelScreen } from '../../../support/top/model-screen.ts';

const holds = [{ number: 1, since: noon + 48_000 }];
const facts = {
  messages: 3,
  deadLetterCount: 2,
  deadLetters: [{ to: 'jobs' as Name, messages: 2 }],
  sessionList: [
    sessionOf(1, { name: 'ann' as Name, own: true, waitsOn: ['ann' as Name] }),
    sessionOf(2, { name: 'bob' as Name, held: 1, holds, watches: ['jobs' as Name] }),
    sessionOf(3, { name: 'idle' as Name, origin: { ...laptop, folder: '~/a/very/long/folder' } }),
  ],
  mailboxes: [
    mailboxOf('ann', { waiting: 1 }),
    mailboxOf('bob', { ready: 2, held: 1, oldestTime: noon + 1_000 }),
  ],
};
const events = [
  stored({ number: 1, text: 'please look' }),
  happens('delivered', 1, 1),
  stored({ number: 2, from: '', text: 'two' }),
];

test('80 columns and 24 rows show all three panes', () => {
  assert.equal(
    ModelScreen.live(events, facts).text,
    ` ipc top  port 4242  owner 99  epoch 3  3 messages  3 sessions  2 de… 10:01 UTC
  SESSIONS 3     PROGRAM     WHERE             WAITS ON, WATCHES, HOLDS
  ann (this)     claude-code laptop ~/shop     waits on ann
  bob            claude-code laptop ~/shop     holds #1 (12 s); watches jobs
  idle           claude-code laptop …ng/folder here for 6 min
  MAILBOXES 3              READY  HELD   OLDEST  READERS  WATCHERS  DEAD
  jobs                         0     0                 0         0     2
  bob                          2     1     59 s        0         0
  ann                          0     0                 1         0
> UTC      FLOW live              STATE          MESSAGE
  10:00:01 ann -> bob             with bob       please look
> 10:00:02 ? -> bob               stored         two











 Tab pane  Enter open  / filter  p pause  ? help  q quit`,
  );
});

test('a wide screen has the mailboxes beside the sessions, and more of each text', () => {
  const screen = ModelScreen.live(events, facts);
  screen.resize(200, 50);
  const { lines } = screen;
  assert.equal(lines.length, 50);
  assert.match(lines[1] ?? '', /^ {2}SESSIONS 3 .* HOLDS .* {3}MAILBOXES 3 .* DEAD$/);
  assert.match(
    lines[3] ?? '',
    /^ {2}bob .*laptop ~\/shop .* holds #1 \(12 s\); watches jobs .* bob .* 59 s /,
  );
  assert.match(lines[5] ?? '', /^> UTC .*MESSAGE$/);
});

test('every row is exactly as wide as the terminal, whatever names and texts hold', () => {
  const wild = [
    '日本語'.repeat(30),
    '👩‍👩‍👧'.repeat(20),
    'a\u001b[2J'.repeat(20),
    'e\u0301'.repeat(90),
  ];
  const names = wild.map((text) => text as Name);
  const list = wild.map((text, index) => {
    const origin = { program: text, pid: 1, machine: text, folder: text };
    return sessionOf(index, { name: text as Name, origin, waitsOn: names, watches: names });
  });
  const boxes = names.map((name) => mailboxOf(name, { ready: 1e9, held: 1e9 }));
  const mail = wild.map((text, index) => stored({ number: index + 1, from: text, to: text, text }));
  const screen = ModelScreen.live(mail, { sessionList: list, mailboxes: boxes });
  const keys = [[], ['tab'], ['tab'], ['enter'], ['escape', 'tab', 'enter'], ['escape', '?']];
  for (const pressed of keys) {
    screen.press(...pressed);
    for (const [columns, rows] of [
      [80, 24],
      [81, 25],
      [149, 30],
      [150, 30],
      [200, 50],
    ] as const) {
      screen.resize(columns, rows);
      const all = topRows(screen.state, noon);
      assert.equal(all.length, rows);
      for (const row of all) {
        assert.equal(columnsOf(textOf(row)), columns);
        assert.doesNotMatch(textOf(row), /\p{Cc}/u);
      }
    }
  }
});

test('a terminal that is too small gets a sentence', () => {
  const screen = ModelScreen.live(events, facts);
  screen.resize(60, 5);
  assert.deepEqual(screen.lines, [
    'ipc top needs 80 columns and 24 rows; here are 60 and 5. q',
    'quits.',
    ...['', '', ''],
  ]);
  screen.resize(1, 1);
  assert.deepEqual(screen.lines, ['…']);
});

test('without a broker the screen says so, and shows the past and no sessions', () => {
  const screen = ModelScreen.live(events, facts);
  screen.news({ kind: 'trouble', what: 'No broker runs.' });
  const { lines } = screen;
  assert.equal(
    lines[0],
    ' ipc top  port 4242  not connected                                    10:01 UTC',
  );
  assert.equal(lines[1], ' No broker runs.');
  assert.equal(lines[3], '  not known without a broker');
  assert.match(screen.text, /with bob {7}please look/);
});

test('a pause is shown on its mailbox, a pause of all above the panes', () => {
  const screen = ModelScreen.live(events, { ...facts, paused: ['jobs' as Name] });
  assert.match(screen.text, /^ {2}jobs .* 2 {2}paused$/m);
  assert.doesNotMatch(screen.text, /^ {2}bob .*paused$/m);
  screen.news({ kind: 'status', status: statusOf({ ...facts, paused: [''] }) });
  assert.equal(
    screen.lines[1],
    ' All mailboxes are paused: mail is stored, and nothing is delivered.',
  );
});

test('old mail that nobody reads is marked and stands above other mail, below a pause', () => {
  const oldestTime = noon - 240_000;
  const screen = ModelScreen.live([], {
    mailboxes: [
      mailboxOf('ann', { ready: 1, waiting: 1, oldestTime }),
      mailboxOf('bob', { ready: 1, oldestTime }),
      mailboxOf('cleo', { ready: 1, oldestTime, paused: true }),
    ],
    paused: ['cleo' as Name],
  });
  assert.deepEqual(screen.lines.slice(4, 7), [
    '  cleo                         1     0    5 min        0         0        paused',
    '  bob                          1     0    5 min        0         0        unread',
    '  ann                          1     0    5 min        1         0',
  ]);
});

test('the first warning of the broker, and how far the past was read, are above the panes', () => {
  const screen = new ModelScreen();
  assert.equal(screen.lines[1], ' Reading the past.');
  screen.news({ kind: 'progress', percent: 40 });
  assert.equal(screen.lines[1], ' Reading the past, 40 %.');
  screen.news({ kind: 'trouble', what: 'No broker runs. This is what the store has.' });
  assert.equal(screen.lines[7], '  reading the past, 40 %');
  screen.news({ kind: 'past', events: [], upTo: 0 });
  assert.equal(screen.lines[7], '  no mail yet');
  const warned = ModelScreen.live([], { warnings: ['the disk is full\u001b[0m'] });
  assert.equal(warned.lines[1], ' The broker warns: the disk is full\\u{1b}[0m.');
});

test('a long warning has up to three lines, and the panes have the rest', () => {
  const screen = ModelScreen.live(events, { ...facts, warnings: ['word '.repeat(80)] });
  const { lines } = screen;
  assert.equal(lines.length, 24);
  assert.deepEqual(
    lines.slice(1, 5).map((line) => line.slice(0, 20)),
    [
      ' The broker warns: w',
      ' word word word word',
      ' word word word word',
      '  SESSIONS 3     PRO',
    ],
  );
});

test('a message of another day has its date for a time', () => {
  const screen = ModelScreen.live(events, facts);
  const tomorrow = topRows(screen.state, noon + 24 * 3_600_000).map(textOf);
  assert.match(tomorrow[10] ?? '', /^ {2}Nov 29 {3}ann -> bob /);
});

test('a status that lists only a part of the sessions is marked so', () => {
  const screen = ModelScreen.live(events, { ...facts, namedSessions: 350, mailboxCount: 3_000 });
  assert.match(screen.text, /^ {2}SESSIONS 3\+ /m);
  assert.match(screen.text, /^ {2}MAILBOXES 3\+ /m);
});
