// The fold of a journal's records: the smallest engine that a store can be compared with.
import assert from 'node:assert/strict';
import {
  bodyChecksum,
  type Envelope,
  type MessageId,
  type Name,
  type PastHold,
  type SessionId,
  sessionMessageId,
} from '../../../src/model/message.ts';
import type {
  CopiedRecord,
  Holding,
  JournalRecord,
  PostedRecord,
} from '../../../src/model/records.ts';

interface ModelMessage {
  readonly posted: PostedRecord | CopiedRecord;
  readonly mailbox: Name;
  readonly attempt: number;
  readonly holder: SessionId | '';
  readonly holding?: Holding | undefined;
  readonly lastHold?: PastHold | undefined;
}

export class JournalModel {
  readonly messages = new Map<number, ModelMessage>();
  readonly #sessions = new Map<SessionId, Map<number, number>>();
  /** Ids that were settled without being stored. */
  readonly #settled = new Map<MessageId, number>();

  apply(record: JournalRecord): void {
    switch (record.kind) {
      case 'posted': {
        for (const envelope of [record.envelope, ...record.also]) {
          const [session, count] = envelope.id.split('.');
          this.#answers(session as SessionId).set(Number(count), envelope.number);
          this.messages.set(envelope.number, {
            posted: keep({ ...record, envelope }),
            mailbox: envelope.to,
            attempt: 1,
            holder: '',
          });
        }
        for (const number of record.settles) this.messages.delete(number);
        return;
      }
      case 'copied': {
        const { mailbox, attempt, holder, holding, lastHold } = record;
        const held = { holder, holding, lastHold };
        this.messages.set(record.envelope.number, {
          posted: keep(record),
          mailbox,
          attempt,
          ...held,
        });
        return;
      }
      case 'offered':
        return this.#change(record.number, {
          holder: record.holder,
          holding: record.holding,
          attempt: record.attempt,
        });
      case 'released':
        return this.#change(record.number, { ...endedBy(record), attempt: record.attempt });
      case 'moved':
        return this.#change(record.number, {
          ...endedBy(record),
          mailbox: record.mailbox,
          attempt: record.attempt,
        });
      case 'settled':
        for (const number of record.numbers) this.messages.delete(number);
        return;
      case 'session':
        this.#sessions.set(record.session, new Map(record.numbers));
        return;
      case 'forgotten':
        this.#sessions.delete(record.session);
        return;
      case 'named':
        return assert.fail('the model gives no ids by hand');
      case 'settledById':
        for (const { id, number } of record.holds) this.#settled.set(id, number);
        return;
      case 'fingerprints':
        return assert.fail('the model compares no content');
      case 'paused':
        return assert.fail('the model pauses nothing');
    }
  }

  head(): JournalRecord[] {
    const sessions = [...this.#sessions].map(
      ([session, numbers]) =>
        ({ kind: 'session', session, ackedUpTo: 0, numbers: [...numbers] }) as const,
    );
    const holds = [...this.#settled].map(([id, number]) => ({ id, number }));
    return holds.length === 0 ? sessions : [...sessions, { kind: 'settledById', holds }];
  }

  copyOf(number: number): CopiedRecord {
    const message = this.messages.get(number);
    assert(message, `the model knows ${number}`);
    const { posted, ...rest } = message;
    const { envelope, body } = posted;
    return { kind: 'copied', envelope, body, ...rest };
  }

  sessions(): SessionId[] {
    return [...this.#sessions.keys()];
  }

  /** The whole state as text, for comparison. */
  state(): string {
    const messages = [...this.messages].sort(([one], [other]) => one - other);
    const lines = messages.map(([number, { posted, mailbox, attempt, ...held }]) => {
      const { envelope, body } = posted;
      const { holder, holding, lastHold } = held;
      const names = holding || lastHold ? JSON.stringify([holding, lastHold]) : '';
      const hold = `${holder}${names}`;
      return `${number} ${JSON.stringify(envelope)} ${mailbox} ${attempt} ${hold} ${body}`;
    });
    const sessions = [...this.#sessions].sort().map(([session, answers]) => {
      return `${session} ${JSON.stringify([...answers].sort(([one], [other]) => one - other))}`;
    });
    const settled = [...this.#settled].sort().map(([id, number]) => `settled ${id} ${number}`);
    return [...lines, ...sessions, ...settled].join('\n');
  }

  #answers(session: SessionId): Map<number, number> {
    const answers = this.#sessions.get(session) ?? new Map<number, number>();
    this.#sessions.set(session, answers);
    return answers;
  }

  #change(number: number, change: Partial<ModelMessage>): void {
    const message = this.messages.get(number);
    if (message) this.messages.set(number, { ...message, ...change });
  }
}

/** A release that does not count leaves the past hold as it was. */
function endedBy({ lastHold }: { readonly lastHold?: PastHold | undefined }) {
  return { holder: '', holding: undefined, ...(lastHold && { lastHold }) } as const;
}

/** A restored body is valid during the call only. */
function keep<T extends PostedRecord | CopiedRecord>(record: T): T {
  return { ...record, body: record.body && Buffer.from(record.body) };
}

export const testSession = '0123456789abcdef' as SessionId;

export function settledRecord(...numbers: number[]): JournalRecord {
  return { kind: 'settled', numbers };
}

export function postedRecord(
  number: number,
  text: string,
  {
    session = testSession,
    count = number,
    settles = [] as number[],
    to = 'A',
    alsoTo = [] as string[],
    folder = '',
  } = {},
): PostedRecord {
  const body = Buffer.from(text);
  const envelopeTo = (to: string, index: number): Envelope => ({
    id: sessionMessageId(session, count + index),
    number: number + index,
    to: to as Name,
    from: 'B' as Name,
    time: 1_700_000_000_000,
    answers: '',
    origin: { program: 'test', pid: 7, machine: 'here', ...(folder !== '' && { folder }) },
    bodyBytes: body.length,
    checksum: bodyChecksum(body),
    depth: 0,
  });
  return {
    kind: 'posted',
    envelope: envelopeTo(to, 0),
    also: alsoTo.map((name, index) => envelopeTo(name, index + 1)),
    ackedUpTo: 0,
    settles,
    body,
  };
}
