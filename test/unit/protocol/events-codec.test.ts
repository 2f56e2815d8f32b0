// The bytes of each kind of event, and what is refused. codec.test.ts has those of a stored event and of the request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventsRequest } from '../../../src/model/event-requests.ts';
import type { MailEvent } from '../../../src/model/mail-events.ts';
import {
  bodyChecksum,
  parseName,
  parseNamedId,
  parseSessionId,
} from '../../../src/model/message.ts';
import type { Response } from '../../../src/model/requests.ts';
import { encodeRequest, encodeResponse } from '../../../src/protocol/codec.ts';
import { FrameDecoder } from '../../../src/protocol/frame.ts';
import {
  decodeRequest,
  decodeResponse,
  type PlainFrame,
  plainFrame,
} from '../../support/frames.ts';

const session = parseSessionId('iscnl9hqnoalmv04');
const id = parseNamedId('id1');
const [A, B] = [parseName('A'), parseName('B')];
const message = { id, number: 6, to: A, from: B };
const of = { sequence: 9, time: 2 ** 40 };
const lastHold = { name: B, from: 2 ** 40, to: 2 ** 40 + 1, ended: 'rejected' } as const;
const body = Buffer.from('hello');
const envelope = {
  ...{ id, number: 6, to: A, from: B, time: 2 ** 40, answers: '' as const, depth: 0 },
  origin: { program: 'p', pid: 258, machine: 'm' },
  ...{ bodyBytes: 5, checksum: bodyChecksum(body) },
};

const messageHex = '0000000000000006 03 696431 01 41 01 42';
const holdHex = '00000001 01 42 0000010000000000 0000010000000001 03';
const sessionHex = '10 6973636e6c3968716e6f616c6d763034';

const events: readonly (readonly [MailEvent, string])[] = [
  [
    { ...of, kind: 'delivered', message, mailbox: A, attempt: 2, session, name: B },
    `01 0000000000000009 0000010000000000 ${messageHex} 01 41 00000002 ${sessionHex} 01 42`,
  ],
  [
    { ...of, kind: 'requeued', message, mailbox: A, attempt: 3, lastHold },
    `02 0000000000000009 0000010000000000 ${messageHex} 01 41 00000003 ${holdHex}`,
  ],
  [
    { ...of, kind: 'requeued', message, mailbox: A, attempt: 3, lastHold: undefined },
    `02 0000000000000009 0000010000000000 ${messageHex} 01 41 00000003 00000000`,
  ],
  [
    { ...of, kind: 'settled', message, mailbox: A, session, name: '', by: id },
    `03 0000000000000009 0000010000000000 ${messageHex} 01 41 ${sessionHex} 00 03 696431`,
  ],
  [
    { ...of, kind: 'settled', message, mailbox: A, session, name: B, by: undefined },
    `03 0000000000000009 0000010000000000 ${messageHex} 01 41 ${sessionHex} 01 42 00`,
  ],
  [
    { ...of, kind: 'dropped', message, mailbox: A },
    `04 0000000000000009 0000010000000000 ${messageHex} 01 41`,
  ],
  [
    { ...of, kind: 'deadLettered', message, lastHold },
    `05 0000000000000009 0000010000000000 ${messageHex} ${holdHex}`,
  ],
  [{ ...of, kind: 'retried', message }, `06 0000000000000009 0000010000000000 ${messageHex}`],
  [{ ...of, kind: 'paused', mailbox: A }, '07 0000000000000009 0000010000000000 01 41'],
  [{ ...of, kind: 'resumed', mailbox: '' }, '08 0000000000000009 0000010000000000 00'],
];

function frameOf(buffers: Buffer[]): PlainFrame {
  const [frame] = new FrameDecoder().push(Buffer.concat(buffers));
  assert(frame);
  return plainFrame(frame);
}

for (const [event, hex] of events) {
  test(`the bytes of the event ${event.kind} are those of the protocol, both ways (${hex.length})`, () => {
    const response = { kind: 'event', request: 17, event, hasSamePart: false } as const;
    const frame = frameOf(encodeResponse(response));
    assert.equal(frame.type, 0x93);
    assert.equal(frame.header.toString('hex'), hex.replaceAll(' ', ''));
    assert.deepEqual(decodeResponse(frame), { response, body: undefined });
  });
}

test('a request for all events from the start, or from now on, has no cursor and no mailboxes', () => {
  for (const [after, hex] of [
    ['start', '00'],
    ['now', '01'],
  ] as const) {
    const request = { kind: 'events', request: 1, after, waitMs: 0, partBytesMax: 0 } as const;
    const frame = frameOf(encodeRequest({ ...request, mailboxes: [] }));
    assert.equal(frame.header.toString('hex'), `${hex}${'00'.repeat(28)}`);
    assert.deepEqual(decodeRequest(frame), { ...request, mailboxes: [] });
  }
});

test('a stored event whose body is damaged, or is that of the one before it, has none in its frame', () => {
  for (const [hasSamePart, flag] of [
    [false, 1],
    [true, 2],
  ] as const) {
    const event = { ...of, kind: 'stored', envelope, part: undefined } as const;
    const response = { kind: 'event', request: 17, event, hasSamePart } as const;
    const frame = frameOf(encodeResponse(response));
    assert.equal(frame.header[17], flag);
    assert.deepEqual(decodeResponse(frame), { response, body: undefined });
    assert.throws(() => decodeResponse({ ...frame, body }), { code: 'bad_frame' });
  }
});

test('too long a wait, too many mailboxes or too many bytes of a body fail only their request', () => {
  const request: EventsRequest = {
    ...{ kind: 'events', request: 1, after: 'now', waitMs: 0, partBytesMax: 0, mailboxes: [] },
  };
  for (const [change, code] of [
    [{ waitMs: 300_001 }, 'bad_timeout'],
    [{ partBytesMax: 1_048_577 }, 'bad_parameter'],
    [{ mailboxes: Array.from({ length: 101 }, () => A) }, 'bad_parameter'],
    [{ mailboxes: ['a\nb' as typeof A] }, 'bad_name'],
  ] as const) {
    const frame = frameOf(encodeRequest({ ...request, ...change }));
    assert.throws(() => decodeRequest(frame), { code });
  }
});

test('events and their ends that no broker sends are bad frames', () => {
  const stored = { ...of, kind: 'stored', envelope, part: body } as const;
  const end = { kind: 'eventsEnd', request: 1, next: { epoch: 1, sequence: 1 } } as const;
  const delivered = { ...of, kind: 'delivered', message, mailbox: A, session, name: B } as const;
  const event = { kind: 'event', request: 1, hasSamePart: false } as const;
  const wrong: Response[] = [
    { ...event, event: { ...delivered, attempt: 0 } },
    { ...event, event: { ...delivered, attempt: 1, mailbox: '' as typeof A } },
    { ...event, event: { ...delivered, attempt: 1, session: 'short' as typeof session } },
    { ...event, event: { ...of, kind: 'retried', message: { ...message, number: 0 } } },
    {
      ...event,
      event: { ...of, kind: 'retried', message: { ...message, from: 'a\x1b' as typeof A } },
    },
    { ...event, event: { ...of, kind: 'retried', message, time: 8_640_000_000_000_001 } },
    { ...event, event: { ...stored, envelope: { ...envelope, bodyBytes: 4 } } },
    { ...end, gap: { from: 0, to: 1 }, hasMore: false },
    { ...end, gap: { from: 3, to: 2 }, hasMore: false },
    { ...end, gap: undefined, hasMore: 2 as unknown as boolean },
  ];
  for (const response of wrong) {
    const frame = frameOf(encodeResponse(response));
    assert.throws(() => decodeResponse(frame), { code: 'bad_frame' }, JSON.stringify(response));
  }
  const frame = frameOf(encodeResponse({ ...event, event: stored }));
  for (const at of [0, 17]) {
    const header = Buffer.from(frame.header);
    header[at] = 9;
    assert.throws(() => decodeResponse({ ...frame, header }), { code: 'bad_frame' });
  }
  const request = frameOf(
    encodeRequest({
      ...{ kind: 'events', request: 1, after: 'now', waitMs: 0, partBytesMax: 0, mailboxes: [] },
    }),
  );
  for (const [at, value] of [
    [0, 3],
    [8, 1],
    [16, 1],
  ] as const) {
    const header = Buffer.from(request.header);
    header[at] = value;
    assert.throws(() => decodeRequest({ ...request, header }), { code: 'bad_frame' });
  }
});

test('a whole body of an event that does not match its checksum is damage, a part of it is not', () => {
  const changed = Buffer.from('hellp');
  const response = (part: Buffer) => ({
    ...{ kind: 'event' as const, request: 1, hasSamePart: false },
    event: { ...of, kind: 'stored' as const, envelope, part },
  });
  const whole = frameOf(encodeResponse(response(changed)));
  assert.throws(() => decodeResponse(whole), { code: 'body_damaged' });
  decodeResponse(frameOf(encodeResponse(response(Buffer.from('hellp'.slice(0, 4))))));
});
