// The mail that a reader of the log knows, in little memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MailTracker } from '../../../src/journal/known-mail.ts';
import type { MessageId, Name, SessionId } from '../../../src/model/message.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { heapMiB } from '../../support/memory.ts';

const holder = '0123456789abcdef' as SessionId;

test('a message is known as it was posted, then as the last record left it, and no more once it is settled', () => {
  const mail = new MailTracker();
  const record = postedRecord(7, 'text');
  mail.apply(record);
  const { id, number, to, from } = record.envelope;
  const envelope = { id, number, to, from };
  const asPosted = { mailbox: to, attempt: 1, holder: undefined };
  assert.deepEqual(mail.message(7), { envelope, ...asPosted });
  const holding = { name: 'ann' as Name, since: 1 };
  mail.apply({ kind: 'offered', number: 7, holder, attempt: 2, holding });
  assert.deepEqual(mail.message(7), { envelope, ...asPosted, attempt: 2, holder });
  assert.equal(mail.holderName(holder), 'ann');
  const mailbox = 'dead-letters' as Name;
  mail.apply({ kind: 'moved', number: 7, mailbox, attempt: 1, lastHold: undefined });
  assert.deepEqual(mail.message(7), { envelope, ...asPosted, mailbox });
  assert.equal(mail.holderName(holder), '');
  mail.apply({ kind: 'settled', numbers: [7] });
  assert.equal(mail.message(7), undefined);
});

test('a message under an id that a caller chose is known by that, also under the number of one that a crash undid', () => {
  const mail = new MailTracker();
  const { envelope, ...record } = postedRecord(7, 'text');
  mail.apply({ ...record, envelope });
  mail.apply({ kind: 'offered', number: 7, holder, attempt: 1 });
  mail.apply({ ...record, envelope: { ...envelope, id: 'job-1' as MessageId } });
  assert.equal(mail.message(7)?.envelope.id, 'job-1');
  assert.equal(mail.message(7)?.holder, undefined);
});

test('some 80 bytes are kept of each message that waits', () => {
  const messages = 50_000;
  const mail = new MailTracker();
  const before = heapMiB();
  for (let number = 1; number <= messages; number++) {
    const { envelope, ...record } = postedRecord(number, '');
    // As the reader of a record has it: a text of its own.
    const id = Buffer.from(envelope.id).toString() as MessageId;
    mail.apply({ ...record, envelope: { ...envelope, id } });
  }
  const bytes = ((heapMiB() - before) * 1_024 ** 2) / messages;
  assert(mail.has(messages));
  assert.ok(bytes < 100, `${bytes} bytes`);
});
