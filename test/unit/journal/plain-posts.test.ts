import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlainPosts } from '../../../src/journal/plain-posts.ts';
import { decodeRecord, encodeRecord } from '../../../src/journal/record-codec.ts';
import {
  HeaderScan,
  type RecordHeader,
  rawRecordAt,
  segmentSeed,
} from '../../../src/journal/record-framing.ts';
import {
  bodyChecksum,
  type Envelope,
  type MessageId,
  type Name,
} from '../../../src/model/message.ts';
import type { PostedRecord } from '../../../src/model/records.ts';

const seed = segmentSeed({ epoch: 1, segment: 1 });
const body = Buffer.from('hello');
const posted: PostedRecord = {
  kind: 'posted',
  envelope: {
    id: '0123456789abcdef.50' as MessageId,
    number: 7,
    to: 'reader' as Name,
    from: 'writer' as Name,
    time: 1_700_000_000_000,
    answers: '',
    depth: 0,
    origin: { program: 'test', pid: 7, machine: 'here' },
    bodyBytes: 5,
    checksum: bodyChecksum(body),
  },
  also: [],
  ackedUpTo: 49,
  settles: [],
  body,
};

function withEnvelope(fields: Partial<Envelope>): PostedRecord {
  return { ...posted, envelope: { ...posted.envelope, ...fields } };
}

/** The bytes of the record behind others, as in a segment. */
function bytesOf(record: PostedRecord): Buffer {
  return Buffer.concat([...encodeRecord(posted, seed), ...encodeRecord(record, seed)]);
}

function headerIn(bytes: Buffer): RecordHeader {
  const scan = new HeaderScan(bytes, bytes.length, seed);
  assert(scan.next() && !scan.isLost && scan.next() && !scan.isLost);
  return scan;
}

for (const [what, record] of [
  ['without a sender', withEnvelope({ from: '' })],
  ['of a program in a folder', withEnvelope({ origin: folderOrigin('/work') })],
  ['that answers another one', withEnvelope({ answers: 'question' as MessageId, depth: 3 })],
  ['with a name beyond ASCII', withEnvelope({ to: 'L\u00e4ser' as Name })],
  ['with the highest count', withEnvelope({ id: '0123456789abcdef.999999999999999' as MessageId })],
  ['with a body of 100,000 bytes', withBody(Buffer.alloc(100_000, 'x'))],
  ['without a body', withBody(Buffer.alloc(0))],
] as const) {
  test(`a post ${what} is a plain one, and says what decodeRecord() says`, () => {
    const bytes = bytesOf(record);
    const posts = new PlainPosts(bytes);
    assert.equal(posts.read(headerIn(bytes)), true);
    const decoded = decodeRecord(rawRecordAt(bytes, headerIn(bytes)));
    assert(decoded?.kind === 'posted');
    assert.deepEqual(posts.post.envelope(), decoded.envelope);
    assert.equal(posts.post.ackedUpTo, 49);
  });
}

for (const [what, record] of [
  ['under an id that its caller chose', withEnvelope({ id: 'chosen' as MessageId })],
  ['whose chosen id is long', withEnvelope({ id: 'chosen-by-a-calle.50' as MessageId })],
  ['with a count that begins with 0', withEnvelope({ id: '0123456789abcdef.05' as MessageId })],
  [
    'with a count that is too long',
    withEnvelope({ id: `0123456789abcdef.${'1'.repeat(16)}` as MessageId }),
  ],
  ['that settles a message', { ...posted, settles: [3] }],
  ['to several mailboxes', { ...posted, also: [posted.envelope] }],
  ['of another store', { ...posted, importKey: 'key' as MessageId }],
] as const) {
  test(`a post ${what} is no plain one`, () => {
    const bytes = bytesOf(record);
    assert.equal(new PlainPosts(bytes).read(headerIn(bytes)), false);
  });
}

test('a post with a corrupt body is no plain one', () => {
  for (const record of [posted, withBody(Buffer.alloc(1_000, 'x'))]) {
    const bytes = bytesOf(record);
    const header = headerIn(bytes);
    bytes[bytes.length - 1] = 0x20;
    assert.equal(new PlainPosts(bytes).read(header), false);
  }
});

test('a post whose body is cut off is no plain one', () => {
  const bytes = bytesOf(posted);
  const header = headerIn(bytes);
  assert.equal(new PlainPosts(bytes.subarray(0, -1)).read(header), false);
});

function folderOrigin(folder: string): Envelope['origin'] {
  return { program: 'test', pid: 7, machine: 'here', folder };
}

function withBody(other: Buffer): PostedRecord {
  const fields = { bodyBytes: other.length, checksum: bodyChecksum(other) };
  return { ...withEnvelope(fields), body: other };
}
