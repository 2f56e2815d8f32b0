import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { timeMsMax } from '../../../src/base/limits.ts';
import { version } from '../../../src/base/version.ts';
import type { ConnectedSession } from '../../../src/model/look-results.ts';
import {
  bodyChecksum,
  type MailboxList,
  type Name,
  parseName,
  parseNamedId,
  parseSessionId,
} from '../../../src/model/message.ts';
import type { Holder, Request, Response } from '../../../src/model/requests.ts';
import { encodeRequest, encodeResponse, type RequestToSend } from '../../../src/protocol/codec.ts';
import { type Frame, FrameDecoder } from '../../../src/protocol/frame.ts';
import { importSession, sessionIdOf } from '../../../src/protocol/session-secret.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeFrame,
  type PlainFrame,
  plainFrame,
} from '../../support/frames.ts';
import { nothingAhead } from '../../support/receipts.ts';

const secret = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const session = parseSessionId('iscnl9hqnoalmv04');
const id = parseNamedId('id1');
const holds = [{ number: 5, id }];
const to = parseName('A');
const from = parseName('B');
const origin = { program: 'p', pid: 258, machine: 'm' };
const body = Buffer.from('hello');
const checksum = 0x3610a686;

const nowhere = { number: undefined, answeredBy: undefined, place: undefined };
const place = { mailbox: to, to: from, time: 2 ** 40, attempt: 2 };
const holder = { session, origin: { ...origin, folder: '~/a' }, name: from, since: 7 };

const requests: Record<Request['kind'], [RequestToSend, ...string[]]> = {
  hello: [
    {
      ...{ kind: 'hello', request: 1, session, secret, origin: { ...origin, folder: '~/a' } },
      ...{ standby: true, sentUpTo: 7, name: from, reads: [to], held: holds },
    },
    '01 00 0000 00000001',
    json(
      `{"protocol":2,"version":"${version}","session":"iscnl9hqnoalmv04",` +
        '"secret":"000102030405060708090a0b0c0d0e0f",' +
        '"program":"p","pid":258,"machine":"m","folder":"~/a","standby":true,"sentUpTo":7,' +
        '"name":"B","reads":["A"]}',
    ),
    '00000001 0000000000000005 03 696431',
  ],
  post: [
    {
      kind: 'post',
      request: 2,
      count: 3,
      id: '',
      ackedUpTo: 2,
      to,
      alsoTo: [],
      from,
      answers: id,
      settles: holds,
      checksum,
      body,
    },
    '02 00 0000 00000002 0000002d',
    '0000000000000003 0000000000000002 3610a686 00 01 41 01 42 03 696431',
    '00000001 0000000000000005 03 696431',
    '68656c6c6f',
  ],
  wait: [
    { kind: 'wait', request: 3, mailboxes: [to], answers: '', waitMs: 60_000 },
    '03 00 0000 00000003 00000007 01 41 0000ea60 00',
  ],
  watch: [
    {
      ...{ kind: 'watch', request: 16, mailboxes: [to], waitMs: 60_000, path: 'task' },
      told: { number: 5, attempt: 2, time: 2 ** 40, pauseMs: 30_000 },
    },
    '12 00 0000 00000010 00000027 01 41 0000ea60 04 7461736b',
    '00000001 0000000000000005 00000002 0000010000000000 00007530',
  ],
  fetch: [
    { kind: 'fetch', request: 4, mailboxes: [to], bytesMax: 1_000, messagesMax: 0 },
    '04 00 0000 00000004 0000000a 01 41 000003e8 00000000',
  ],
  cancel: [{ kind: 'cancel', request: 3 }, '05 00 0000 00000003 00000000'],
  settle: [
    { kind: 'settle', request: 5, holds },
    '06 00 0000 00000005 00000010 00000001 0000000000000005 03 696431',
  ],
  release: [
    { kind: 'release', request: 6, holds, unread: true, rejected: false },
    '07 00 0000 00000006 00000011 01 00000001 0000000000000005 03 696431',
  ],
  status: [{ kind: 'status', request: 7 }, '08 00 0000 00000007 00000000'],
  goodbye: [{ kind: 'goodbye', request: 8 }, '09 00 0000 00000008 00000000'],
  send: [
    { kind: 'send', request: 9, from: '', origin, checksum, body },
    '0a 00 0000 00000009 0000000d 3610a686 00 01 70 00000102 01 6d 68656c6c6f',
  ],
  ping: [{ kind: 'ping', request: 10 }, '0b 00 0000 0000000a 00000000'],
  retry: [
    { kind: 'retry', request: 11, to, ids: [id], after: 5 },
    '0c 00 0000 0000000b 00000012 0000000000000005 01 41 00000001 03 696431',
  ],
  listen: [
    { kind: 'listen', request: 12, addresses: ['10.0.0.5', '::1'] },
    '0f 00 0000 0000000c 00000011 00000002 08 31302e302e302e35 03 3a3a31',
  ],
  peek: [
    { kind: 'peek', request: 12, mailbox: to, after: 5, messagesMax: 20, partBytesMax: 480 },
    '0d 00 0000 0000000c 00000012 01 41 0000000000000005 00000014 000001e0',
  ],
  drop: [
    {
      ...{ kind: 'drop', request: 13, mailbox: to, dryRun: true, ageMsMin: 1_000 },
      ...{ after: 5, upTo: 9, ids: [id] },
    },
    '0e 00 0000 0000000d 00000023 01 41 01',
    '00000000000003e8 0000000000000005 0000000000000009 00000001 03 696431',
  ],
  find: [
    { kind: 'find', request: 14, answersIn: from, ids: [id] },
    '11 00 0000 0000000e 0000000a 01 42 00000001 03 696431',
  ],
  compact: [{ kind: 'compact', request: 12 }, '10 00 0000 0000000c 00000000'],
  events: [
    {
      ...{ kind: 'events', request: 17, after: { epoch: 3, sequence: 9 }, waitMs: 60_000 },
      ...{ partBytesMax: 480, mailboxes: [to] },
    },
    '13 00 0000 00000011 0000001f 02 0000000000000003 0000000000000009 0000ea60 000001e0',
    '00000001 01 41',
  ],
  pause: [
    { kind: 'pause', request: 21, isPaused: true, mailboxes: [to, from] },
    '15 00 0000 00000015 00000009 01 00000002 01 41 01 42',
  ],
  erase: [{ kind: 'erase', request: 22, mailbox: to }, '16 00 0000 00000016 00000002 01 41'],
  import: [
    {
      ...{ kind: 'import', request: 23, store: 'ab'.repeat(16), mailbox: to, attempt: 1 },
      ...{ previous: 4, movedUpTo: 3, body, keySession: importSession('ab'.repeat(16), to) },
      envelope: {
        ...{ id, number: 6, to, from: '', time: 2 ** 40, answers: '', origin },
        ...{ depth: 3, bodyBytes: 5, checksum },
      },
    },
    '17 00 0000 00000017 00000068 20 6162616261626162616261626162616261626162616261626162616261626162',
    '01 41 00000001 0000000000000004 0000000000000003',
    '0000000000000006 0000010000000000 03 696431 01 41 00 00 01 70 00000102 01 6d 00000005 3610a686 00000003 00',
    '00000000',
    '68656c6c6f',
  ],
};

const answers: Record<Response['kind'], [Response, ...string[]]> = {
  imported: [
    { kind: 'imported', request: 23, number: 6, duplicate: true },
    '97 00 0000 00000017 00000009 0000000000000006 01',
  ],
  compacted: [{ kind: 'compacted', request: 12 }, '90 00 0000 0000000c 00000000'],
  welcome: [
    {
      kind: 'welcome',
      request: 1,
      store: 'ab',
      epoch: 2,
      format: 1,
      pid: 258,
      addresses: ['127.0.0.1'],
      revoked: holds,
      messages: 3,
      requests: ['peek'],
    },
    '81 00 0000 00000001',
    json(
      `{"protocol":2,"version":"${version}","store":"ab","epoch":2,"format":1,"pid":258,` +
        '"addresses":["127.0.0.1"],"messages":3,"requests":["peek"]}',
    ),
    '00000001 0000000000000005 03 696431',
  ],
  stored: [
    {
      ...{ kind: 'stored', request: 2, id, number: 6, duplicate: true, reader: false },
      ...{ watched: false, paused: false },
      ...{ also: [], notHeld: holds, before: 3, elsewhere: [{ mailbox: from, ready: 2 }] },
      holder: { number: 4, name: from, heldMs: 1_000 },
      same: { number: 5, ageMs: 2_000, isHeld: true },
    },
    '82 00 0000 00000002 00000057 0000000000000006 03 696431 01 00',
    '00000001 0000000000000005 03 696431',
    '00000003 00000001 0000000000000004 01 42 00000000000003e8',
    '00000001 0000000000000005 00000000000007d0 01',
    '00000001 01 42 00000002',
  ],
  offer: [
    {
      kind: 'offer',
      request: 3,
      attempt: 2,
      others: 1,
      mailbox: to,
      envelope: {
        id,
        number: 6,
        to,
        from: '',
        time: 2 ** 40,
        answers: '',
        origin,
        depth: 3,
        bodyBytes: 5,
        checksum,
      },
      lastHold: { name: from, from: 2 ** 40, to: 2 ** 40 + 1, ended: 'disconnected' },
      remaining: 2,
      elsewhere: [{ mailbox: from, ready: 1 }],
      otherFolder: '~/b',
    },
    '83 00 0000 00000003 00000061 00000002 00000001 00 01 41',
    '0000000000000006 0000010000000000 03 696431 01 41 00 00 01 70 00000102 01 6d 00000005 3610a686 00000003 00',
    '00000001 01 42 0000010000000000 0000010000000001 02',
    '00000002 00000001 01 42 00000001 03 7e2f62',
    '68656c6c6f',
  ],
  end: [
    {
      ...{ kind: 'end', request: 3, remaining: 7 },
      ...{ elsewhere: [{ mailbox: from, ready: 1 }], otherFolder: '~/b' },
    },
    '84 00 0000 00000003 00000012 00000007 00000001 01 42 00000001 03 7e2f62',
  ],
  notice: [
    { kind: 'notice', request: 16, mailbox: to, unread: 3, number: 5, attempt: 2, ageMs: 1_000 },
    '92 00 0000 00000010 0000001a 01 41 00000003 0000000000000005 00000002 00000000000003e8',
  ],
  pausing: [
    { kind: 'pausing', request: 21, mailboxes: ['', from] },
    '95 00 0000 00000015 00000007 00000002 00 01 42',
  ],
  erased: [
    { kind: 'erased', request: 22, messages: 3, bytes: 400 },
    '96 00 0000 00000016 00000010 0000000000000003 0000000000000190',
  ],
  settled: [{ kind: 'settled', request: 5, notHeld: [] }, '85 00 0000 00000005 00000004 00000000'],
  released: [{ kind: 'released', request: 6 }, '86 00 0000 00000006 00000000'],
  status: [
    {
      kind: 'status',
      request: 7,
      messages: 1,
      bytes: 5,
      sessions: 2,
      namedSessions: 1,
      sessionList: [
        {
          ...{ session, name: to, origin: { ...origin, folder: '~/a' }, since: 4 },
          ...{ waitsOn: [to, from], watches: [from], wakePath: 'task' },
          lastNotice: { time: 2 ** 40, isRead: true },
          ...{ held: 9, holds: [{ number: 6, since: 5 }] },
        },
      ],
      mailboxCount: 1,
      mailboxes: [
        { mailbox: to, ready: 1, held: 0, waiting: 3, watching: 2, paused: true, oldestTime: 4 },
      ],
      deadLetterCount: 2,
      deadLetters: [{ to, messages: 2 }],
      paused: ['', from],
      damaged: 1,
      storageStalledMs: 2_000,
      warnings: ['a disk'],
    },
    '87 00 0000 00000007',
    json(
      '{"messages":1,"bytes":5,"sessions":2,"namedSessions":1,"mailboxCount":1,' +
        '"mailboxes":[{"mailbox":"A","ready":1,"held":0,"waiting":3,"watching":2,"paused":true,"oldestTime":4}],' +
        '"deadLetterCount":2,"deadLetters":[{"to":"A","messages":2}],"paused":["","B"],' +
        '"damaged":1,"storageStalledMs":2000,"warnings":["a disk"]}',
    ),
    '00000001 10 6973636e6c3968716e6f616c6d763034 01 41 01 70 00000102 01 6d 03 7e2f61',
    '0000000000000004 00000002 01 41 01 42 00000001 01 42 04 7461736b 00000001 0000010000000000 01',
    '00000009 00000001 0000000000000006 0000000000000005',
  ],
  error: [
    { kind: 'error', request: 2, code: 'store_full', message: 'full' },
    '88 00 0000 00000002',
    json('{"code":"store_full","message":"full"}'),
  ],
  going: [{ kind: 'going', request: 0 }, '89 00 0000 00000000 00000000'],
  received: [{ kind: 'received', request: 9 }, '8a 00 0000 00000009 00000000'],
  pong: [{ kind: 'pong', request: 10 }, '8b 00 0000 0000000a 00000000'],
  retried: [
    { kind: 'retried', request: 11, moved: [{ id, to }], stayed: [{ id, to: from }], next: 6 },
    '8c 00 0000 0000000b',
    json('{"moved":[{"id":"id1","to":"A"}],"stayed":[{"id":"id1","to":"B"}],"next":6}'),
  ],
  listening: [
    { kind: 'listening', request: 12, addresses: ['0.0.0.0'] },
    '8f 00 0000 0000000c 0000000c 00000001 07 302e302e302e30',
  ],
  peeked: [
    {
      ...{ kind: 'peeked', request: 12, attempt: 2, mailbox: to, partBytes: 2 },
      holder: { session, origin: { ...origin, folder: '~/a' }, name: from, since: 2 ** 40 },
      envelope: {
        ...{ id, number: 6, to, from: '', time: 2 ** 40, answers: '', origin },
        ...{ depth: 3, bodyBytes: 5, checksum },
      },
    },
    '8d 00 0000 0000000c 00000063 00000002 00 01 41 10 6973636e6c3968716e6f616c6d763034',
    '00000001 01 70 00000102 01 6d 03 7e2f61 01 42 0000010000000000',
    '0000000000000006 0000010000000000 03 696431 01 41 00 00 01 70 00000102 01 6d 00000005 3610a686 00000003 00',
    '00000000',
    '6865',
  ],
  event: [
    {
      ...{ kind: 'event', request: 17, hasSamePart: false },
      event: {
        ...{ kind: 'stored', sequence: 9, time: 2 ** 40 + 1, part: Buffer.from('he') },
        envelope: {
          ...{ id, number: 6, to, from: '', time: 2 ** 40, answers: '', origin },
          ...{ depth: 3, bodyBytes: 5, checksum },
        },
      },
    },
    '93 00 0000 00000011 0000003f 00 0000000000000009 0000010000000001 00',
    '0000000000000006 0000010000000000 03 696431 01 41 00 00 01 70 00000102 01 6d 00000005 3610a686 00000003 00',
    '6865',
  ],
  eventsEnd: [
    {
      ...{ kind: 'eventsEnd', request: 17, next: { epoch: 3, sequence: 9 } },
      ...{ gap: { from: 5, to: 8 }, hasMore: true },
    },
    '94 00 0000 00000011 00000025 0000000000000003 0000000000000009 01',
    '00000001 0000000000000005 0000000000000008',
  ],
  dropped: [
    {
      ...{ kind: 'dropped', request: 13, dropped: [{ id, number: 6, from }] },
      ...{ held: 1, next: 6, upTo: 9 },
    },
    '8e 00 0000 0000000d',
    json('{"dropped":[{"id":"id1","number":6,"from":"B"}],"held":1,"next":6,"upTo":9}'),
  ],
  found: [
    {
      ...{ kind: 'found', request: 14 },
      found: [
        { ...nowhere, state: 'unknown' },
        { ...nowhere, state: 'forgotten', answeredBy: 9 },
        { ...nowhere, state: 'settled', number: 5 },
        { ...nowhere, state: 'ready', number: 6, place: { ...place, holder: undefined } },
        { ...nowhere, state: 'held', number: 6, place: { ...place, holder } },
      ],
    },
    '91 00 0000 0000000e 000000a4 00000005',
    '00 0000000000000000 0000000000000000',
    '01 0000000000000000 0000000000000009',
    '02 0000000000000005 0000000000000000',
    '03 0000000000000006 0000000000000000 01 41 01 42 0000010000000000 00000002',
    '04 0000000000000006 0000000000000000 01 41 01 42 0000010000000000 00000002',
    '10 6973636e6c3968716e6f616c6d763034 00000001 01 70 00000102 01 6d 03 7e2f61 01 42',
    '0000000000000007',
  ],
};

function hasBody(kind: Response['kind']): boolean {
  return kind === 'offer' || kind === 'peeked';
}

/** A header of JSON with its length before it. */
function json(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.length.toString(16).padStart(8, '0') + bytes.toString('hex');
}

function frameOf(buffers: Buffer[]): PlainFrame {
  const frames = new FrameDecoder().push(Buffer.concat(buffers));
  assert.equal(frames.length, 1);
  return plainFrame(frames[0] as Frame);
}

function requestFrame(kind: Request['kind']): PlainFrame {
  return frameOf(encodeRequest(requests[kind][0]));
}

function answerFrame(kind: Response['kind']): PlainFrame {
  return frameOf(encodeResponse(answers[kind][0], hasBody(kind) ? body : undefined));
}

/** The bytes after the length of the frame. */
function hexOf(buffers: Buffer[]): string {
  return Buffer.concat(buffers).toString('hex').slice(8);
}

for (const [kind, [request, ...hex]] of Object.entries(requests)) {
  test(`the bytes of a ${kind} request are those of the protocol, both ways`, () => {
    assert.equal(hexOf(encodeRequest(request)), hex.join('').replaceAll(' ', ''));
    assert.deepEqual(decodeRequest(frameOf(encodeRequest(request))), withoutSecret(request));
  });
}

/** As a broker gets it. */
function withoutSecret(request: RequestToSend): Request {
  if (request.kind !== 'hello') return request;
  const { secret: _secret, ...hello } = request;
  return hello;
}

for (const [kind, [response, ...hex]] of Object.entries(answers)) {
  test(`the bytes of a ${kind} response are those of the protocol, both ways`, () => {
    const buffers = encodeResponse(response, hasBody(response.kind) ? body : undefined);
    assert.equal(hexOf(buffers), hex.join('').replaceAll(' ', ''));
    const expectedBody = { offer: body, peeked: body.subarray(0, 2) }[kind];
    assert.deepEqual(decodeResponse(frameOf(buffers)), { response, body: expectedBody });
  });
}

test('a release is counted, unread, rejected or by an end of the session: 0, 1, 2 or 3, and no other number', () => {
  for (const [how, flags] of [
    ['00', { unread: false, rejected: false }],
    ['01', { unread: true, rejected: false }],
    ['02', { unread: false, rejected: true }],
    ['03', { unread: false, rejected: false, sessionEnds: true }],
  ] as const) {
    const release = { kind: 'release', request: 6, holds, ...flags } as const;
    const hex = `07 00 0000 00000006 00000011 ${how} 00000001 0000000000000005 03 696431`;
    assert.equal(hexOf(encodeRequest(release)), hex.replaceAll(' ', ''));
    assert.deepEqual(decodeRequest(frameOf(encodeRequest(release))), release);
  }
  const frame = requestFrame('release');
  const header = Buffer.concat([Buffer.from([4]), frame.header.subarray(1)]);
  assert.throws(() => decodeRequest({ ...frame, header }), { code: 'bad_frame' });
});

test('the checksum in these bytes is the CRC-32 of the body', () => {
  assert.equal(bodyChecksum(body), checksum);
});

test('a header that is one byte too short or too long is a bad frame, in every kind', () => {
  const frames = [
    ...(Object.keys(requests) as Request['kind'][]).map(requestFrame),
    ...(Object.keys(answers) as Response['kind'][]).map(answerFrame),
  ];
  for (const frame of frames) {
    const long = { ...frame, header: Buffer.concat([frame.header, Buffer.from([0])]) };
    const short = { ...frame, header: frame.header.subarray(0, -1) };
    const decode = frame.type < 0x80 ? decodeRequest : decodeResponse;
    assert.throws(() => decode(long), { code: 'bad_frame' }, `type ${frame.type}`);
    if (frame.header.length === 0) continue;
    assert.throws(() => decode(short), { code: 'bad_frame' }, `type ${frame.type}`);
  }
});

test('a body in a frame that has none is a bad frame, in every kind', () => {
  for (const kind of Object.keys(requests) as Request['kind'][]) {
    if (['hello', 'post', 'import', 'send'].includes(kind)) continue;
    const frame = { ...requestFrame(kind), body };
    assert.throws(() => decodeRequest(frame), { code: 'bad_frame' }, kind);
  }
  for (const kind of Object.keys(answers) as Response['kind'][]) {
    if (['welcome', 'offer', 'peeked', 'event'].includes(kind)) continue;
    const frame = { ...answerFrame(kind), body };
    assert.throws(() => decodeResponse(frame), { code: 'bad_frame' }, kind);
  }
});

test('an unknown type is a bad frame, and so is a response in place of a request', () => {
  assert.throws(() => decodeRequest({ ...requestFrame('ping'), type: 0 }), { code: 'bad_frame' });
  assert.throws(() => decodeRequest(answerFrame('pong')), { code: 'bad_frame' });
  assert.throws(() => decodeResponse(requestFrame('ping')), { code: 'bad_frame' });
});

test('a body that changed on the way is detected', () => {
  const changed = Buffer.from('hellp');
  for (const kind of ['post', 'send'] as const) {
    const frame = { ...requestFrame(kind), body: changed };
    assert.throws(() => decodeRequest(frame), { code: 'body_damaged' });
  }
  const frame = { ...answerFrame('offer'), body: changed };
  assert.throws(() => decodeResponse(frame), { code: 'body_damaged' });
});

test('an offer whose body has another length than its envelope says is a bad frame', () => {
  const frame = { ...answerFrame('offer'), body: Buffer.from('hello!') };
  assert.throws(() => decodeResponse(frame), { code: 'bad_frame' });
});

test('an offer of a damaged message has no body, and says that it is damaged', () => {
  const frame = frameOf(encodeResponse(answers.offer[0]));
  assert.equal(frame.body.length, 0);
  assert.deepEqual(decodeResponse(frame), { response: answers.offer[0], body: undefined });
  assert.throws(() => decodeResponse({ ...frame, body }), { code: 'bad_frame' });
});

test('a peeked message has no body if it is damaged or none was wanted, and a whole body is checked', () => {
  const peeked = answers.peeked[0] as Response & { kind: 'peeked' };
  const damaged = frameOf(encodeResponse(peeked));
  const none = { response: { ...peeked, partBytes: 0 } };
  assert.deepEqual(decodeResponse(damaged), { ...none, body: undefined });
  assert.throws(() => decodeResponse({ ...damaged, body }), { code: 'bad_frame' });
  const unwanted = frameOf(encodeResponse({ ...peeked, partBytes: 0 }));
  assert.deepEqual(decodeResponse(unwanted), { ...none, body: Buffer.alloc(0) });
  const whole = frameOf(encodeResponse({ ...peeked, partBytes: 5 }, body));
  assert.deepEqual(decodeResponse(whole).body, body);
  const changed = { ...whole, body: Buffer.from('hellp') };
  assert.throws(() => decodeResponse(changed), { code: 'body_damaged' });
  const long = { ...whole, body: Buffer.from('hello!') };
  assert.throws(() => decodeResponse(long), { code: 'bad_frame' });
});

test('a broker of version 0.1 announces no later requests', () => {
  const { requests: _, ...older } = answers.welcome[0] as Response & { kind: 'welcome' };
  assert.deepEqual(decodeResponse(frameOf(encodeResponse(older))).response, older);
});

const toThree: Request & { kind: 'post' } = {
  ...{ kind: 'post', request: 2, count: 3, id: '', ackedUpTo: 2, from: '', answers: '' },
  ...{ to, alsoTo: [from, 'C' as typeof to], settles: [], checksum, body },
};
const storedThree: Response & { kind: 'stored' } = {
  ...{ kind: 'stored', request: 2, id, number: 6, duplicate: false, reader: false, notHeld: [] },
  ...{ ...nothingAhead, elsewhere: [] },
  also: [
    { id, number: 7, reader: true, ...nothingAhead },
    { id, number: 8, reader: false, ...nothingAhead },
  ],
};

test('what only a post to several mailboxes has is at the end of both headers', () => {
  const [post, stored] = [encodeRequest(toThree), encodeResponse(storedThree)];
  const postHex = [
    '02 00 0000 00000002 00000025',
    '0000000000000003 0000000000000002 3610a686 00 01 41 00 00 00000000',
    '00000002 01 42 01 43',
    '68656c6c6f',
  ];
  assert.equal(hexOf(post), postHex.join('').replaceAll(' ', ''));
  const storedHex = [
    '82 00 0000 00000002 00000058',
    '0000000000000006 03 696431 00 00 00000000 00000000 00000000 00000000 00000000',
    '00000002 0000000000000007 03 696431 01 00000000 00000000 00000000',
    '0000000000000008 03 696431 00 00000000 00000000 00000000',
  ];
  assert.equal(hexOf(stored), storedHex.join('').replaceAll(' ', ''));
  assert.deepEqual(decodeRequest(frameOf(post)), toThree);
  assert.deepEqual(decodeResponse(frameOf(stored)).response, storedThree);
});

test('what only a wait or watch on several mailboxes or a fetch from them has is at the end of the header', () => {
  const list = ['A', 'B', 'C'] as unknown as MailboxList;
  const watch = { kind: 'watch', request: 5, mailboxes: list, waitMs: 60_000 } as const;
  const wait = { kind: 'wait', request: 3, mailboxes: list, answers: '', waitMs: 60_000 } as const;
  const sizes = { bytesMax: 1_000, messagesMax: 0 };
  const fetch = { kind: 'fetch', request: 4, mailboxes: list, ...sizes } as const;
  const pinned: [RequestToSend, string][] = [
    [wait, '03 00 0000 00000003 0000000f 01 41 0000ea60 00 00000002 01 42 01 43'],
    [fetch, '04 00 0000 00000004 00000012 01 41 000003e8 00000000 00000002 01 42 01 43'],
    [
      { ...watch, told: undefined, path: '' },
      '12 00 0000 00000005 00000013 01 41 0000ea60 00 00000000 00000002 01 42 01 43',
    ],
  ];
  for (const [request, hex] of pinned) {
    const bytes = encodeRequest(request);
    assert.equal(hexOf(bytes), hex.replaceAll(' ', ''));
    assert.deepEqual(decodeRequest(frameOf(bytes)), request);
  }
});

test('a wait, a watch and a fetch name 1 to 16 mailboxes, each once, and a wait for an answer one', () => {
  const [first, ...names] = Array.from({ length: 16 }, (_, index) => `box ${index}` as typeof to);
  const all: MailboxList = [first as typeof to, ...names];
  const sizes = { bytesMax: 1_000, messagesMax: 1 };
  const requestOf = (kind: 'wait' | 'watch' | 'fetch', mailboxes: MailboxList): RequestToSend => {
    if (kind === 'wait') return { kind, request: 1, mailboxes, answers: '', waitMs: 0 };
    if (kind === 'fetch') return { kind, request: 1, mailboxes, ...sizes };
    return { kind, request: 1, mailboxes, waitMs: 0, told: undefined, path: '' };
  };
  const decoded = (kind: 'wait' | 'watch' | 'fetch', mailboxes: MailboxList) => {
    return () => decodeRequest(frameOf(encodeRequest(requestOf(kind, mailboxes))));
  };
  for (const kind of ['wait', 'watch', 'fetch'] as const) {
    decoded(kind, all)();
    assert.throws(decoded(kind, [...all, to]), {
      code: 'bad_parameter',
      message: `a ${kind} from 17 mailboxes; limit 16`,
    });
    assert.throws(decoded(kind, [to, from, to]), {
      code: 'bad_parameter',
      message: `a ${kind} names a mailbox twice`,
    });
    assert.throws(decoded(kind, [to, 'a\nb' as typeof to]), { code: 'bad_name' });
    // An empty list has only one encoding: no bytes.
    const single = frameOf(encodeRequest(requests[kind][0] as RequestToSend));
    const header = Buffer.concat([single.header, Buffer.alloc(4)]);
    assert.throws(() => decodeRequest({ ...single, header }), { code: 'bad_frame' });
  }
  const ask = { kind: 'wait', request: 1, mailboxes: [to, from], answers: id, waitMs: 0 } as const;
  assert.throws(() => decodeRequest(frameOf(encodeRequest(ask))), {
    code: 'bad_parameter',
    message: 'a wait for an answer names one mailbox',
  });
});

test('a post names 1 to 100 mailboxes, each once, and its last id fits', () => {
  const names = Array.from({ length: 100 }, (_, index) => `box ${index}` as typeof to);
  const decoded = (post: RequestToSend) => () => decodeRequest(frameOf(encodeRequest(post)));
  decoded({ ...toThree, alsoTo: names.slice(1) })();
  assert.throws(decoded({ ...toThree, alsoTo: names }), {
    code: 'bad_parameter',
    message: 'a post to 101 mailboxes; limit 100',
  });
  assert.throws(decoded({ ...toThree, alsoTo: [from, to] }), {
    code: 'bad_parameter',
    message: 'a post names a mailbox twice',
  });
  const named = { ...toThree, count: 0, id: 'i'.repeat(198) as typeof id };
  decoded(named)();
  assert.throws(decoded({ ...named, id: 'i'.repeat(199) as typeof id }), {
    code: 'bad_id',
    message:
      'of several messages the ids are ID, ID/2, ID/3: the last one has 201 bytes; limit 200',
  });
  // An empty list has only one encoding: no bytes.
  const single = frameOf(encodeRequest({ ...toThree, alsoTo: [] }));
  const header = Buffer.concat([single.header, Buffer.alloc(4)]);
  assert.throws(() => decodeRequest({ ...single, header }), { code: 'bad_frame' });
});

test('each message of a post has a count of 15 digits at most', () => {
  const decoded = (count: number) => () =>
    decodeRequest(frameOf(encodeRequest({ ...toThree, count })));
  decoded(999_999_999_999_997)();
  assert.throws(decoded(999_999_999_999_998), {
    code: 'bad_frame',
    message: 'a count of 1000000000000000',
  });
});

test('names of a request are put into NFC, as an older client may not have done', () => {
  const post = requests.post[0] as Request & { kind: 'post' };
  const [decomposed, composed] = ['cafe\u0301', 'caf\u00e9'] as (typeof to)[];
  const decoded = decodeRequest(frameOf(encodeRequest({ ...post, to: decomposed as typeof to })));
  assert.deepEqual(decoded, { ...post, to: composed });
});

test('a name, id, body or amount that is not allowed fails only its request', () => {
  const post = requests.post[0] as Request & { kind: 'post' };
  const bytes = Buffer.from([0xff]);
  const wrong: [RequestToSend, string][] = [
    [{ ...post, to: '' as typeof to }, 'bad_name'],
    [{ ...post, from: 'a\nb' as typeof to }, 'bad_name'],
    [{ ...post, to: 'a ' as typeof to }, 'bad_name'],
    [{ ...post, alsoTo: ['a\u200b' as typeof to] }, 'bad_name'],
    [{ ...post, answers: 'a\0' as typeof id }, 'bad_id'],
    [{ ...post, count: 0, id: `${session}.1` as typeof id }, 'bad_id'],
    [{ ...post, body: bytes, checksum: bodyChecksum(bytes) }, 'bad_body'],
    [{ kind: 'wait', request: 1, mailboxes: [to], answers: '', waitMs: 300_001 }, 'bad_timeout'],
    [
      { kind: 'fetch', request: 1, mailboxes: [to], bytesMax: 0, messagesMax: 1_001 },
      'bad_parameter',
    ],
    [
      { kind: 'fetch', request: 1, mailboxes: [to], bytesMax: 8_388_609, messagesMax: 1 },
      'bad_parameter',
    ],
    [
      { kind: 'peek', request: 1, mailbox: to, after: 0, messagesMax: 1_001, partBytesMax: 0 },
      'bad_parameter',
    ],
    [
      { kind: 'peek', request: 1, mailbox: to, after: 0, messagesMax: 1, partBytesMax: 1_048_577 },
      'bad_parameter',
    ],
    [
      {
        ...{ kind: 'drop', request: 1, mailbox: to, dryRun: false, ageMsMin: 0, after: 0, upTo: 0 },
        ids: Array.from({ length: 1_001 }, () => id),
      },
      'bad_parameter',
    ],
    [
      { kind: 'find', request: 1, answersIn: '', ids: Array.from({ length: 101 }, () => id) },
      'bad_parameter',
    ],
    [{ kind: 'find', request: 1, answersIn: 'a\nb' as typeof to, ids: [] }, 'bad_name'],
    [{ kind: 'pause', request: 1, isPaused: true, mailboxes: ['a\nb' as typeof to] }, 'bad_name'],
    [
      {
        ...{ kind: 'pause', request: 1, isPaused: true },
        mailboxes: Array.from({ length: 257 }, () => to),
      },
      'bad_parameter',
    ],
    [{ kind: 'find', request: 1, answersIn: '', ids: ['a\0' as typeof id] }, 'bad_id'],
    [
      {
        kind: 'settle',
        request: 1,
        holds: Array.from({ length: 4_097 }, () => ({ number: 1, id })),
      },
      'too_many_holds',
    ],
  ];
  for (const [request, code] of wrong) {
    const frame = frameOf(encodeRequest(request));
    assert.throws(
      () => decodeRequest(frame),
      (error) => error instanceof IpcError && error.code === code && !error.kind.fatal,
      code,
    );
  }
});

test('a watch waits five minutes at most, pauses two hours at most, and has a short name of its path in ASCII', () => {
  const watch = requests.watch[0] as RequestToSend & { kind: 'watch' };
  const told = { number: 5, attempt: 2, time: 2 ** 40, pauseMs: 7_200_000 };
  const decode = (given: Partial<typeof watch>) =>
    decodeRequest(frameOf(encodeRequest({ ...watch, ...given })));
  const most = { waitMs: 300_000, told, path: 'x'.repeat(24) };
  assert.deepEqual(decode(most), { ...watch, ...most });
  const wrong: [Partial<typeof watch>, string][] = [
    [{ waitMs: 300_001 }, 'bad_timeout'],
    [{ told: { ...told, pauseMs: 7_200_001 } }, 'bad_parameter'],
    [{ path: 'x'.repeat(25) }, 'bad_parameter'],
    [{ path: 'caf\u00e9' }, 'bad_parameter'],
    [{ path: 'a\x1b' }, 'bad_parameter'],
    [{ mailboxes: ['a\nb' as typeof to] }, 'bad_name'],
  ];
  for (const [given, code] of wrong) {
    assert.throws(
      () => decode(given),
      (error) => error instanceof IpcError && error.code === code && !error.kind.fatal,
      code,
    );
  }
});

test('a watch names one last notice at most, of a message with a number and a time', () => {
  const frame = requestFrame('watch');
  const [rest, told] = [frame.header.subarray(0, -28), frame.header.subarray(-24)];
  const headers = [
    Buffer.concat([rest, Buffer.of(0, 0, 0, 2), told, told]),
    Buffer.concat([rest, Buffer.of(0, 0, 0, 1), Buffer.alloc(8), told.subarray(8)]),
    Buffer.concat([rest, Buffer.of(0, 0, 0, 1), told.fill(0xff, 12, 20)]),
  ];
  for (const header of headers) {
    assert.throws(() => decodeRequest({ ...frame, header }), { code: 'bad_frame' });
  }
});

test('a stored message has a reader, is watched, is paused, or none of it: 1, 2, 3 or 0, and no other number', () => {
  const stored = answers.stored[0] as Response & { kind: 'stored' };
  for (const [reader, watched, paused, code] of [
    [false, false, false, 0],
    [true, false, false, 1],
    [false, true, false, 2],
    [false, false, true, 3],
  ] as const) {
    const frame = frameOf(encodeResponse({ ...stored, reader, watched, paused }));
    assert.equal(frame.header[13], code);
    assert.deepEqual(decodeResponse(frame).response, { ...stored, reader, watched, paused });
    frame.header[13] = 4;
    assert.throws(() => decodeResponse(frame), {
      code: 'bad_frame',
      message: 'a stored message with the reader 4',
    });
  }
});

test('a post has either a count or an id', () => {
  const post = requests.post[0] as Request & { kind: 'post' };
  for (const wrong of [
    { ...post, count: 0 },
    { ...post, id },
  ]) {
    const frame = frameOf(encodeRequest(wrong));
    assert.throws(() => decodeRequest(frame), { code: 'bad_frame' });
  }
});

test('a message has one last hold at most, which ended in one of three ways, and a ready one no holder', () => {
  const offer = answerFrame('offer');
  const [rest, list, tail] = [
    offer.header.subarray(0, -41),
    offer.header.subarray(-41, -18),
    offer.header.subarray(-18),
  ];
  assert.equal(list.readUInt32BE(), 1);
  const hold = list.subarray(4);
  const twice = Buffer.concat([rest, Buffer.from([0, 0, 0, 2]), hold, hold, tail]);
  const codes = [0, 4].map((code) =>
    Buffer.concat([rest, list.subarray(0, -1), Buffer.of(code), tail]),
  );
  for (const header of [twice, ...codes]) {
    assert.throws(() => decodeResponse({ ...offer, header }), { code: 'bad_frame' });
  }
  const peeked = answers.peeked[0] as Response & { kind: 'peeked' };
  const nobody = { session: '', origin: undefined, name: from, since: undefined } as unknown;
  const ready = frameOf(encodeResponse({ ...peeked, holder: nobody as Holder }, body));
  assert.throws(() => decodeResponse(ready), { code: 'bad_frame' });
});

test('every error in a response is fatal', () => {
  const status = answers.status[0] as Response & { kind: 'status' };
  const listedSession = status.sessionList[0] as ConnectedSession;
  const offer = answers.offer[0] as Response & { kind: 'offer' };
  const lastHold = { name: '' as Name, from: 1, to: 2, ended: 'released' } as const;
  const stored = answers.stored[0] as Response & { kind: 'stored' };
  const notice = answers.notice[0] as Response & { kind: 'notice' };
  const wrong: Response[] = [
    { ...notice, mailbox: '' as typeof to },
    { ...notice, unread: 0 },
    { ...notice, number: 0 },
    { ...notice, attempt: 0 },
    { ...notice, ageMs: timeMsMax + 1 },
    { ...offer, lastHold: { ...lastHold, name: 'a\x1b' as Name } },
    { ...offer, lastHold: { ...lastHold, to: Number.MAX_SAFE_INTEGER } },
    { ...offer, otherFolder: 'a\nb' },
    { ...offer, otherFolder: 'x'.repeat(201) },
    { kind: 'end', request: 1, remaining: 0, elsewhere: [], otherFolder: '\x1b' },
    { ...offer, attempt: 0 },
    { ...offer, mailbox: '' as typeof to },
    { ...offer, envelope: { ...offer.envelope, number: 0 } },
    { ...offer, envelope: { ...offer.envelope, origin: { ...origin, machine: 'a\x1b' } } },
    { ...offer, elsewhere: [{ mailbox: '' as typeof to, ready: 1 }] },
    { ...offer, elsewhere: Array(4).fill({ mailbox: to, ready: 1 }) },
    { kind: 'end', request: 3, remaining: 0, elsewhere: Array(4).fill({ mailbox: to, ready: 1 }) },
    { ...stored, elsewhere: [{ mailbox: 'a\x1b' as typeof to, ready: 1 }] },
    { ...stored, holder: { number: 0, name: from, heldMs: 1 } },
    { ...stored, holder: { number: 4, name: 'a\x1b' as typeof from, heldMs: 1 } },
    { ...stored, holder: { number: 4, name: from, heldMs: timeMsMax + 1 } },
    { ...stored, same: { number: 0, ageMs: 1, isHeld: true } },
    { ...stored, same: { number: 5, ageMs: timeMsMax + 1, isHeld: true } },
    { ...stored, same: { number: 5, ageMs: 1, isHeld: 2 as unknown as boolean } },
    { kind: 'going', request: 1 as 0 },
    ...[
      { session: 'short' as typeof session },
      { name: '' as typeof to },
      { name: 'a\x1b' as typeof to },
      { origin: { ...origin, folder: 'a\nb' } },
      { since: 8_640_000_000_000_001 },
      { waitsOn: [''] as (typeof to)[] },
      { waitsOn: Array.from({ length: 17 }, () => to) },
      { watches: ['a\x1b'] as (typeof to)[] },
      { wakePath: 'x'.repeat(25) },
      { wakePath: 'a\nb' },
      { watches: Array.from({ length: 17 }, () => to) },
      { lastNotice: { time: 8_640_000_000_000_001, isRead: true } },
      { lastNotice: { time: 1, isRead: 2 as unknown as boolean } },
      { held: 0 },
      { held: 9, holds: Array.from({ length: 9 }, () => ({ number: 1, since: 0 })) },
      { holds: [{ number: 0, since: 0 }] },
      { holds: [{ number: 1, since: 8_640_000_000_000_001 }] },
    ].map((lie) => ({ ...status, sessionList: [{ ...listedSession, ...lie }] })),
    { ...status, sessionList: Array.from({ length: 201 }, () => listedSession) },
    ...[
      { ...nowhere, state: 'unknown' as const, number: 1 },
      { ...nowhere, state: 'forgotten' as const, number: 1 },
      { ...nowhere, state: 'ready' as const, place: { ...place, holder: undefined } },
      { ...nowhere, state: 'ready' as const, number: 1 },
      { ...nowhere, state: 'held' as const, number: 1, place: { ...place, holder: undefined } },
      ...[
        { attempt: 0 },
        { mailbox: '' as typeof to },
        { to: 'a\x1b' as typeof to },
        { time: 8_640_000_000_000_001 },
        { holder: { ...holder, name: 'a\nb' as typeof to } },
        { holder: { ...holder, origin: { ...origin, machine: 'a\x1b' } } },
      ].map((lie) => ({
        ...{ state: 'held' as const, number: 1, answeredBy: undefined },
        place: { ...place, holder, ...lie },
      })),
    ].map((lie) => ({ kind: 'found' as const, request: 1, found: [lie] })),
    { kind: 'found', request: 1, found: Array(101).fill({ ...nowhere, state: 'unknown' }) },
  ];
  for (const response of wrong) {
    const frame = frameOf(encodeResponse(response, response.kind === 'offer' ? body : undefined));
    assert.throws(() => decodeResponse(frame), { code: 'bad_frame' }, response.kind);
  }
});

test('an error code of a later version is unknown_error, with its code and text', () => {
  const later: Response = {
    kind: 'error',
    request: 1,
    code: 'later' as 'busy',
    message: 'so and so',
  };
  assert.deepEqual(decodeResponse(frameOf(encodeResponse(later))).response, {
    kind: 'error',
    request: 1,
    code: 'unknown_error',
    message: 'later: so and so',
  });
});

test('a hello or welcome of another protocol version is an error that names both versions, whatever else it has', () => {
  const header = Buffer.from('{"protocol":3,"version":"9.9.9","strange":[]}');
  const expected = {
    code: 'version_mismatch',
    message: `the other side is agent-ipc 9.9.9 with protocol 3; this is ${version} with protocol 2`,
  };
  const strange = Buffer.from('a body of the future');
  const hello = frameOf(encodeFrame({ type: 0x01, request: 1, header, body: strange }));
  assert.throws(() => decodeRequest(hello), expected);
  const welcome = frameOf(encodeFrame({ type: 0x81, request: 1, header, body: strange }));
  assert.throws(() => decodeResponse(welcome), expected);
});

test('a hello or welcome of protocol 1, whose hello had no secret and whose offers had no depth, is version_mismatch', () => {
  for (const { header, ...frame } of [requestFrame('hello'), answerFrame('welcome')]) {
    const { secret: _, ...fields } = JSON.parse(header.toString());
    const older = { ...frame, header: Buffer.from(JSON.stringify({ ...fields, protocol: 1 })) };
    const decode = frame.type === 0x01 ? decodeRequest : decodeResponse;
    assert.throws(() => decode(older), { code: 'version_mismatch' });
  }
});

test('a hello without the secret of its session, or with another one, is refused', () => {
  const { secret: hex, ...named } = JSON.parse(requestFrame('hello').header.toString());
  const helloWith = (fields: object): PlainFrame => ({
    ...requestFrame('hello'),
    header: Buffer.from(JSON.stringify({ ...named, ...fields })),
  });
  assert.throws(() => decodeRequest(helloWith({})), { code: 'bad_frame' });
  const last = hex.at(-1) === '0' ? '1' : '0';
  const wrong = [hex.slice(0, -1) + last, hex.slice(2), `${hex}00`, '', 'x'.repeat(32), session];
  for (const secret of wrong) {
    assert.throws(() => decodeRequest(helloWith({ secret })), {
      code: 'bad_frame',
      message: 'hello: the secret is not that of the session',
    });
  }
  assert.throws(() => decodeRequest(helloWith({ secret: 7 })), { code: 'bad_frame' });
});

test('a session id is the first 80 bits of a hash of its secret, in base 32', () => {
  const hash = createHash('sha256').update('agent-ipc session 1\0').update(secret).digest();
  const bits = [...hash.subarray(0, 10)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const digits = bits.match(/.{5}/g)?.map((five) => Number.parseInt(five, 2).toString(32));
  assert.equal(sessionIdOf(secret), digits?.join(''));
  assert.equal(sessionIdOf(secret), session);
});

test('a JSON header is checked field by field, and unknown fields are ignored', () => {
  const sound = JSON.parse(requestFrame('hello').header.toString()) as Record<string, unknown>;
  const frameWith = (header: unknown): PlainFrame => ({
    ...requestFrame('hello'),
    header: Buffer.from(typeof header === 'string' ? header : JSON.stringify(header)),
  });
  const hello = withoutSecret(requests.hello[0]);
  assert.deepEqual(decodeRequest(frameWith({ ...sound, later: true })), hello);
  const optional = ['folder', 'name', 'reads'];
  const wrong = [
    '',
    'null',
    '[]',
    '{',
    ...Object.keys(sound)
      .filter((name) => !optional.includes(name))
      .map((name) => ({ ...sound, [name]: undefined })),
    ...optional.map((name) => ({ ...sound, [name]: 1 })),
    { ...sound, folder: 'a\nb' },
    { ...sound, name: '' },
    { ...sound, reads: [''] },
    { ...sound, session: 'short' },
    { ...sound, pid: -1 },
    { ...sound, pid: 1.5 },
    { ...sound, standby: 1 },
    { ...sound, machine: 'a\nb' },
    { ...sound, program: '\ud800' },
  ];
  for (const header of wrong) {
    if (JSON.stringify(header) === JSON.stringify({ ...sound, version: undefined })) continue;
    assert.throws(() => decodeRequest(frameWith(header)), { code: 'bad_frame' });
  }
});
