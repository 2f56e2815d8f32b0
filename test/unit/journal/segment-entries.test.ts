// Which bodies stay in memory when records are written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyCache } from '../../../src/journal/body-cache.ts';
import { LiveIndex, type LogFile } from '../../../src/journal/live-index.ts';
import { segmentSeed } from '../../../src/journal/record-framing.ts';
import { applyEncoded, encodeAll } from '../../../src/journal/segment-entries.ts';
import type { CopiedRecord, JournalRecord } from '../../../src/model/records.ts';
import { postedRecord, settledRecord } from '../../support/disk/journal-model.ts';

const file: LogFile = { epoch: 1, segment: 1, bytes: 0 };

function copiedRecord(number: number, text: string): CopiedRecord {
  const { envelope, body } = postedRecord(number, text);
  return { kind: 'copied', envelope, mailbox: envelope.to, attempt: 1, holder: '', body };
}

/** The bodies in memory of messages 1 to 3 after these records are written together. */
function cachedAfter(...records: JournalRecord[]): (string | undefined)[] {
  const live = new LiveIndex();
  applyEncoded(live, encodeAll(records, segmentSeed(file)), file, 0, new BodyCache(1_000_000));
  return [1, 2, 3].map((number) => {
    const location = live.locate(number);
    return location?.written?.bodyOf(location)?.toString();
  });
}

test('bodies of posts stay in memory, and those of copies do not take their room', () => {
  const records = [postedRecord(1, 'one'), copiedRecord(2, 'two'), postedRecord(3, 'three')];
  assert.deepEqual(cachedAfter(...records), ['one', undefined, 'three']);
});

test('a body stays in memory though all before it in its turn were settled in that turn', () => {
  const bodies = cachedAfter(postedRecord(1, 'one'), settledRecord(1), postedRecord(2, 'two'));
  assert.deepEqual(bodies, [undefined, 'two', undefined]);
});
