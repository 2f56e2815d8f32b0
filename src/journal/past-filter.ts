// Which messages a reader of a store's past is to tell of.
import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import type { MailTracker } from './known-mail.ts';

/** Which messages are wanted, with all that happens to them. Nothing is kept of the others. */
export interface PastFilter {
  /** `body`: undefined if it is corrupt on disk. */
  wants(envelope: Envelope, body: Buffer | undefined): boolean;
  /** A quick test before that, of a record's bytes: false if its message is not wanted. */
  mayWant?(record: RecordBytes): boolean;
}

/** Where a record with a message lies. */
export interface RecordBytes {
  readonly bytes: Buffer;
  /** Where its fields begin; the id is one of them. */
  readonly fields: number;
  /** Where its body begins. */
  readonly body: number;
  readonly end: number;
}

/** The numbers of messages that the record stores, if they are wanted. */
export function wantedOf(
  record: JournalRecord,
  filter: PastFilter,
  mail: MailTracker,
): readonly number[] {
  if (record.kind !== 'posted' && record.kind !== 'copied') return [];
  const all = record.kind === 'posted' ? envelopesOf(record) : [record.envelope];
  const wanted = all.filter((each) => mail.has(each.number) || filter.wants(each, record.body));
  return wanted.map(({ number }) => number);
}
