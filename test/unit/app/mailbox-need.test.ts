import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareNeed, isUnattended, type MailboxFacts } from '../../../src/app/mailbox-need.ts';

const now = 1_700_000_000_000;
const [second, minute, hour] = [1_000, 60_000, 3_600_000];

function box(mailbox: string, given: Partial<MailboxFacts> = {}): MailboxFacts {
  const none = { ready: 0, held: 0, waiting: 0, watching: 0, oldestTime: 0, dead: 0 };
  return { mailbox, ...none, isPausedItself: false, ...given };
}

function unread(mailbox: string, ageMs: number, given: Partial<MailboxFacts> = {}): MailboxFacts {
  return box(mailbox, { ready: 1, oldestTime: now - ageMs, ...given });
}

function inOrder(...boxes: readonly MailboxFacts[]): string[] {
  return [...boxes]
    .reverse()
    .sort((one, other) => compareNeed(one, other, now))
    .map(({ mailbox }) => mailbox);
}

test('mailboxes stand by need: dead letters, paused, old mail that nobody reads, other mail, then by name', () => {
  assert.deepEqual(
    inOrder(
      box('k', { dead: 1 }),
      unread('dead-letters', hour),
      box('j', { isPausedItself: true }),
      unread('i', 25 * hour),
      unread('h', 2 * hour),
      unread('g', 6 * minute),
      unread('e', 6 * minute, { watching: 1 }),
      unread('f', minute),
      box('a', { waiting: 1 }),
      box('b'),
    ),
    ['dead-letters', 'k', 'j', 'i', 'h', 'g', 'e', 'f', 'a', 'b'],
  );
});

test('a line keeps its place while ages grow within a class, and while mail is read at once', () => {
  assert.deepEqual(inOrder(unread('a', 6 * minute), unread('b', 59 * minute)), ['a', 'b']);
  assert.deepEqual(inOrder(box('a', { waiting: 1 }), unread('b', 9 * second)), ['a', 'b']);
  assert.deepEqual(inOrder(unread('b', 10 * second), box('a', { waiting: 1 })), ['b', 'a']);
});

test('mail of 5 minutes that no session reads, watches or holds is unattended; dead letters are not', () => {
  assert.equal(isUnattended(unread('a', 5 * minute), now), true);
  assert.equal(isUnattended(unread('a', 5 * minute - 1), now), false);
  for (const reader of [{ waiting: 1 }, { watching: 1 }, { held: 1 }]) {
    assert.equal(isUnattended(unread('a', hour, reader), now), false);
  }
  assert.equal(isUnattended(unread('dead-letters', hour), now), false);
  assert.equal(isUnattended(box('a'), now), false);
});
