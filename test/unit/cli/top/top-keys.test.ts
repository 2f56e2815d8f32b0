import assert from 'node:assert/strict';
import { test } from 'node:test';
import { happens, idOf, mailboxOf, sessionOf, stored } from '../../../support/top/mail-facts.ts';
import { ModelScreen } from '../../../support/top/model-screen.ts';

const mail = Array.from({ length: 40 }, (_, index) => {
  return stored({ number: index + 1, to: index % 2 ? 'bob' : 'jobs', text: `text ${index + 1}` });
});
const facts = {
  sessionList: [sessionOf(1), sessionOf(2)],
  mailboxes: [mailboxOf('bob', { ready: 20 }), mailboxOf('jobs', { ready: 20 })],
};

test('the flow follows the mail until another line is selected, and again at the last one', () => {
  const screen = ModelScreen.live(mail, facts);
  assert.match(screen.selected ?? '', /text 40$/);
  screen.news({ kind: 'live', events: [stored({ number: 41, text: 'text 41' })], gap: undefined });
  assert.match(screen.selected ?? '', /text 41$/);
  screen.press('up', 'k');
  assert.match(screen.selected ?? '', /text 39$/);
  screen.news({ kind: 'live', events: [stored({ number: 42, text: 'text 42' })], gap: undefined });
  assert.match(screen.selected ?? '', /text 39$/);
  screen.press('G');
  screen.news({ kind: 'live', events: [stored({ number: 43, text: 'text 43' })], gap: undefined });
  assert.match(screen.selected ?? '', /text 43$/);
  screen.press('g');
  assert.match(screen.selected ?? '', /text 1$/);
  screen.press('page-down', 'down');
  assert.match(screen.selected ?? '', /text 17$/);
});

test('Tab goes through the panes, and the keys move in the one that has the focus', () => {
  const screen = ModelScreen.live(mail, facts);
  screen.press('tab');
  assert.match(screen.selected ?? '', /^> agent-1 /);
  screen.press('j', 'j', 'j');
  assert.match(screen.selected ?? '', /^> agent-2 /);
  screen.press('tab', 'down');
  assert.match(screen.selected ?? '', /^> jobs /);
  screen.press('shift-tab');
  assert.match(screen.selected ?? '', /^> agent-2 /);
});

test('Enter shows a message in full with its life, and Esc goes back to its line', () => {
  const answer = stored({ number: 3, from: 'bob', to: 'ann', text: 'fine', answers: idOf(1) });
  const screen = ModelScreen.live(
    [
      stored({ number: 1, text: 'first line\n\tsecond \u001b]0;x\u0007' }),
      stored({ number: 2 }),
      happens('delivered', 1, 1),
      happens('settled', 1, 2, { by: idOf(3) }),
      answer,
    ],
    facts,
  );
  screen.press('g', 'enter');
  assert.deepEqual(screen.lines.slice(1, 18), [
    ' MESSAGE 1',
    ' From      ann',
    '           claude-code, pid 7, on laptop in ~/shop',
    ' To        bob',
    ' Stored    2026-11-29T10:00:01Z, 25 bytes',
    ' Id        0000000000000001.1',
    ' Answer    message 3',
    ' State     done',
    '',
    ' LIFE',
    ' 10:00:01  stored',
    ' 10:00:02  delivered to "bob", attempt 1',
    ' 10:00:03  done by "bob", with message 3',
    '',
    ' TEXT',
    ' first line',
    '  second \\u{1b}]0;x\\u{7}',
  ]);
  screen.press('escape');
  assert.match(screen.selected ?? '', /first line$/);
  assert.deepEqual(screen.effects, []);
});

test('a long text is read when it is wanted, and scrolls to its end', () => {
  const screen = ModelScreen.live([stored({ number: 1, text: 'begin', bodyBytes: 90_000 })], facts);
  screen.press('enter');
  assert.deepEqual(screen.effects, [{ kind: 'open', sequence: 10, id: idOf(1) }]);
  assert.match(screen.text, /^ It is being read\.$/m);
  const text = Array.from({ length: 100 }, (_, index) => `line ${index + 1}`).join('\n');
  const message = { number: 1, id: idOf(1), body: { text } };
  screen.state = { ...screen.state, message };
  screen.press('G');
  assert.equal(screen.lines[1], ' MESSAGE 1  lines 91-111 of 111');
  assert.equal(screen.lines[22], ' line 100');
  screen.press('k', 'page-up', 'g');
  assert.equal(screen.lines[1], ' MESSAGE 1  lines 1-21 of 111');
});

test('a filter is typed, leaves the lines that have all its words, and Esc removes it', () => {
  const screen = ModelScreen.live(mail, facts);
  screen.press('/', ...'JOBS text 4');
  assert.equal(screen.lines[23], ' Filter: JOBS text 4_   Enter keeps it, Esc removes it');
  assert.deepEqual(
    screen.lines.filter((line) => / -> /.test(line)).map((line) => line.slice(49)),
    [],
  );
  screen.press('backspace', '3', 'enter');
  assert.match(screen.selected ?? '', /text 39$/);
  assert.match(screen.lines[23] ?? '', /^ Filter: JOBS text 3 \(Esc: none\)/);
  assert.match(screen.text, /MAILBOXES 0/);
  screen.press('q');
  assert.deepEqual(screen.effects, [{ kind: 'quit' }]);
  screen.press('escape');
  assert.match(screen.text, /MAILBOXES 2/);
});

test('Enter on a mailbox leaves only its mail', () => {
  const screen = ModelScreen.live(mail, facts);
  screen.press('tab', 'tab', 'j', 'enter');
  assert.match(screen.selected ?? '', /ann -> jobs .* text 39$/);
  assert.doesNotMatch(screen.text, /-> bob/);
});

test('Enter on a session shows it, and says when it has ended', () => {
  const screen = ModelScreen.live(mail, facts);
  screen.press('tab', 'enter');
  assert.deepEqual(screen.lines.slice(1, 5), [
    ' SESSION agent-1',
    ' Name      agent-1',
    ' Session   0000000000000001',
    ' Program   claude-code, pid 7',
  ]);
  screen.news({ kind: 'status', status: { ...screen.state.status, sessionList: [] } as never });
  assert.equal(screen.lines[2], ' This session has ended.');
});

test('a pause asks first, and only y is a yes', () => {
  const screen = ModelScreen.live(mail, facts);
  screen.press('p');
  assert.equal(screen.lines[23], ' Select a mailbox (Tab), then p pauses it.');
  screen.press('tab', 'tab', 'p');
  const question = ' Deliver nothing from mailbox "bob" until it is resumed? [y/N]';
  assert.equal(screen.lines[23], question);
  screen.press('enter');
  assert.equal(screen.lines[23], ' Nothing was changed.');
  assert.deepEqual(screen.effects, []);
  screen.press('p', 'y');
  assert.deepEqual(screen.effects, [{ kind: 'pause', mailbox: 'bob', isPaused: true }]);
});

test('q and Ctrl-C quit, also when the terminal is too small; typed in a filter, q is a letter', () => {
  const screen = ModelScreen.live(mail, facts);
  screen.press('/', 'q');
  assert.deepEqual(screen.effects, []);
  screen.press('ctrl-c');
  screen.resize(20, 5);
  screen.press('q');
  assert.deepEqual(screen.effects, [{ kind: 'quit' }, { kind: 'quit' }]);
});
