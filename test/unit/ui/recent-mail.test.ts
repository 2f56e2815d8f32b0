// What is in memory of the newest mail is bounded, and exact within its bounds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentMail } from '../../../src/ui/recent-mail.ts';
import type { WireEvent } from '../../../src/ui/wire.ts';
import { cutTo, wireEvent } from '../../../src/ui/wire-events.ts';
import {
  deliveredEvent,
  lifeEvent,
  storedEvent,
  type ToldEvent,
  ToldFeed,
} from '../../support/told-page.ts';

function wired(...told: ToldEvent[]): WireEvent[] {
  const feed = new ToldFeed();
  feed.tell(...told);
  return feed.events.map((event) => wireEvent(event));
}

function brief(events: readonly WireEvent[] | undefined): string[] | undefined {
  return events?.map((event) => `${event.sequence} ${event.kind}`);
}

test('the oldest messages are forgotten, with their lives, and later events about them are dropped', () => {
  const recent = new RecentMail({ messagesMax: 2 });
  const events = wired(
    storedEvent(1, 'a'),
    storedEvent(2, 'b'),
    deliveredEvent(1),
    storedEvent(3, 'c'),
    lifeEvent('settled', 1),
    deliveredEvent(3),
  );
  recent.add(events, { epoch: 1, sequence: 6 });
  assert.deepEqual(brief(recent.events(10)), ['2 stored', '4 stored', '6 delivered']);
  assert.deepEqual([recent.size, recent.isWhole], [2, false]);
  assert.equal(recent.message('id-1' as never), undefined);
});

test('the oldest events of one message are forgotten, but never that it was stored', () => {
  const recent = new RecentMail({ lifeMax: 3 });
  const attempts = [1, 2, 3, 4, 5].map((attempt) => deliveredEvent(1, attempt));
  recent.add(wired(storedEvent(1, 'a'), ...attempts), { epoch: 1, sequence: 6 });
  assert.deepEqual(brief(recent.events(10)), [
    '1 stored',
    '4 delivered',
    '5 delivered',
    '6 delivered',
  ]);
});

test('a page that is behind the events in memory is not served from them', () => {
  const recent = new RecentMail({ eventsMax: 4 });
  const told = Array.from({ length: 6 }, (_, index) => storedEvent(index + 1, 'x'));
  recent.add(wired(...told), { epoch: 3, sequence: 6 });
  assert.equal(recent.behind(1, 10), undefined);
  assert.deepEqual(brief(recent.behind(2, 10)), ['3 stored', '4 stored', '5 stored', '6 stored']);
  assert.deepEqual(brief(recent.behind(2, 2)), ['3 stored', '4 stored']);
  assert.deepEqual(brief(recent.behind(6, 10)), []);
  const at = (epoch: number, sequence: number) => recent.reaches({ epoch, sequence });
  assert.deepEqual(
    [at(3, 1), at(3, 2), at(3, 6), at(3, 7), at(2, 6), at(4, 6)],
    [false, true, true, false, false, false],
  );
});

test('all events of one record are given out together', () => {
  const recent = new RecentMail();
  const told = [1, 1, 1, 2].map((sequence, index) => ({
    ...storedEvent(index + 1, 'x'),
    sequence,
  }));
  recent.add(wired(...told), { epoch: 1, sequence: 2 });
  assert.deepEqual(brief(recent.behind(0, 2)), ['1 stored', '1 stored', '1 stored']);
});

test('after a crash a number may be that of another message, whose life it is then', () => {
  const recent = new RecentMail();
  recent.add(
    wired(
      storedEvent(1, 'lost'),
      { ...storedEvent(1, 'b', { id: 'other' as never }) },
      deliveredEvent(1),
    ),
    {
      epoch: 2,
      sequence: 3,
    },
  );
  assert.deepEqual(brief(recent.message('other' as never)), ['2 stored']);
});

test('a thread has the questions above a message and all answers below them', () => {
  const recent = new RecentMail();
  const answers = (number: number, to: number) =>
    storedEvent(number, 'x', { answers: `id-${to}` as never });
  recent.add(
    wired(
      storedEvent(1, 'x'),
      answers(2, 1),
      storedEvent(3, 'x'),
      answers(4, 2),
      answers(5, 1),
      answers(6, 3),
    ),
  );
  const numbers = (id: string) => recent.thread(id as never).map(({ sequence }) => sequence);
  assert.deepEqual(numbers('id-4'), [1, 2, 4, 5]);
  assert.deepEqual(numbers('id-1'), [1, 2, 4, 5]);
  assert.deepEqual(numbers('id-6'), [3, 6]);
  assert.deepEqual(numbers('none'), []);
});

test('messages that answer each other in a circle are one thread', () => {
  const recent = new RecentMail();
  const answers = (number: number, to: number) =>
    storedEvent(number, 'x', { answers: `id-${to}` as never });
  recent.add(wired(answers(1, 2), answers(2, 1)));
  assert.equal(recent.thread('id-1' as never).length, 2);
});

test('a text is cut between characters, also where the broker has cut one', () => {
  const text = '😀'.repeat(2_001);
  const [event] = wired(storedEvent(1, text));
  assert.ok(event?.kind === 'stored');
  assert.deepEqual([event.isCut, event.text], [true, '😀'.repeat(2_000)]);
  const part = Buffer.from('aé').subarray(0, 2);
  const told = { ...storedEvent(1, 'aé'), part } as ToldEvent;
  const [half] = wired(told);
  assert.deepEqual(half?.kind === 'stored' && [half.text, half.isCut], ['a', true]);
  const [damaged] = wired({ ...storedEvent(1, 'a'), part: undefined } as ToldEvent);
  assert.deepEqual(damaged?.kind === 'stored' && [damaged.text, damaged.isCut], [null, false]);
  assert.ok(damaged?.kind === 'stored');
  assert.equal(cutTo(damaged), damaged);
});

test('an answer that settled its question in one record comes before that settle', () => {
  const recent = new RecentMail();
  const answer = { ...storedEvent(2, 'yes', { answers: 'id-1' as never }), sequence: 3 };
  const settled = { ...lifeEvent('settled', 1), sequence: 3 };
  recent.add(wired(storedEvent(1, 'well?'), deliveredEvent(1), answer, settled));
  const expected = ['1 stored', '2 delivered', '3 stored', '3 settled'];
  assert.deepEqual(brief(recent.events(10)), expected);
  assert.deepEqual(brief(recent.thread('id-2' as never)), expected);
});
