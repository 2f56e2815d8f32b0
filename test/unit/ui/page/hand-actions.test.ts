// When an action by hand counts as applied.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageId, Name } from '../../../../src/model/message.ts';
import {
  afterChange,
  afterDrop,
  afterPause,
  afterRetry,
  afterStop,
  consequenceOf,
  type HandAction,
  type HandCommand,
  titleOf,
} from '../../../../src/ui/page/state/hand-actions.ts';
import { MailBook } from '../../../../src/ui/page/state/mail-book.ts';
import { StagedMail } from '../../../support/page/staged-mail.ts';

const paused = (...names: string[]) => ({ paused: names as (Name | '')[] });
const ids = (...texts: string[]) => texts as MessageId[];

test('a pause and a resume are applied when the broker lists them so', () => {
  const pause = { kind: 'pause', mailbox: 'ann' } as const;
  const resume = { kind: 'resume', mailbox: 'ann' } as const;
  assert.equal(afterPause(pause, paused('ann')).state, 'applied');
  assert.equal(afterPause(pause, paused('')).state, 'applied');
  assert.equal(afterPause(pause, paused('ben')).state, 'failed');
  assert.equal(afterPause(resume, paused('ben')).state, 'applied');
  assert.deepEqual(afterPause(resume, paused('')), {
    state: 'failed',
    note: 'all mailboxes are still paused',
  });
  assert.equal(afterPause({ kind: 'resume', mailbox: '' }, paused()).state, 'applied');
});

test('a drop and a retry say how many, and what stayed', () => {
  assert.deepEqual(afterDrop({ dropped: ids('a', 'b'), held: 0 }), {
    state: 'applied',
    note: '2 messages dropped',
  });
  assert.deepEqual(afterDrop({ dropped: [], held: 1 }), {
    state: 'failed',
    note: '0 messages dropped; 1 message stayed, because a session holds it',
  });
  assert.deepEqual(afterRetry({ moved: ids('a'), stayed: ids('b') }), {
    state: 'applied',
    note: '1 dead letter moved back; 1 dead letter stayed, because a mailbox is full',
  });
  assert.equal(afterRetry({ moved: [], stayed: [] }).state, 'failed');
});

test('a worker is stopped when the message is done, not when it is stored or held', () => {
  const mail = new StagedMail(1_000);
  mail.post('boss', 'jobs', 'shutdown');
  const book = new MailBook();
  book.apply(mail.events);
  const id = book.byNumber(1)?.stored.envelope.id as MessageId;
  const command = { kind: 'stop', mailbox: 'jobs' } as const;
  let action: HandAction = {
    key: 1,
    command,
    time: 0,
    ...afterStop({ id, number: 1, duplicate: false }),
  };
  assert.equal(action.state, 'applying');
  const next = () => {
    const [story] = book.apply(mail.events.slice(-1));
    assert(story);
    action = { ...action, ...afterChange(action, story) };
    return `${action.state}: ${action.note}`;
  };
  mail.deliver(1, 'worker');
  assert.equal(next(), 'applying: worker holds "shutdown"');
  mail.settle(1, 'worker');
  assert.equal(next(), 'applied: worker has taken "shutdown"');
  mail.post('ann', 'ben', 'other');
  const [other] = book.apply(mail.events.slice(-1));
  assert(other);
  assert.equal(afterChange({ ...action, state: 'applying' }, other), undefined);
});

test('each command has a title and a consequence', () => {
  const commands: readonly HandCommand[] = [
    { kind: 'pause', mailbox: '' },
    { kind: 'pause', mailbox: 'ann' },
    { kind: 'resume', mailbox: '' },
    { kind: 'resume', mailbox: 'ann' },
    { kind: 'drop', mailbox: 'ann' },
    { kind: 'drop', mailbox: 'ann', ids: ['a'] },
    { kind: 'retry' },
    { kind: 'retry', to: 'ann' },
    { kind: 'retry', ids: ['a'] },
    { kind: 'stop', mailbox: 'ann' },
  ];
  assert.equal(new Set(commands.map(titleOf)).size, commands.length);
  for (const command of commands) assert.match(consequenceOf(command), /\.$/);
});
