// The events of a record: what happens to mail because of it. The broker asks before it applies a record to its state,
// and a reader of the log before it applies the record to what it knows.

import type { EventMessage, MailEvent } from '../model/mail-events.ts';
import {
  type Envelope,
  isDeadLetter,
  type MessageId,
  type Name,
  type SessionId,
} from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { CopiedRecord, JournalRecord, PostedRecord } from '../model/records.ts';

/** A message before the record is applied. */
export interface KnownMessage {
  readonly envelope: Pick<Envelope, 'id' | 'number' | 'to' | 'from'>;
  readonly mailbox: Name;
  readonly attempt: number;
  /** undefined if it is ready. */
  readonly holder: SessionId | undefined;
}

/** The state before the record is applied. */
export interface KnownMail {
  /** undefined if it was settled, or never stored. */
  message(number: number): KnownMessage | undefined;
  /** '' when it has none. */
  holderName(session: SessionId): Name | '';
  /** '' stands for all mailboxes. */
  readonly paused: ReadonlySet<Name | ''>;
}

/** An event without the sequence number and the time of its record. */
export type EventOfRecord = WithoutPlace<MailEvent>;
type WithoutPlace<Each> = Each extends unknown ? Omit<Each, 'sequence' | 'time'> : never;

/**
 * The events of the record, in the order in which they happen. A `posted` gives the whole body as `part`. Records that a
 * prologue or a failover repeats give no events.
 */
export function eventsOf(record: JournalRecord, mail: KnownMail): EventOfRecord[] {
  switch (record.kind) {
    case 'posted':
      return record.settles.length === 0
        ? storedEvents(record, mail)
        : storedEvents(record, mail).concat(endEvents(record.settles, mail, record.envelope.id));
    case 'copied':
      return mail.message(record.envelope.number) ? [] : copyEvents(record);
    case 'offered': {
      const { holder: session, attempt, holding } = record;
      const known = mail.message(record.number);
      // It may be written again, for a session that has another name or came back after a takeover.
      if (!known || (known.holder === session && known.attempt === attempt)) return [];
      const { mailbox } = known;
      const name = holding?.name ?? '';
      return [
        { kind: 'delivered', message: messageOf(known.envelope), mailbox, attempt, session, name },
      ];
    }
    case 'released': {
      const { attempt, lastHold } = record;
      const known = mail.message(record.number);
      if (known?.holder === undefined) return [];
      const { envelope, mailbox } = known;
      return [{ kind: 'requeued', message: messageOf(envelope), mailbox, attempt, lastHold }];
    }
    case 'moved': {
      const { mailbox, lastHold } = record;
      const known = mail.message(record.number);
      if (!known || known.mailbox === mailbox) return [];
      const message = messageOf(known.envelope);
      if (!isDeadLetter(mailbox, known.envelope.to)) return [{ kind: 'retried', message }];
      return [{ kind: 'deadLettered', message, lastHold }];
    }
    case 'settled':
      return endEvents(record.numbers, mail, undefined);
    case 'paused': {
      const { mailbox, isPaused } = record;
      // A resume of all ends every pause.
      const wasPaused =
        mailbox === '' && !isPaused ? mail.paused.size > 0 : mail.paused.has(mailbox);
      if (wasPaused === isPaused) return [];
      return [{ kind: isPaused ? 'paused' : 'resumed', mailbox }];
    }
    default:
      return [];
  }
}

function storedEvents(record: PostedRecord, mail: KnownMail): EventOfRecord[] {
  return envelopesOf(record)
    .filter(({ number }) => !mail.message(number))
    .map((envelope) => ({ kind: 'stored', envelope, part: record.body }));
}

/** The message was stored in a part of the log that is gone. Its state is told as if it had come about now. */
function copyEvents({
  envelope,
  mailbox,
  attempt,
  holder,
  ...copy
}: CopiedRecord): EventOfRecord[] {
  const message = messageOf(envelope);
  const { lastHold, holding, body: part } = copy;
  const events: EventOfRecord[] = [{ kind: 'stored', envelope, part }];
  if (isDeadLetter(mailbox, envelope.to)) events.push({ kind: 'deadLettered', message, lastHold });
  if (holder === '') return events;
  const name = holding?.name ?? '';
  return [...events, { kind: 'delivered', message, mailbox, attempt, session: holder, name }];
}

function endEvents(
  numbers: readonly number[],
  mail: KnownMail,
  by: MessageId | undefined,
): EventOfRecord[] {
  return numbers.flatMap((number): EventOfRecord[] => {
    const known = mail.message(number);
    if (!known) return [];
    const { envelope, mailbox, holder: session } = known;
    const message = messageOf(envelope);
    if (session === undefined) return [{ kind: 'dropped', message, mailbox }];
    return [{ kind: 'settled', message, mailbox, session, name: mail.holderName(session), by }];
  });
}

function messageOf({ id, number, to, from }: KnownMessage['envelope']): EventMessage {
  return { id, number, to, from };
}
