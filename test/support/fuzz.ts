// Nearly valid bytes: frames and handshakes of the protocol with a few mutations.
import { randomBytes } from 'node:crypto';
import type { MailEvent } from '../../src/model/mail-events.ts';
import { bodyChecksum, type PastHold, parseName, parseNamedId } from '../../src/model/message.ts';
import type { Response } from '../../src/model/requests.ts';
import { encodeRequest, encodeResponse, type RequestToSend } from '../../src/protocol/codec.ts';
import { sessionIdOf, sessionSecretBytes } from '../../src/protocol/session-secret.ts';
import { helloOf } from './proven-socket.ts';
import { pick, type Random } from './random.ts';

const secret = Buffer.alloc(sessionSecretBytes, 's');
const session = sessionIdOf(secret);
const id = parseNamedId('id1');
const name = parseName('A');
const other = parseName('B');
const origin = { program: 'p', pid: 258, machine: 'm' };
const holds = [{ number: 5, id }];
const body = Buffer.from('hello');
const checksum = bodyChecksum(body);

const requests: readonly RequestToSend[] = [
  { kind: 'hello', request: 1, session, secret, origin, standby: true, sentUpTo: 7, held: holds },
  {
    kind: 'post',
    request: 2,
    count: 0,
    id,
    ackedUpTo: 0,
    to: name,
    alsoTo: [],
    from: name,
    answers: id,
    settles: holds,
    checksum,
    body,
  },
  {
    ...{ kind: 'post', request: 12, count: 3, id: '', ackedUpTo: 2, to: name, alsoTo: [other] },
    ...{ from: '', answers: '', settles: [], checksum, body },
  },
  { kind: 'wait', request: 3, mailboxes: [name], answers: '', waitMs: 1_000 },
  { kind: 'fetch', request: 4, mailboxes: [name], bytesMax: 1_000, messagesMax: 10 },
  { kind: 'wait', request: 14, mailboxes: [name, other], answers: '', waitMs: 1_000 },
  {
    ...{ kind: 'watch', request: 16, mailboxes: [name, other], waitMs: 1_000, path: 'task' },
    told: { number: 5, attempt: 2, time: 2 ** 40, pauseMs: 30_000 },
  },
  { kind: 'fetch', request: 15, mailboxes: [name, other], bytesMax: 1_000, messagesMax: 10 },
  { kind: 'cancel', request: 3 },
  { kind: 'settle', request: 5, holds },
  { kind: 'release', request: 6, holds, unread: false, rejected: true },
  { kind: 'release', request: 6, holds, unread: false, rejected: false, sessionEnds: true },
  { kind: 'status', request: 7 },
  { kind: 'retry', request: 11, to: name, ids: [id], after: 5 },
  { kind: 'listen', request: 12, addresses: ['127.0.0.2', '::1'] },
  { kind: 'peek', request: 12, mailbox: name, after: 5, messagesMax: 10, partBytesMax: 480 },
  {
    ...{ kind: 'drop', request: 13, mailbox: name, dryRun: false, ageMsMin: 1_000 },
    ...{ after: 5, upTo: 9, ids: [id] },
  },
  { kind: 'find', request: 14, answersIn: name, ids: [id] },
  {
    ...{ kind: 'events', request: 17, after: { epoch: 3, sequence: 9 }, waitMs: 1_000 },
    ...{ partBytesMax: 480, mailboxes: [name, other] },
  },
  { kind: 'events', request: 18, after: 'start', waitMs: 0, partBytesMax: 0, mailboxes: [] },
  { kind: 'pause', request: 21, isPaused: true, mailboxes: [name] },
  { kind: 'compact', request: 13 },
  { kind: 'goodbye', request: 8 },
  { kind: 'send', request: 9, from: '', origin, checksum, body },
  { kind: 'ping', request: 10 },
];

const envelope = {
  ...{ id, number: 6, to: name, from: name, time: 2 ** 40 },
  ...{ answers: '' as const, origin, depth: 0, bodyBytes: body.length, checksum },
};

const lastHold: PastHold = { name, from: 2 ** 40, to: 2 ** 40 + 1, ended: 'disconnected' };
const elsewhere = [{ mailbox: name, ready: 3 }];
const ahead = {
  ...{ watched: false, paused: true },
  before: 4,
  holder: { number: 2, name, heldMs: 1_000 },
  same: { number: 3, ageMs: 2_000, isHeld: true },
};

const message = { id, number: 6, to: name, from: name };
const of = { sequence: 9, time: 2 ** 40 };
const events: readonly MailEvent[] = [
  { ...of, kind: 'stored', envelope, part: body },
  { ...of, kind: 'delivered', message, mailbox: name, attempt: 2, session, name },
  { ...of, kind: 'requeued', message, mailbox: name, attempt: 2, lastHold },
  { ...of, kind: 'settled', message, mailbox: name, session, name, by: id },
  { ...of, kind: 'deadLettered', message, lastHold },
  { ...of, kind: 'paused', mailbox: name },
];

const answers: readonly Response[] = [
  {
    ...{ kind: 'welcome', request: 1, store: 'ab', epoch: 2, format: 1, pid: 258 },
    ...{ addresses: ['127.0.0.1'], revoked: holds, messages: 3 },
  },
  {
    ...{ kind: 'stored', request: 2, id, number: 6, duplicate: true, reader: false },
    ...{ also: [{ id, number: 7, reader: true, ...ahead }], notHeld: holds, ...ahead, elsewhere },
  },
  {
    ...{ kind: 'offer', request: 3, attempt: 2, others: 1, mailbox: name, envelope },
    ...{ remaining: 2, elsewhere },
  },
  {
    ...{ kind: 'offer', request: 3, attempt: 2, others: 1, mailbox: name, envelope },
    ...{ lastHold, remaining: 0, elsewhere: [] },
  },
  { kind: 'notice', request: 16, mailbox: name, unread: 3, number: 5, attempt: 2, ageMs: 1_000 },
  { kind: 'end', request: 3, remaining: 7, elsewhere },
  { kind: 'end', request: 3, remaining: 7, elsewhere, paused: [name] },
  { kind: 'pausing', request: 21, mailboxes: ['', name] },
  { kind: 'settled', request: 5, notHeld: holds },
  {
    ...{ kind: 'status', request: 7, messages: 1, bytes: 5, sessions: 2, mailboxCount: 1 },
    namedSessions: 1,
    sessionList: [
      {
        session,
        name,
        origin,
        since: 4,
        waitsOn: [name, other],
        ...{ watches: [other], wakePath: 'task', lastNotice: { time: 2 ** 40, isRead: true } },
        held: 2,
        holds: [{ number: 5, since: 4 }],
      },
    ],
    mailboxes: [
      { mailbox: name, ready: 1, held: 0, waiting: 3, watching: 2, paused: true, oldestTime: 4 },
    ],
    ...{ deadLetterCount: 2, deadLetters: [{ to: name, messages: 2 }], paused: ['', name] },
    ...{ damaged: 1, storageStalledMs: 2_000, warnings: ['a disk'] },
  },
  { kind: 'retried', request: 8, moved: [{ id, to: name }], stayed: [{ id, to: name }], next: 6 },
  { kind: 'listening', request: 12, addresses: ['127.0.0.1'] },
  {
    ...{ kind: 'peeked', request: 12, envelope, mailbox: name, attempt: 2, partBytes: 2 },
    ...{ holder: { session, origin, name, since: 2 ** 40 }, lastHold },
  },
  {
    ...{ kind: 'dropped', request: 13, dropped: [{ id, number: 6, from: name }] },
    ...{ held: 1, next: 6, upTo: 9 },
  },
  {
    ...{ kind: 'found', request: 14 },
    found: [
      { state: 'settled', number: 5, answeredBy: 6, place: undefined },
      {
        ...{ state: 'held', number: 5, answeredBy: undefined },
        place: {
          ...{ mailbox: name, to: other, time: 7, attempt: 2 },
          holder: { session, origin, name, since: 4 },
        },
      },
    ],
  },
  ...events.map((event) => {
    return { kind: 'event' as const, request: 17, event, hasSamePart: false };
  }),
  {
    ...{ kind: 'eventsEnd', request: 17, next: { epoch: 3, sequence: 9 } },
    ...{ gap: { from: 5, to: 8 }, hasMore: true },
  },
  { kind: 'error', request: 2, code: 'store_full', message: 'full' },
  { kind: 'going', request: 0 },
];

export const requestFrames: readonly Buffer[] = requests.map((each) =>
  Buffer.concat(encodeRequest(each)),
);
export const frames: readonly Buffer[] = [
  ...requestFrames,
  ...answers.map((each) =>
    Buffer.concat(encodeResponse(each, each.kind === 'offer' ? body : undefined)),
  ),
];

/** A valid hello of a new session. */
export function soundHello(): Buffer[] {
  return encodeRequest(helloOf(randomBytes(sessionSecretBytes)));
}

const strikingBytes = [0x00, 0x01, 0x0d, 0x20, 0x7f, 0x80, 0xa9, 0xff];
const strikingLengths = [0, 1, 11, 12, 13, 0xffff, 0x100000, 0x100001, 0x7fffffff, 0xffffffff];

/** Applies one to four mutations; spliced bytes come from `others`. */
export function mutate(random: Random, bytes: Buffer, others: readonly Buffer[]): Buffer {
  let changed: Buffer = bytes;
  for (let count = 1 + random.below(4); count > 0; count--) {
    changed = changeOnce(random, changed, others);
  }
  return changed;
}

function changeOnce(random: Random, bytes: Buffer, others: readonly Buffer[]): Buffer {
  const at = random.below(bytes.length + 1);
  const end = at + random.below(bytes.length + 1 - at);
  const before = bytes.subarray(0, at);
  switch (random.below(8)) {
    case 0:
      return overwrite(bytes, at, Buffer.from([(bytes[at] ?? 0) ^ (1 << random.below(8))]));
    case 1:
      return overwrite(bytes, at, Buffer.from([pick(random, strikingBytes)]));
    case 2: {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(pick(random, strikingLengths));
      return overwrite(bytes, random.oneIn(2) ? at : pick(random, [0, 4, 8, 12]), length);
    }
    case 3:
      return before;
    case 4:
      return Buffer.concat([before, bytes.subarray(end)]);
    case 5:
      return Buffer.concat([before, rubbish(random), bytes.subarray(at)]);
    case 6:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    default:
      return Buffer.concat([before, pick(random, others)]);
  }
}

function overwrite(bytes: Buffer, at: number, by: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  by.copy(changed, at);
  return changed;
}

export function rubbish(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 1 + random.below(40) }, () => random.below(256)));
}

/** Cuts the bytes into parts of random length. */
export function cut(random: Random, bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = 1 + random.below(random.oneIn(4) ? 4 : bytes.length);
    parts.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return parts;
}
