import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader, ByteWriter } from '../../../src/base/binary.ts';

test('each kind of field is written whole, at whatever point the buffer grows', () => {
  const fields: [string, (writer: ByteWriter) => void, (reader: ByteReader) => unknown, unknown][] =
    [
      ['u8', (writer) => writer.u8(0xab), (reader) => reader.u8(), 0xab],
      ['u16', (writer) => writer.u16(0xabcd), (reader) => reader.u16(), 0xabcd],
      ['u32', (writer) => writer.u32(0xabcdef01), (reader) => reader.u32(), 0xabcdef01],
      ['u64', (writer) => writer.u64(2 ** 53 - 1), (reader) => reader.u64(), 2 ** 53 - 1],
      ['text', (writer) => writer.text('grün'), (reader) => reader.text(), 'grün'],
      [
        'raw',
        (writer) => writer.raw(Buffer.from('abc')),
        (reader) => reader.raw(3).toString(),
        'abc',
      ],
    ];
  for (const [name, write, read, value] of fields) {
    for (let before = 240; before <= 260; before++) {
      const writer = new ByteWriter().raw(Buffer.alloc(before, 0xee));
      write(writer);
      const reader = new ByteReader(writer.bytes());
      assert.ok(reader.raw(before).equals(Buffer.alloc(before, 0xee)));
      assert.equal(read(reader), value, `${name} after ${before} bytes`);
      reader.end();
    }
  }
});

test('a text of any length is a byte of length and its UTF-8, with or without letters that are not ASCII', () => {
  for (let length = 0; length <= 255; length++) {
    for (const text of ['x'.repeat(length), `${'x'.repeat(Math.max(0, length - 2))}ü`]) {
      const utf8 = Buffer.from(text);
      const bytes = new ByteWriter(length % 3).u8(7).text(text).u8(8).bytes();
      assert.deepEqual(bytes, Buffer.concat([Buffer.of(7, utf8.length), utf8, Buffer.of(8)]));
    }
  }
  assert.throws(() => new ByteWriter().text('x'.repeat(256)), RangeError);
});

test('a field that is too short, or bytes that are left over, are a bad frame', () => {
  const reader = new ByteReader(Buffer.from([3, 0x61, 0x62]));
  assert.throws(() => reader.text(), { code: 'bad_frame' });
  assert.throws(() => new ByteReader(Buffer.from([0])).end(), { code: 'bad_frame' });
  assert.throws(() => new ByteReader(Buffer.from([1, 0xff])).text(), { code: 'bad_frame' });
});

test('a number that does not fit its field is not written', () => {
  for (const number of [-1, 0.5, Number.NaN, 2 ** 32]) {
    assert.throws(() => new ByteWriter().u8(number), RangeError);
    assert.throws(() => new ByteWriter().u16(number), RangeError);
    assert.throws(() => new ByteWriter().u32(number), RangeError);
  }
  for (const number of [-1, 0.5, Number.NaN, 2 ** 64]) {
    assert.throws(() => new ByteWriter().u64(number), RangeError);
  }
});

test('a list with a count that its bytes cannot hold is refused before it is read', () => {
  const reader = new ByteReader(Buffer.from('ffffffff00', 'hex'));
  assert.throws(() => reader.list(1, () => reader.u8()), { code: 'bad_frame' });
});

test('a number beyond 2^53 is refused', () => {
  const reader = new ByteReader(Buffer.from('0020000000000000', 'hex'));
  assert.throws(() => reader.u64(), { code: 'bad_frame' });
});

test('a writer that is empty again keeps no memory of long texts before', () => {
  const writer = new ByteWriter(4_096);
  writer.raw(Buffer.alloc(1024 ** 2)).clear();
  assert.ok(writer.u8(1).bytes().buffer.byteLength <= 65_536);
  assert.deepEqual([...writer.bytes()], [1]);
});
