import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyBytesMax, headerBytesMax } from '../../../src/base/limits.ts';
import { FrameBatch, FrameDecoder } from '../../../src/protocol/frame.ts';
import { encodeFrame, type PlainFrame, plainFrame } from '../../support/frames.ts';

const small: PlainFrame = {
  type: 0x83,
  request: 0x01020304,
  header: Buffer.from('head'),
  body: Buffer.from('body!'),
};
const empty: PlainFrame = {
  type: 0x0b,
  request: 0,
  header: Buffer.alloc(0),
  body: Buffer.alloc(0),
};

function bytesOf(...frames: PlainFrame[]): Buffer {
  return Buffer.concat(frames.flatMap(encodeFrame));
}

/** A prefix with this length and header length, and nothing after it. */
function prefix(length: number, headerBytes: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(headerBytes, 12);
  return bytes;
}

test('a frame is its length, type, flags, reserved, request number, header length, header, body', () => {
  assert.equal(
    bytesOf(small).toString('hex'),
    `00000015${'83'}${'00'}${'0000'}${'01020304'}${'00000004'}${'68656164'}${'626f647921'}`,
  );
});

test('a large body is not copied, and a small one is in one buffer with its header', () => {
  const large = { ...small, body: Buffer.alloc(4_096) };
  assert.equal(encodeFrame(large)[1], large.body);
  assert.equal(encodeFrame(small).length, 1);
  assert.equal(encodeFrame(empty).length, 1);
});

test('the frames of a batch are in one buffer, up to each large body', () => {
  const large = { ...small, body: Buffer.alloc(4_096) };
  const batch = new FrameBatch();
  for (const { type, request, header, body } of [small, empty, large, small]) {
    batch.beginFrame().raw(header);
    batch.endFrame(type, request, body);
  }
  assert.equal(batch.length, 25 + 16 + (20 + 4_096) + 25);
  const buffers = batch.take();
  assert.deepEqual(
    buffers.map(({ length }) => length),
    [25 + 16 + 20, 4_096, 25],
  );
  assert.equal(buffers[1], large.body);
  assert.deepEqual(Buffer.concat(buffers), bytesOf(small, empty, large, small));
  assert.equal(batch.length, 0);
  assert.deepEqual(batch.take(), []);
});

test('a frame whose header cannot be written leaves nothing in its batch', () => {
  const batch = new FrameBatch();
  assert.throws(() => batch.beginFrame().u32(7).text('x'.repeat(256)), RangeError);
  batch.beginFrame().raw(small.header);
  batch.endFrame(small.type, small.request, small.body);
  assert.throws(() => batch.beginFrame().u8(256), RangeError);
  assert.deepEqual(Buffer.concat(batch.take()), bytesOf(small));
});

test('a frame does not keep the memory around a body that is a small part of it', () => {
  const batch = Buffer.alloc(1024 ** 2, 'b');
  const frame = { ...small, body: batch.subarray(5_000, 8_000) };
  const buffers = encodeFrame(frame);
  assert.ok(buffers.every(({ buffer }) => buffer !== batch.buffer));
  assert.deepEqual(new FrameDecoder().push(Buffer.concat(buffers)).map(plainFrame), [frame]);
});

test('frames are decoded at every split of their bytes in three chunks', () => {
  const frames = [small, empty, small];
  const bytes = bytesOf(...frames);
  for (let one = 0; one <= bytes.length; one++) {
    for (let other = one; other <= bytes.length; other++) {
      const decoder = new FrameDecoder();
      const parts = [bytes.subarray(0, one), bytes.subarray(one, other), bytes.subarray(other)];
      assert.deepEqual(parts.flatMap((part) => decoder.push(part)).map(plainFrame), frames);
    }
  }
});

test('frames are decoded byte by byte', () => {
  const decoder = new FrameDecoder();
  const bytes = bytesOf(small, empty, small);
  const frames = [...bytes].flatMap((byte) => decoder.push(Buffer.from([byte])));
  assert.deepEqual(frames.map(plainFrame), [small, empty, small]);
});

test('a frame that is whole in one chunk shares its memory', () => {
  const bytes = bytesOf(small);
  const [frame] = new FrameDecoder().push(bytes);
  assert.equal(frame?.body.buffer, bytes.buffer);
});

test('the largest header with the largest body is decoded in chunks of 64 KB', () => {
  const largest: PlainFrame = {
    type: 1,
    request: 1,
    header: Buffer.alloc(headerBytesMax, 'h'),
    body: Buffer.alloc(bodyBytesMax, 'b'),
  };
  const bytes = bytesOf(largest);
  const decoder = new FrameDecoder();
  const frames: PlainFrame[] = [];
  for (let offset = 0; offset < bytes.length; offset += 65_536) {
    frames.push(...decoder.push(bytes.subarray(offset, offset + 65_536)).map(plainFrame));
  }
  assert.equal(frames.length, 1);
  assert.ok(frames[0]?.header.equals(largest.header));
  assert.ok(frames[0]?.body.equals(largest.body));
});

test('a length above the limit is refused as soon as its four bytes have come', () => {
  const decoder = new FrameDecoder();
  assert.deepEqual(decoder.push(Buffer.from([0xff, 0xff, 0xff])), []);
  assert.throws(() => decoder.push(Buffer.from([0xff])), { code: 'frame_too_large' });
});

test('a length is checked against the limits, and the header against the length', () => {
  const refused = [
    [11, 0, 'bad_frame'],
    [12, 1, 'bad_frame'],
    [20, 9, 'bad_frame'],
    [12 + headerBytesMax + 1, headerBytesMax + 1, 'frame_too_large'],
    [12 + bodyBytesMax + 1, 0, 'frame_too_large'],
  ] as const;
  for (const [length, headerBytes, code] of refused) {
    const bytes = prefix(length, headerBytes);
    assert.throws(() => new FrameDecoder().push(bytes), { code }, `${length} ${headerBytes}`);
  }
  assert.deepEqual(new FrameDecoder().push(prefix(12 + bodyBytesMax, 0)), []);
});

test('flags and reserved bytes are 0', () => {
  for (const offset of [5, 6, 7]) {
    const bytes = bytesOf(empty);
    bytes.writeUInt8(1, offset);
    assert.throws(() => new FrameDecoder().push(bytes), { code: 'bad_frame' });
  }
});

test('an incomplete frame counts with all memory that was taken for it', () => {
  const decoder = new FrameDecoder();
  const body = Buffer.alloc(300_000);
  decoder.push(bytesOf({ ...empty, body }).subarray(0, 1_000));
  assert.equal(decoder.keptBytes, 5 * 65_536);
});
