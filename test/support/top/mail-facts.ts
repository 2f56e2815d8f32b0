// Facts of mail for the screen's tests: events of messages, and a broker's status.

import type { TextEvent } from '../../../src/cli/top/mail-source.ts';
import type { MailEvent } from '../../../src/model/mail-events.ts';
import type { BrokerStatus, SessionStatus } from '../../../src/model/mail-service.ts';
import type { MessageId, Name, Origin, SessionId } from '../../../src/model/message.ts';

/** 2026-11-29 10:00:00 UTC. */
export const noon = Date.UTC(2026, 10, 29, 10);

export const laptop: Origin = {
  program: 'claude-code',
  pid: 7,
  machine: 'laptop',
  folder: '~/shop',
};

export interface GivenMessage {
  readonly number: number;
  readonly from?: string;
  readonly to?: string;
  readonly text?: string;
  readonly answers?: string;
  readonly bodyBytes?: number;
  readonly origin?: Origin;
}

export function stored(given: GivenMessage): TextEvent {
  const { number, from = 'ann', to = 'bob', text = 'hello', answers = '' } = given;
  const { bodyBytes = Buffer.byteLength(text), origin = laptop } = given;
  return {
    event: {
      ...{
        kind: 'stored',
        sequence: number * 10,
        time: noon + number * 1_000,
        part: Buffer.from(text),
      },
      envelope: {
        ...{ id: idOf(number), number, to: to as Name, from: from as Name, depth: 0 },
        ...{
          time: noon + number * 1_000,
          answers: answers as MessageId,
          origin,
          bodyBytes,
          checksum: 0,
        },
      },
    },
    text,
  };
}

type LifeKind = Exclude<MailEvent['kind'], 'stored' | 'paused' | 'resumed'>;
type Given<Kind extends LifeKind> = Partial<Extract<MailEvent, { kind: Kind }>>;

/** What becomes of the message with that number, `step` seconds later. */
export function happens<Kind extends LifeKind>(
  kind: Kind,
  number: number,
  step: number,
  given: Given<Kind> = {},
): TextEvent {
  const message = { id: idOf(number), number, to: 'bob' as Name, from: 'ann' as Name };
  const base = { sequence: number * 10 + step, time: noon + (number + step) * 1_000, message };
  const rest = { mailbox: 'bob' as Name, attempt: 1, session: sessionId(2), name: 'bob' as Name };
  const event = { kind, ...base, ...rest, by: undefined, lastHold: undefined, ...given };
  return { event: event as MailEvent, text: undefined };
}

export function idOf(number: number): MessageId {
  return `${sessionId(1)}.${number}` as MessageId;
}

export function sessionId(number: number): SessionId {
  return `${number}`.padStart(16, '0') as SessionId;
}

export function sessionOf(number: number, given: Partial<SessionStatus> = {}): SessionStatus {
  return {
    ...{ session: sessionId(number), name: `agent-${number}` as Name, origin: laptop },
    ...{ since: noon - 300_000, waitsOn: [], watches: [], wakePath: '', lastNotice: undefined },
    ...{ held: 0, holds: [], own: false, ...given },
  };
}

export function mailboxOf(mailbox: string, given: Partial<BrokerStatus['mailboxes'][number]> = {}) {
  const counts = { ready: 0, held: 0, waiting: 0, watching: 0, oldestTime: 0, paused: false };
  return { mailbox: mailbox as Name, ...counts, ...given };
}

export function statusOf(given: Partial<BrokerStatus> = {}): BrokerStatus {
  const { sessionList = [], mailboxes = [] } = given;
  const status = {
    ...{ port: 4_242, pid: 99, own: false, epoch: 3, addresses: ['127.0.0.1'], paused: [] },
    ...{ messages: 0, bytes: 0, sessions: sessionList.length, namedSessions: sessionList.length },
    ...{ sessionList, mailboxes, mailboxCount: mailboxes.length, deadLetterCount: 0 },
    ...{ deadLetters: [], damaged: 0, storageStalledMs: 0, warnings: [] },
  };
  return { ...status, ...given };
}
