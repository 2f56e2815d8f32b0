// Frames of events that several sessions share.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { framesOf, joinFrames, sharedFrames } from '../../../src/broker/event-frames.ts';
import type { MailEvent } from '../../../src/model/mail-events.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { bodyChecksum } from '../../../src/model/message.ts';
import { decodeResponse } from '../../../src/protocol/codec.ts';
import { FrameDecoder } from '../../../src/protocol/frame.ts';

function stored(number: number, part: Buffer): MailEvent {
  const envelope = {
    ...{ id: `m-${number}` as MessageId, number, to: 'ann' as Name, from: 'ben' as Name, time: 5 },
    ...{ answers: '' as const, depth: 0, origin: { program: 'test', pid: 1, machine: 'here' } },
    ...{ bodyBytes: part.length, checksum: bodyChecksum(part) },
  };
  return { kind: 'stored', sequence: 7, time: 5, envelope, part };
}

function inBrief(buffers: readonly Buffer[]): string[] {
  return new FrameDecoder().push(Buffer.concat(buffers)).map((frame) => {
    const { response } = decodeResponse(frame);
    assert(response.kind === 'event' && response.event.kind === 'stored');
    const { event, hasSamePart, request } = response;
    const part = hasSamePart ? 'same' : `${event.part?.length} bytes`;
    return `${request}: #${event.envelope.number}, ${part}`;
  });
}

test('sessions that want as much of each body share the frames, and each sees the number of its own request', () => {
  const [small, large] = [Buffer.from('small'), Buffer.alloc(100_000, 'x')];
  for (const [body, whole, cut] of [
    [small, '5 bytes', '4 bytes'],
    [large, '100000 bytes', '4 bytes'],
  ] as const) {
    const record = { sequence: 7, events: [stored(1, body), stored(2, body)] };
    const first = sharedFrames(record, 1_000_000);
    const one = joinFrames(first, 11);
    const other = joinFrames(sharedFrames(record, 1_000_000), 12);
    assert.equal(sharedFrames(record, 1_000_000), first);
    assert.deepEqual(inBrief(one), [`11: #1, ${whole}`, '11: #2, same']);
    assert.deepEqual(inBrief(other), [`12: #1, ${whole}`, '12: #2, same']);
    assert.deepEqual(inBrief(joinFrames(sharedFrames(record, 4), 13)), [
      `13: #1, ${cut}`,
      '13: #2, same',
    ]);
  }
});

test('a session that gets the second message of a post alone gets its body with it', () => {
  const body = Buffer.from('body');
  const [, second] = [stored(1, body), stored(2, body)];
  assert.deepEqual(inBrief(joinFrames(framesOf([second as MailEvent], 10), 3)), ['3: #2, 4 bytes']);
});

test('a long part of a longer body has the number of its request', () => {
  const events = [stored(1, Buffer.from('small')), stored(2, Buffer.alloc(100_000, 'x'))];
  assert.deepEqual(inBrief(joinFrames(framesOf(events, 30_000), 3)), [
    '3: #1, 5 bytes',
    '3: #2, 30000 bytes',
  ]);
});
