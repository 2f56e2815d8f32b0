import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageStories } from '../../../src/app/message-stories.ts';
import { lifeWords, stateWord } from '../../../src/app/story-words.ts';
import type { MailEvent } from '../../../src/model/mail-events.ts';

const message = { id: 'one', number: 1, to: 'jobs', from: 'ann' };
const forms = { name: (name: string) => `"${name}"`, message: (id: string) => `the post ${id}` };

/** Folds events about one message, each with the next number, and tells how it stands and what happened last. */
class Told {
  readonly #stories = new MessageStories();
  #sequence = 0;

  constructor() {
    this.add({ kind: 'stored', envelope: { ...message, time: 1_000, answers: '' } });
  }

  add(event: object): this {
    this.#sequence += 1;
    const rest = { sequence: this.#sequence, time: 1_000 * this.#sequence, message };
    this.#stories.apply({ ...rest, ...event } as unknown as MailEvent, 'text');
    return this;
  }

  deliver(attempt: number, name = 'ben', mailbox = 'jobs'): this {
    return this.add({ kind: 'delivered', attempt, session: 's1', name, mailbox });
  }

  get words(): string {
    const story = this.#stories.byNumber(1);
    assert(story);
    const last = story.life.at(-1);
    const life = last ? lifeWords(last, forms) : 'stored';
    return `${stateWord(story, forms.name)}, ${story.attempts}; ${life}`;
  }
}

const lastHold = { name: 'ben', from: 2_000, to: 14_000, ended: 'disconnected' };

test('a message is stored, with somebody, and done', () => {
  const told = new Told();
  assert.equal(told.words, 'stored, 0; stored');
  assert.equal(told.deliver(1).words, 'with "ben", 1; delivered to "ben", attempt 1');
  const settled = { kind: 'settled', mailbox: 'jobs', session: 's1', name: 'ben' };
  assert.equal(
    told.add({ ...settled, by: 'two' }).words,
    'done, 1; done by "ben", with the post two',
  );
});

test('a session without a name is a session', () => {
  const told = new Told().deliver(1, '');
  assert.equal(told.words, 'with a session, 1; delivered to a session, attempt 1');
});

test('a message that comes back has had an attempt, unless it was released unread', () => {
  const back = { kind: 'requeued', mailbox: 'jobs' };
  const ended = new Told().deliver(1).add({ ...back, attempt: 2, lastHold });
  assert.equal(
    ended.words,
    'stored, 1; back in "jobs"; "ben" had it for 12 s and ended without saying it was done',
  );
  const unread = new Told().deliver(1).add({ ...back, attempt: 1, lastHold: undefined });
  assert.equal(unread.words, 'stored, 0; back in "jobs"');
  assert.equal(unread.deliver(1).words, 'with "ben", 1; delivered to "ben", attempt 1');
});

test('a dead letter is read from dead-letters, goes back there, and is retried with attempts from 1', () => {
  const told = new Told().deliver(20);
  told.add({ kind: 'deadLettered', lastHold: { ...lastHold, ended: 'rejected' } });
  assert.equal(
    told.words,
    'dead letter, 20; given up: a dead letter; "ben" had it for 12 s and rejected it',
  );
  told.deliver(21, 'boss', 'dead-letters');
  assert.equal(told.words, 'with "boss", 21; delivered to "boss", attempt 21, from "dead-letters"');
  told.add({ kind: 'requeued', mailbox: 'dead-letters', attempt: 21, lastHold: undefined });
  assert.equal(told.words, 'dead letter, 20; back in "dead-letters"');
  told.add({ kind: 'retried' });
  assert.equal(told.words, 'stored, 0; retried: back in "jobs", attempts from 1');
  told.add({ kind: 'dropped', mailbox: 'jobs' });
  assert.equal(told.words, 'dropped, 0; dropped unread');
});
