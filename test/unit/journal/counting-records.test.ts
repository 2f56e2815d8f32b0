// Which records of a damaged file of history count, and which numbers they have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCounting } from '../../../src/journal/counting-records.ts';
import { encodeRecord } from '../../../src/journal/record-codec.ts';
import { segmentSeed } from '../../../src/journal/record-framing.ts';
import type { StampRecord, StoreRecord } from '../../../src/journal/record-types.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';

const id = { epoch: 1, segment: 1 };
const hole = Buffer.alloc(100, 'x');
const first: StampRecord = { kind: 'stamp', sequence: 50, time: 1 };
const syncPoint: StoreRecord = { kind: 'syncPoint', durable: { segment: 1, offset: 9 } };

type Part = JournalRecord | StoreRecord | Buffer;

/** The numbers of the records of a file, in front of one whose own records begin at 60. */
function numbersIn(...parts: Part[]): (number | undefined)[] {
  return numbersBelow(100, parts, 60);
}

function numbersBelow(
  end: number,
  parts: readonly Part[],
  nextOwnStart: number,
): (number | undefined)[] {
  const seed = segmentSeed(id);
  const buffers = parts.flatMap((part) =>
    Buffer.isBuffer(part) ? part : encodeRecord(part, seed),
  );
  const file = { id, bytes: Buffer.concat(buffers), end, nextOwnStart: () => nextOwnStart };
  const numbers: (number | undefined)[] = [];
  for (const _ of readCounting(file, { take: (_, place) => numbers.push(place?.sequence) }));
  return numbers;
}

test('records behind a hole are counted backwards from the stamp that follows, or from the next segment', () => {
  const [one, two, three] = [postedRecord(1, '1'), postedRecord(2, '2'), postedRecord(3, '3')];
  const stamp: StampRecord = { kind: 'stamp', sequence: 57, time: 2 };
  assert.deepEqual(numbersIn(first, one, hole, two, three, stamp), [50, 55, 56]);
  assert.deepEqual(numbersIn(first, one, hole, two, three), [50, 58, 59]);
  assert.deepEqual(numbersIn(first, one, hole, two, three, Buffer.alloc(100)), [50, 58, 59]);
});

test('records between two holes have no number, whatever is behind the second one', () => {
  const [one, two, three] = [postedRecord(1, '1'), postedRecord(2, '2'), postedRecord(3, '3')];
  assert.deepEqual(numbersIn(first, one, hole, two, hole, three), [50, 59]);
  assert.deepEqual(numbersIn(first, one, hole, two, hole, first, three), [50, 50]);
  assert.deepEqual(numbersIn(first, one, hole, two, hole, syncPoint), [50]);
});

test('behind a hole whose numbers nothing says, records of the newest file count without one, and of others they do not', () => {
  const [one, two] = [postedRecord(1, '1'), postedRecord(2, '2')];
  for (const parts of [
    [first, one, hole, two],
    [first, one, hole, two, hole],
  ]) {
    assert.deepEqual(numbersBelow(Number.POSITIVE_INFINITY, parts, 0), [50, undefined]);
    assert.deepEqual(numbersBelow(Number.MAX_VALUE, parts, 0), [50]);
  }
});
