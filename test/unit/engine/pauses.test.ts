// Pauses: what they write and repeat, and the events of their records.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pausedMailboxesMax, pausesBytesMax } from '../../../src/base/limits.ts';
import { PausedMailboxes } from '../../../src/engine/paused-mailboxes.ts';
import { pauseRecords } from '../../../src/engine/pauses.ts';
import { eventsOf, type KnownMail } from '../../../src/engine/record-events.ts';
import { encodeRecord } from '../../../src/journal/record-codec.ts';
import { segmentSeed } from '../../../src/journal/record-framing.ts';
import type { Name } from '../../../src/model/message.ts';
import type { PausedNames, PauseRequest } from '../../../src/model/pause-requests.ts';
import type { PausedRecord } from '../../../src/model/records.ts';

const [A, B] = ['A', 'B'] as [Name, Name];
const paused = (...mailboxes: PausedNames): PausedMailboxes => {
  const all = new PausedMailboxes();
  for (const mailbox of mailboxes) all.apply({ kind: 'paused', mailbox, isPaused: true });
  return all;
};
const record = (mailbox: Name | '', isPaused: boolean): PausedRecord => {
  return { kind: 'paused', mailbox, isPaused };
};

test('the longest pauses that there may be fit into their share of a segment prologue', () => {
  const names = Array.from({ length: pausedMailboxesMax }, (_, index) => {
    return `${index}`.padEnd(200, 'x') as Name;
  });
  const seed = segmentSeed({ epoch: 1, segment: 1 });
  const buffers = paused('', ...names)
    .records()
    .flatMap((each) => encodeRecord(each, seed));
  const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
  assert.equal(buffers.length, 257);
  assert.ok(bytes <= pausesBytesMax, `${bytes} bytes`);
});

test('the names of a pause of all mailboxes are not counted, and no request pauses more than the limit', () => {
  const ask = (isPaused: boolean, ...mailboxes: Name[]): PauseRequest => {
    return { kind: 'pause', request: 1, isPaused, mailboxes };
  };
  const limits = { pausedMailboxesMax: 1 };
  const { names } = paused('');
  assert.deepEqual(pauseRecords(ask(true, A), names, limits), [record(A, true)]);
  const refused = pauseRecords(ask(true, A, B), names, limits);
  assert.equal('code' in refused && refused.code, 'too_many_pauses');
  // What is paused already adds nothing.
  assert.deepEqual(pauseRecords(ask(true, A), paused(A).names, limits), []);
  assert.deepEqual(pauseRecords(ask(true), paused(A).names, limits), [record('', true)]);
});

test('the last record about a mailbox counts, however often the end of the log is replayed', () => {
  const records = [record(A, true), record('', true), record(A, false), record(B, true)];
  for (let from = 0; from <= records.length; from++) {
    const all = new PausedMailboxes();
    for (const each of [...records, ...records.slice(from)]) all.apply(each);
    assert.deepEqual([...all.names].sort(), ['', B]);
  }
});

test('a pause that changes something is an event, and so is the resume of all after pauses by name', () => {
  const events = ({ names }: PausedMailboxes, each: PausedRecord) => {
    const mail: KnownMail = { message: () => undefined, holderName: () => '', paused: names };
    return eventsOf(each, mail);
  };
  assert.deepEqual(events(paused(), record(A, true)), [{ kind: 'paused', mailbox: A }]);
  assert.deepEqual(events(paused(A), record(A, true)), []);
  assert.deepEqual(events(paused(A), record('', true)), [{ kind: 'paused', mailbox: '' }]);
  assert.deepEqual(events(paused(A), record('', false)), [{ kind: 'resumed', mailbox: '' }]);
  assert.deepEqual(events(paused(), record('', false)), []);
  assert.deepEqual(events(paused(''), record(A, false)), []);
});
