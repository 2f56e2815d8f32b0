// Imports: messages of another store, with ids that are not the importer's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Engine } from '../../../src/engine/engine.ts';
import type { ImportRequest } from '../../../src/model/import-requests.ts';
import {
  bodyChecksum,
  deadLetterMailbox,
  type MessageId,
  type Name,
  parseSessionId,
} from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { importSession } from '../../../src/protocol/session-secret.ts';
import { identity, instantAt, origin, sentAny, sessionOf } from '../../support/model/engine.ts';

const A = 'A' as Name;
const store = '0'.repeat(32);
const session = parseSessionId('iscnl9hqnoalmv04');

/** An engine that has these records, and a connection of the mover. */
function engineWith(records: readonly JournalRecord[] = []): Engine {
  const engine = new Engine();
  for (const record of records) engine.restore(record);
  engine.begin(identity, instantAt(0));
  const mover = {
    session: sessionOf('mover'),
    origin,
    standby: false,
    sentUpTo: sentAny,
    held: [],
  };
  engine.step({ kind: 'hello', request: 0, ...mover }, 1, instantAt(0));
  return engine;
}

interface Foreign {
  readonly number: number;
  readonly words: string;
  readonly mailbox?: Name;
  readonly previous?: number;
  readonly movedUpTo?: number;
}

function put(engine: Engine, foreign: Foreign) {
  const { number, words, mailbox = A, previous = 0, movedUpTo = 0 } = foreign;
  const body = Buffer.from(words);
  const about = { to: A, from: A, answers: '', origin, time: 5, depth: 0 } as const;
  const text = { bodyBytes: body.length, checksum: bodyChecksum(body) };
  const envelope = { ...about, ...text, id: `${session}.${number}` as MessageId, number };
  const request: ImportRequest = {
    ...{ kind: 'import', request: 1, keySession: importSession(store, mailbox), store, envelope },
    ...{ mailbox, attempt: 3, previous, movedUpTo, body },
  };
  const { records, replies } = engine.step(request, 1, instantAt(0));
  const [reply] = replies;
  const response = reply?.response;
  return {
    records,
    after: reply?.after,
    number: response?.kind === 'imported' ? response.number : undefined,
    duplicate: response?.kind === 'imported' ? response.duplicate : undefined,
    code: response?.kind === 'error' ? response.code : undefined,
  };
}

const kinds = (records: readonly JournalRecord[]) => records.map(({ kind }) => kind);

test('an import has its response after the sync, and a repetition has the number of the first', () => {
  const engine = engineWith();
  const first = put(engine, { number: 7, words: 'one' });
  assert.deepEqual([first.after, first.number, first.duplicate], ['sync', 1, false]);
  const again = put(engine, { number: 7, words: 'one' });
  assert.deepEqual([again.after, again.number, again.duplicate], ['sync', 1, true]);
  assert.deepEqual([kinds(first.records), kinds(again.records)], [['posted'], []]);
});

test('a repetition is known from the records alone, also when the message was settled', () => {
  const { records } = put(engineWith(), { number: 7, words: 'one' });
  const next = engineWith([...records, { kind: 'settled', numbers: [1] }]);
  assert.deepEqual(put(next, { number: 7, words: 'one' }).duplicate, true);
  assert.equal(next.size, 0);
  const prologue = engineWith(next.snapshot());
  assert.deepEqual(put(prologue, { number: 7, words: 'one' }).duplicate, true);
});

test('a number that the other store gave to another message after a crash is another message', () => {
  const engine = engineWith(
    put(engineWith(), { number: 7, words: 'lost' }).records.concat({
      kind: 'settled',
      numbers: [1],
    }),
  );
  assert.deepEqual(put(engine, { number: 7, words: 'new' }).duplicate, false);
});

test('an unsettled message with the same id is the same message, or a conflict', () => {
  const engine = engineWith();
  put(engine, { number: 7, words: 'one' });
  const other = (words: string) => put(engine, { number: 7, words, mailbox: deadLetterMailbox });
  assert.deepEqual([other('one').duplicate, other('two').code], [true, 'id_conflict']);
});

test('numbers up to which all have moved are forgotten, and those above are not', () => {
  const engine = engineWith();
  for (const number of [1, 2, 3]) put(engine, { number, words: `${number}` });
  put(engine, { number: 4, words: '4', previous: 2, movedUpTo: 2 });
  const { numbers, ackedUpTo } = keysOf(engine);
  assert.deepEqual([ackedUpTo, numbers], [2, [3, 4]]);
});

function keysOf(engine: Engine) {
  for (const record of engine.snapshot()) {
    if (record.kind !== 'session' || record.session !== importSession(store, A)) continue;
    return { ackedUpTo: record.ackedUpTo, numbers: record.numbers.map(([count]) => count) };
  }
  return { ackedUpTo: 0, numbers: [] };
}

test('an import behind one that was not stored is refused, and one behind a forgotten number is not', () => {
  const engine = engineWith();
  assert.equal(put(engine, { number: 2, words: '2', previous: 1 }).code, 'too_many_unanswered');
  put(engine, { number: 3, words: '3', movedUpTo: 2 });
  assert.equal(put(engine, { number: 4, words: '4', previous: 1 }).duplicate, false);
});

test('a dead letter keeps its attempt; one whose second record a crash lost is completed by a repetition', () => {
  const dead = { number: 7, words: 'bad', mailbox: deadLetterMailbox };
  const { records } = put(engineWith(), dead);
  const [posted, moved] = records;
  assert.deepEqual(
    [posted?.kind, moved],
    [
      'posted',
      { kind: 'moved', number: 1, mailbox: deadLetterMailbox, attempt: 3, lastHold: undefined },
    ],
  );
  const half = engineWith(records.slice(0, 1));
  const again = put(half, dead);
  assert.deepEqual([again.duplicate, again.records], [true, [moved]]);
  assert.deepEqual(put(half, dead).records, []);
});
