import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IpcError } from '../../src/base/errors.ts';
import {
  bodyChecksum,
  parseName,
  parseStoredName,
  sessionMessageId,
} from '../../src/model/message.ts';
import type { PostRequest } from '../../src/model/requests.ts';
import { decodeRequest, decodeResponse, encodeRequest } from '../../src/protocol/codec.ts';
import { FrameDecoder } from '../../src/protocol/frame.ts';
import { ClientHandshake, type Keys, ServerHandshake } from '../../src/protocol/handshake.ts';
import { asDecoded, encodeFrame, type PlainFrame, plainFrame } from '../support/frames.ts';

const numRuns = process.env.IPC_TEST_LONG === '1' ? 200_000 : 2_000;

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** Objects with a prototype; by default fast-check creates them without one. */
const plain = { noNullPrototype: true } as const;

const frame: fc.Arbitrary<PlainFrame> = fc.record(
  {
    type: fc.integer({ min: 0, max: 255 }),
    request: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    header: bytes(40),
    body: bytes(40),
  },
  plain,
);

/** Cuts the bytes into parts of these lengths, repeated cyclically. */
const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 10 });

function cut(whole: Buffer, lengths: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  for (let offset = 0, index = 0; offset < whole.length; index++) {
    const length = lengths[index % lengths.length] ?? 1;
    parts.push(whole.subarray(offset, offset + length));
    offset += length;
  }
  return parts;
}

/** Ignores the errors of the error table; any other error is a bug. */
function survives(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
  }
}

test('any frames, split anywhere, decode to the same frames', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, lengths) => {
      const decoder = new FrameDecoder();
      const parts = cut(Buffer.concat(frames.flatMap(encodeFrame)), lengths);
      assert.deepEqual(parts.flatMap((part) => decoder.push(part)).map(plainFrame), frames);
    }),
    { numRuns },
  );
});

test('any bytes decode to frames or to an error of the error table', () => {
  fc.assert(
    fc.property(bytes(200), cuts, (rubbish, lengths) => {
      const decoder = new FrameDecoder();
      survives(() => {
        for (const part of cut(rubbish, lengths)) decoder.push(part);
      });
    }),
    { numRuns },
  );
});

const anyTypes = fc.oneof(
  fc.integer({ min: 0x01, max: 0x0b }),
  fc.integer({ min: 0x81, max: 0x8b }),
  fc.integer({ min: 0, max: 255 }),
);
const anyHeader = fc.oneof(
  bytes(120),
  fc.json().map((text) => Buffer.from(text)),
);

test('any frame decodes to a request, a response or an error of the error table', () => {
  const strange = fc.record({
    type: anyTypes,
    request: fc.nat(),
    header: anyHeader,
    body: bytes(40),
  });
  fc.assert(
    fc.property(strange, (each) => {
      survives(() => decodeRequest(asDecoded(each)));
      survives(() => decodeResponse(asDecoded(each)));
    }),
    { numRuns },
  );
});

const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter(isName)
  .map((text) => parseName(text));

function isName(text: string): boolean {
  try {
    return parseName(text) !== '';
  } catch {
    return false;
  }
}

test('any name that an older version stored is read as a name of today', () => {
  const old = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 80 })
    .filter((text) => !/\p{Cc}/u.test(text) && text.isWellFormed())
    .filter((text) => Buffer.byteLength(text) <= 200);
  fc.assert(
    fc.property(old, (text) => {
      const name = parseStoredName(text);
      assert.equal(parseName(name), name);
      assert.equal(parseStoredName(name), name);
    }),
    { numRuns },
  );
});

test('any post decodes to what was encoded', () => {
  const session = '0123456789abcdef' as Parameters<typeof sessionMessageId>[0];
  const hold = fc.record(
    {
      number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      id: fc.integer({ min: 1, max: 999_999 }).map((count) => sessionMessageId(session, count)),
    },
    plain,
  );
  const post: fc.Arbitrary<PostRequest> = fc
    .record({
      // Those of up to 99 further messages have 15 digits at most, too.
      count: fc.integer({ min: 1, max: 999_999_999_999_900 }),
      ackedUpTo: fc.integer({ min: 0, max: 999_999_999_999_999 }),
      to: fc.constant(parseName('A')),
      alsoTo: fc.uniqueArray(
        name.filter((text) => text !== 'A'),
        { maxLength: 5 },
      ),
      from: name,
      settles: fc.array(hold, { maxLength: 5 }),
      text: fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
    })
    .map(({ text, ...fields }) => {
      const body = Buffer.from(text);
      const checksum = bodyChecksum(body);
      return { kind: 'post', request: 1, id: '', answers: '', ...fields, checksum, body };
    });
  fc.assert(
    fc.property(post, (each) => {
      const [decoded] = new FrameDecoder().push(Buffer.concat(encodeRequest(each)));
      assert.ok(decoded);
      assert.deepEqual(decodeRequest(decoded), each);
    }),
    { numRuns: numRuns / 4 },
  );
});

test('a frame with any one bit flipped never decodes to another body', () => {
  const body = Buffer.from('the body as it was posted');
  const checksum = bodyChecksum(body);
  const origin = { program: 'p', pid: 1, machine: 'm' };
  const whole = Buffer.concat(
    encodeRequest({ kind: 'send', request: 1, from: '', origin, checksum, body }),
  );
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const changed = Buffer.from(whole);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    survives(() => {
      for (const each of new FrameDecoder().push(changed)) {
        const request = decodeRequest(each);
        if (request.kind === 'send') assert.deepEqual(request.body, body);
      }
    });
  }
});

test('after any bytes a handshake is pending or refused, but never completed', () => {
  const keys: Keys = [Buffer.alloc(32, 1)];
  const options = { keys, nonce: Buffer.alloc(32, 2) };
  const starts = [Buffer.alloc(0), Buffer.from('a9495043', 'hex')];
  const prefaces = ['a9495043630d0a01', 'a9495043730d0a01'].map((hex) => Buffer.from(hex, 'hex'));
  const strange = fc
    .tuple(fc.constantFrom(...starts, ...prefaces), bytes(200))
    .map((parts) => Buffer.concat(parts));
  fc.assert(
    fc.property(strange, cuts, (whole, lengths) => {
      for (const side of [new ServerHandshake(options), new ClientHandshake(options)]) {
        survives(() => {
          for (const part of cut(whole, lengths)) assert.equal(side.push(part).rest, undefined);
        });
      }
    }),
    { numRuns },
  );
});
