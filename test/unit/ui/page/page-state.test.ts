// What the page knows and decides without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actionOf, keyBindings } from '../../../../src/ui/page/state/key-bindings.ts';
import {
  indexOfNumber,
  listWindow,
  scrollToShow,
} from '../../../../src/ui/page/state/list-window.ts';
import { MailBook } from '../../../../src/ui/page/state/mail-book.ts';
import { lineOf, markedParts } from '../../../../src/ui/page/state/marked-text.ts';
import {
  filterFrom,
  matches,
  noFilter,
  parametersOf,
  searchParameters,
} from '../../../../src/ui/page/state/message-filter.ts';
import { hashOf, routeFrom } from '../../../../src/ui/page/state/page-route.ts';
import {
  bytesText,
  countText,
  durationText,
  leastText,
  plural,
  spanText,
} from '../../../../src/ui/page/state/relative-time.ts';
import { stateWords } from '../../../../src/ui/page/state/state-words.ts';
import { curveBetween, placeOf } from '../../../../src/ui/page/state/talk-layout.ts';
import { Traffic, talkersMax, talkOf } from '../../../../src/ui/page/state/traffic.ts';
import { StagedMail } from '../../../support/page/staged-mail.ts';

const start = 1_700_000_000_000;

function bookOf(mail: StagedMail): MailBook {
  const book = new MailBook();
  book.apply(mail.events);
  return book;
}

test('a book has its messages in the order of their numbers, older ones that were searched for included', () => {
  const mail = new StagedMail(start);
  for (const text of ['one', 'two', 'three', 'four']) mail.post('ann', 'ben', text);
  const book = new MailBook();
  book.apply(mail.events.slice(2));
  const numbers = () => book.stories.map(({ stored }) => stored.envelope.number);
  assert.deepEqual(numbers(), [3, 4]);
  book.addOlder(mail.events.slice(1, 3));
  assert.deepEqual(numbers(), [2, 3, 4]);
  book.addOlder(mail.events.slice(0, 2));
  assert.deepEqual(numbers(), [1, 2, 3, 4]);
});

test('a live event changes an older message as well', () => {
  const mail = new StagedMail(start);
  mail.post('ann', 'ben', 'old');
  const book = new MailBook();
  book.addOlder(mail.events);
  mail.deliver(1);
  const [changed] = book.apply(mail.events.slice(1));
  assert.deepEqual([changed?.state, book.byNumber(1)?.holder?.name], ['held', 'ben']);
});

test('a book forgets its oldest messages', () => {
  const mail = new StagedMail(start);
  for (let count = 0; count < 5; count++) mail.post('ann', 'ben', `${count}`);
  const book = new MailBook(3);
  book.apply(mail.events);
  assert.deepEqual(
    book.stories.map(({ text }) => text),
    ['2', '3', '4'],
  );
});

test('a filter by agent, pair, mailbox, state, text and time takes what is meant', () => {
  const mail = new StagedMail(start);
  mail.post('ann', 'ben', 'Alpha');
  mail.post('ben', 'ann', 'beta');
  mail.post('ann', 'cleo', 'gamma');
  mail.time = start + 60_000;
  mail.post('cleo', 'ben', 'delta');
  mail.deliver(4);
  mail.bury(3, 'cleo');
  const { stories } = bookOf(mail);
  const shown = (filter: Partial<typeof noFilter>, found: readonly number[] = []) =>
    stories
      .filter((story) => matches(story, { ...noFilter, ...filter }, start + 60_000, new Set(found)))
      .map(({ stored }) => stored.envelope.number);
  assert.deepEqual(shown({}), [1, 2, 3, 4]);
  assert.deepEqual(shown({ agent: 'ann' }), [1, 2, 3]);
  assert.deepEqual(shown({ agent: 'ann', partner: 'ben' }), [1, 2]);
  assert.deepEqual(shown({ mailbox: 'ben' }), [1, 4]);
  assert.deepEqual(shown({ mailbox: 'dead-letters' }), [3]);
  assert.deepEqual(shown({ state: 'held' }), [4]);
  assert.deepEqual(shown({ text: 'ALPHA' }), [1]);
  assert.deepEqual(shown({ text: 'alpha' }, [3]), [1, 3]);
  assert.deepEqual(shown({ range: '15m' }), [1, 2, 3, 4]);
  assert.deepEqual(shown({ since: start + 1 }), [4]);
  assert.deepEqual(shown({ before: start + 60_000 }), [1, 2, 3]);
});

test('a filter is in the address of the page and comes back from it, and nonsense in an address is no filter', () => {
  const filter = {
    ...noFilter,
    agent: 'ann & ben',
    partner: 'cleo',
    text: '#1 ?',
    state: 'dead',
    since: 5,
  } as const;
  const route = { view: 'conversations', filter, open: 'id=1&2' } as const;
  assert.deepEqual(routeFrom(hashOf(route)), route);
  assert.deepEqual(routeFrom('#/nothing?state=odd&range=9y&since=-1&partner=ben'), {
    view: 'overview',
    filter: noFilter,
    open: '',
  });
  assert.deepEqual(filterFrom(parametersOf(noFilter)), noFilter);
  assert.equal(hashOf({ view: 'mail', filter, open: '' }), '#/mail');
});

test('the server is asked for all that a filter has but the state', () => {
  const filter = {
    ...noFilter,
    agent: 'ann',
    partner: 'ben',
    mailbox: 'box',
    state: 'done',
    text: 'x',
    range: '1h',
  } as const;
  const asked = searchParameters(filter, start).toString();
  assert.equal(asked, `text=x&with=ann&partner=ben&mailbox=box&since=${start - 3_600_000}`);
});

test('hits are marked in upper and lower case, and the parts are the whole text', () => {
  const parts = markedParts('Abc abC xab', 'ABC');
  assert.deepEqual(
    parts.filter(({ isHit }) => isHit).map(({ text }) => text),
    ['Abc', 'abC'],
  );
  assert.equal(parts.map(({ text }) => text).join(''), 'Abc abC xab');
  assert.deepEqual(markedParts('', 'a'), [{ text: '', isHit: false }]);
  assert.deepEqual(markedParts('plain', ''), [{ text: 'plain', isHit: false }]);
  // The lower case of this letter is longer, so that places in it would be wrong.
  assert.deepEqual(markedParts('\u0130x', 'x'), [{ text: '\u0130x', isHit: false }]);
});

test('what is hidden in a text or turns it around is shown by its number, and emoji stay whole', () => {
  assert.deepEqual(markedParts('run \u202egnp.exe\u202c\u200b\u001b[31m', 'EXE'), [
    { text: 'run \\u{202e}gnp.', isHit: false },
    { text: 'exe', isHit: true },
    { text: '\\u{202c}\\u{200b}\\u{1b}[31m', isHit: false },
  ]);
  const plain = 'a\tb\n\u{1f469}\u200d\u{1f467}';
  assert.deepEqual(markedParts(plain, ''), [{ text: plain, isHit: false }]);
});

test('a line of a list is single-spaced and shows the hit', () => {
  assert.equal(lineOf(' a\n\n b\tc ', ''), 'a b c');
  assert.equal(lineOf(`${'x'.repeat(300)} hit`, 'HIT'), `… ${'x'.repeat(29)} hit`);
});

test('the window of a list has the visible rows and some beyond, at every scroll position', () => {
  assert.deepEqual(listWindow(0, 340, 34, 10_000), { first: 0, end: 22 });
  assert.deepEqual(listWindow(3_400, 340, 34, 10_000), { first: 88, end: 122 });
  assert.deepEqual(listWindow(339_660, 340, 34, 10_000), { first: 9_978, end: 10_000 });
  assert.deepEqual(listWindow(5_000, 340, 34, 3), { first: 3, end: 3 });
  assert.deepEqual(listWindow(0, 340, 34, 0), { first: 0, end: 0 });
  for (let top = 0; top <= 34 * 100 - 340; top += 7) {
    const { first, end } = listWindow(top, 340, 34, 100);
    assert.ok(first * 34 <= top && end * 34 >= Math.min(top + 340, 3_400), `at ${top}`);
  }
});

test('a row is scrolled to by the shortest way', () => {
  assert.equal(scrollToShow(5, 0, 340, 34), 0);
  assert.equal(scrollToShow(10, 0, 340, 34), 34);
  assert.equal(scrollToShow(2, 340, 340, 34), 68);
});

test('the place of a number in ascending numbers is found, also if the number is gone', () => {
  const numbers = [2, 4, 8];
  const place = (sought: number) => indexOfNumber(3, (index) => numbers[index] ?? 0, sought);
  assert.deepEqual([1, 2, 3, 4, 8, 9].map(place), [0, 0, 1, 1, 2, 3]);
});

test('states say with whom, since when and at which attempt', () => {
  const mail = new StagedMail(start);
  mail.post('ann', 'ben', 'x');
  const words = (isPaused = false) => {
    const [story] = bookOf(mail).stories;
    assert(story);
    const { tone, word, detail } = stateWords(story, start + 65_000, isPaused);
    return `${tone}: ${word}, ${detail}`;
  };
  assert.equal(words(), 'ready: stored, 1 min');
  assert.equal(words(true), 'paused: paused, 1 min');
  mail.time = start + 60_000;
  mail.deliver(1);
  assert.equal(words(), 'held: with ben, 5 s');
  mail.requeue(1, 'ben', 'disconnected');
  assert.equal(words(), 'ready: stored, 5 s · attempt 2 next');
  mail.deliver(1);
  assert.equal(words(), 'held: with ben, 5 s · attempt 2');
  mail.settle(1);
  assert.equal(words(), 'done: done, in 1 min · attempt 2');
});

test('times, sizes and counts are short', () => {
  assert.deepEqual([-5, 59_999, 60_000, 7_200_000, 172_800_000].map(durationText), [
    '0 s',
    '59 s',
    '1 min',
    '2 h',
    '2 d',
  ]);
  assert.deepEqual([0, 999, 1_240, 61_000].map(spanText), ['0 ms', '999 ms', '1.2 s', '1 min']);
  assert.deepEqual([12, 1_234, 2_500_000].map(bytesText), ['12 B', '1.2 kB', '2.5 MB']);
  assert.deepEqual(
    [countText(1_234_567), plural(1, 'message'), plural(0, 'mailbox')],
    ['1,234,567', '1 message', '0 mailboxes'],
  );
});

test('traffic counts what was stored and done in each minute of the last hour', () => {
  const mail = new StagedMail(start);
  const traffic = new Traffic(true);
  for (let count = 0; count < 3; count++) mail.post('ann', 'ben', 'x');
  mail.time += 60_000;
  mail.deliver(1);
  mail.settle(1);
  mail.drop(2);
  traffic.apply(mail.events);
  const { stored, done, seconds } = traffic.lastHour(mail.time);
  assert.deepEqual([stored.length, seconds.length], [60, 60]);
  assert.deepEqual(
    [stored.slice(-2), done.slice(-2)],
    [
      [3, 0],
      [0, 2],
    ],
  );
  assert.deepEqual(
    traffic.lastHour(mail.time + 3_600_000).stored.filter((count) => count > 0),
    [],
  );
});

test('a count of the last hour is marked while older messages of this hour are not known', () => {
  const mail = new StagedMail(start);
  mail.post('ann', 'ben', 'x');
  mail.time += 120_000;
  mail.post('ann', 'ben', 'x');
  const isPartial = (isWhole: boolean, now: number) => {
    const traffic = new Traffic(isWhole);
    traffic.apply(mail.events);
    return traffic.lastHour(now).isPartial;
  };
  assert.deepEqual([isPartial(false, mail.time), isPartial(true, mail.time)], [true, false]);
  assert.equal(isPartial(false, start + 3_600_000), false);
  assert.deepEqual([leastText(10_000, true), leastText(9_999, false)], ['10,000+', '9,999']);

  const full = new MailBook(2);
  full.apply(mail.events);
  assert.deepEqual(
    [full.isPartialSince(start, true), full.isPartialSince(start + 1, true)],
    [true, false],
  );
  const book = bookOf(mail);
  assert.deepEqual(
    [book.isPartialSince(start, true), book.isPartialSince(start, false)],
    [false, true],
  );
});

test('a message that was given back unread has had no attempt', () => {
  const mail = new StagedMail(start);
  mail.post('ann', 'ben', 'x');
  mail.deliver(1);
  const book = bookOf(mail);
  const message = { id: book.byNumber(1)?.stored.envelope.id, number: 1, to: 'ben', from: 'ann' };
  const back = { kind: 'requeued', mailbox: 'ben', attempt: 1, message, lastHold: undefined };
  book.apply([{ ...back, sequence: 90, time: start } as never]);
  const story = book.byNumber(1);
  assert.ok(story);
  assert.deepEqual(stateWords(story, start, false), {
    tone: 'ready',
    word: 'stored',
    detail: '0 s',
  });
});

test('the picture has a line for each direction, with what is under way, and never more than its names', () => {
  const mail = new StagedMail(start);
  mail.post('ann', 'ben', '1');
  mail.post('ann', 'ben', '2');
  mail.post('ben', 'ann', '3');
  mail.post('', 'ann', 'from nobody');
  mail.deliver(2);
  const { names, lines, hidden } = talkOf(bookOf(mail).stories, ['cleo'], start);
  assert.deepEqual([names, hidden], [['ann', 'ben', 'cleo'], 0]);
  assert.deepEqual(
    lines.map(({ from, to, recent, ready, held }) => [from, to, recent, ready, held]),
    [
      ['ann', 'ben', 2, 1, 1],
      ['ben', 'ann', 1, 1, 0],
    ],
  );
  for (let count = 0; count < 30; count++) mail.post(`agent ${count}`, 'ann', 'x');
  assert.equal(talkOf(bookOf(mail).stories, [], start).names.length, talkersMax);
  // What is done and older than an hour is no talk; what still waits is.
  mail.settle(2);
  const later = talkOf(bookOf(mail).stories, [], start + 3_600_001);
  const toBen = later.lines.find(({ from }) => from === 'ann');
  assert.deepEqual([toBen?.recent, toBen?.ready, toBen?.held], [0, 1, 0]);
});

test('names stand on an ellipse within the picture, and lines there and back bend to opposite sides', () => {
  const area = { width: 600, height: 400, marginX: 100, marginY: 40 };
  for (const count of [1, 2, 3, 20]) {
    const places = Array.from({ length: count }, (_, index) => placeOf(index, count, area));
    assert.equal(new Set(places.map(({ x, y }) => `${x} ${y}`)).size, count);
    for (const { x, y } of places)
      assert.ok(x >= 100 && x <= 500 && y >= 40 && y <= 360, `${x} ${y}`);
  }
  const [left, right] = [
    { x: 0, y: 100 },
    { x: 200, y: 100 },
  ];
  const there = curveBetween(left, right, 10).middle;
  const back = curveBetween(right, left, 10).middle;
  assert.ok((there.y - 100) * (back.y - 100) < 0);
});

test('each key does one thing, and none but Escape does anything while somebody writes', () => {
  const keys = keyBindings.flatMap((binding) => binding.keys);
  assert.equal(new Set(keys).size, keys.length);
  assert.deepEqual(
    keys.filter((key) => actionOf(key, true) !== undefined),
    ['Escape'],
  );
  assert.equal(actionOf('z', false), undefined);
});
