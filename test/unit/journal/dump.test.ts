// The names that `ipc store dump` prints. Programs read them, so a rename in the code does not change them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DumpLine, dumpStore } from '../../../src/journal/dump.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { CrashDisk } from '../../support/disk/crash-disk.ts';
import { postedRecord, testSession } from '../../support/disk/journal-model.ts';
import { openStore, storeFolder } from '../../support/disk/journal-store.ts';

const position = ['epoch', 'segment', 'offset', 'bytes'];

test('each record is printed with its position, its kind, and the names of its fields', async () => {
  const disk = new CrashDisk('/home');
  const store = await openStore({ disk: disk.process() });
  const posted = postedRecord(1, 'one');
  const { envelope, body } = posted;
  const { id } = envelope;
  const records: JournalRecord[] = [
    posted,
    { kind: 'copied', envelope, mailbox: envelope.to, attempt: 1, holder: '', body },
    { kind: 'offered', number: 1, holder: testSession, attempt: 1 },
    { kind: 'released', number: 1, attempt: 2 },
    { kind: 'moved', number: 1, mailbox: envelope.to, attempt: 2 },
    { kind: 'settled', numbers: [1] },
    { kind: 'session', session: testSession, ackedUpTo: 1, numbers: [[2, 1]] },
    { kind: 'forgotten', session: testSession },
    { kind: 'named', ids: [[id, 1]] },
    { kind: 'settledById', holds: [{ id, number: 1 }] },
    { kind: 'fingerprints', fingerprints: [[1, 7]] },
  ];
  store.journal.append(records);
  await store.journal.sync();
  await store.journal.close();
  const lines: DumpLine[] = [];
  for await (const some of dumpStore(storeFolder, disk.process())) lines.push(...some);
  assert.deepEqual(
    lines.map((line) => Object.keys(line)),
    [
      ['kind', 'envelope', 'also', 'mark', 'settles', 'body', 'damaged'],
      ['kind', 'envelope', 'mailbox', 'attempt', 'holder', 'body', 'damaged'],
      ['kind', 'number', 'holder', 'attempt'],
      ['kind', 'number', 'attempt'],
      ['kind', 'number', 'mailbox', 'attempt'],
      ['kind', 'numbers'],
      ['kind', 'session', 'mark', 'answers'],
      ['kind', 'session'],
      ['kind', 'ids'],
      ['kind', 'holds'],
      ['kind', 'fingerprints'],
    ].map((fields) => [...position, ...fields]),
  );
  assert.deepEqual(lines[6]?.answers, [[2, 1]]);
});
