import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import {
  decodeRecord,
  decodeStoreRecord,
  encodeRecord,
} from '../../../src/journal/record-codec.ts';
import {
  readRecord,
  readRecords,
  resealRecord,
  segmentSeed,
} from '../../../src/journal/record-framing.ts';
import type { StoreRecord } from '../../../src/journal/record-types.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { postedRecord, testSession } from '../../support/disk/journal-model.ts';

const seed = segmentSeed({ epoch: 2, segment: 1 });
const posted = postedRecord(5, 'hello', { settles: [3, 4] });
const { envelope, body } = posted;
const several = postedRecord(5, 'hello', { settles: [3], alsoTo: ['C', 'D'] });
const answer = { ...envelope, answers: 'q' as MessageId, depth: 7 };
const answers: JournalRecord[] = [
  { ...posted, envelope: answer },
  {
    ...posted,
    envelope: answer,
    also: several.also.map(({ number, id, to }) => ({ ...answer, number, id, to })),
  },
  { kind: 'copied', envelope: answer, mailbox: 'C' as Name, attempt: 2, holder: '', body },
];

const inFolder = { ...envelope, origin: { ...envelope.origin, folder: '~/a' } };
const withFolder: JournalRecord[] = [
  { ...posted, envelope: inFolder },
  { kind: 'copied', envelope: inFolder, mailbox: 'C' as Name, attempt: 2, holder: '', body },
];

const withKey: JournalRecord[] = [
  { ...posted, importKey: `${testSession}.9` as MessageId },
  { ...posted, envelope: inFolder, importKey: `${testSession}.9` as MessageId },
];

const holding = { name: 'ben' as Name, since: 1_700_000_000_000 };
const [name, from, to] = ['ben' as Name, 1_700_000_000_000, 1_700_000_060_000];
const withHolds: JournalRecord[] = [
  { kind: 'offered', number: 5, holder: testSession, attempt: 1, holding },
  { kind: 'released', number: 5, attempt: 2, lastHold: { name, from, to, ended: 'released' } },
  {
    ...{ kind: 'moved', number: 5, mailbox: 'dead-letters' as Name, attempt: 2 },
    lastHold: { name, from, to, ended: 'rejected' },
  },
  {
    ...{ kind: 'copied', envelope, mailbox: 'C' as Name, attempt: 2, holder: testSession, body },
    ...{ holding, lastHold: { name: '', from, to, ended: 'disconnected' } },
  },
  {
    ...{ kind: 'copied', envelope: inFolder, mailbox: 'C' as Name, attempt: 2, holder: '', body },
    ...{ holding: undefined, lastHold: { name, from, to, ended: 'released' } },
  },
];

const engineRecords: JournalRecord[] = [
  posted,
  { kind: 'copied', envelope, mailbox: 'C' as Name, attempt: 2, holder: testSession, body },
  { kind: 'offered', number: 5, holder: testSession, attempt: 1 },
  { kind: 'settled', numbers: [5, 6] },
  { kind: 'released', number: 5, attempt: 2 },
  { kind: 'moved', number: 5, mailbox: 'dead-letters' as Name, attempt: 1 },
  { kind: 'session', session: testSession, ackedUpTo: 7, numbers: [[8, 5]] },
  { kind: 'forgotten', session: testSession },
  { kind: 'named', ids: [['by hand' as MessageId, 9]] },
  { kind: 'settledById', holds: [{ id: 'by hand' as MessageId, number: 9 }] },
  { kind: 'fingerprints', fingerprints: [[5, 0xfedc_ba98]] },
  { kind: 'paused', mailbox: 'C' as Name, isPaused: true },
];

const storeRecords: StoreRecord[] = [
  {
    kind: 'segment',
    format: 1,
    store: '000102030405060708090a0b0c0d0e0f',
    nextNumber: 10,
    prologueBytes: 300,
    durable: { segment: 0, offset: 0 },
    earlier: [{ epoch: 1, segment: 1, bytes: 500 }],
  },
  { kind: 'syncPoint', durable: { segment: 1, offset: 400 } },
  { kind: 'removed', epoch: 1, segment: 1 },
  { kind: 'stamp', sequence: 12, time: 1_700_000_000_000 },
];

const pinned: Record<(JournalRecord | StoreRecord)['kind'], string> = {
  segment:
    'ff4a0100000000420000000000000000bb7be4cb0001000102030405060708090a0b0c0d0e0f0000' +
    '00000000000a000000000000012c0000000000000000000000000000000100000001000000010000' +
    '0000000001f4',
  syncPoint: 'ff4a02000000000c0000000000000000968451e5000000010000000000000190',
  removed: 'ff4a03000000000800000000000000000ea980bd0000000100000001',
  stamp: 'ff4a04010000001000000000000000008e4dad2f000000000000000c0000018bcfe56800',
  posted:
    'ff4a10000000005a000000053610a6860f30203e00000000000000050000018bcfe5680012303132' +
    '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
    'a6860000000000000000000000020000000000000003000000000000000468656c6c6f',
  copied:
    'ff4a110000000055000000053610a686f571e38600000000000000050000018bcfe5680012303132' +
    '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
    'a686014300000002103031323334353637383961626364656668656c6c6f',
  offered:
    'ff4a12000000001d00000000000000008bab73b90000000000000005103031323334353637383961' +
    '626364656600000001',
  settled: 'ff4a13000000001400000000000000000cce00dd0000000200000000000000050000000000000006',
  released: 'ff4a14000000000c0000000000000000db898f36000000000000000500000002',
  moved:
    'ff4a1500000000190000000000000000c3afcdcd00000000000000050c646561642d6c6574746572' +
    '7300000001',
  session:
    'ff4a16000000002d000000000000000083ce5a7c1030313233343536373839616263646566000000' +
    '00000000070000000100000000000000080000000000000005',
  forgotten: 'ff4a1700000000110000000000000000c84417271030313233343536373839616263646566',
  named: 'ff4a1800000000140000000000000000863ac3be000000010762792068616e640000000000000009',
  settledById: 'ff4a1b01000000140000000000000000dd4ea017000000010762792068616e640000000000000009',
  fingerprints: 'ff4a1e010000001000000000000000006ec943cb000000010000000000000005fedcba98',
  paused: 'ff4a2500000000030000000000000000af6cb55c014301',
};

function bytesOf(record: JournalRecord | StoreRecord): Buffer {
  return Buffer.concat(encodeRecord(record, seed));
}

test('the bytes of every kind of record stay what they are', () => {
  for (const record of [...storeRecords, ...engineRecords]) {
    assert.equal(bytesOf(record).toString('hex'), pinned[record.kind], record.kind);
  }
});

test('a post to several mailboxes has a type of its own, with its body once', () => {
  assert.equal(
    bytesOf(several).toString('hex'),
    'ff4a1a0000000090000000053610a68653b1ed5500000000000000050000018bcfe5680012303132' +
      '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
      'a6860000000000000000000000010000000000000003000000020000000000000006123031323334' +
      '35363738396162636465662e36014300000000000000071230313233343536373839616263646566' +
      '2e37014468656c6c6f',
  );
});

test('holders and past holds are written in types of their own', () => {
  assert.deepEqual(
    withHolds.map((record) => bytesOf(record).toString('hex')),
    [
      'ff4a21000000002900000000000000000234eb500000000000000005103031323334353637383961' +
        '6263646566000000010362656e0000018bcfe56800',
      'ff4a220000000021000000000000000020a80dd80000000000000005000000020362656e0000018b' +
        'cfe568000000018bcfe6526001',
      'ff4a23000000002e0000000000000000a08e418900000000000000050c646561642d6c6574746572' +
        '73000000020362656e0000018bcfe568000000018bcfe6526003',
      'ff4a240000000080000000053610a6860fdff84d00000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
        'a68601430000000210303132333435363738396162636465660000000000000000010362656e0000' +
        '018bcfe5680000000001000000018bcfe568000000018bcfe652600268656c6c6f',
      'ff4a24000000006a000000053610a6860b2a03d500000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
        'a6860143000000020000000000037e2f6100000000000000010362656e0000018bcfe56800000001' +
        '8bcfe652600168656c6c6f',
    ],
  );
  for (const record of withHolds) {
    const read = readRecord(bytesOf(record), 0, seed);
    assert(read);
    assert.deepEqual(decodeRecord(read), record);
  }
});

test('an answer is written with its depth, in types of their own', () => {
  assert.deepEqual(
    answers.map((record) => bytesOf(record).toString('hex')),
    [
      'ff4a1c0000000063000000053610a686f48e368500000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142017104746573740000000704686572650000000536' +
        '10a68600000000000000000000000200000000000000030000000000000004000000000000000768' +
        '656c6c6f',
      'ff4a1c000000009d000000053610a686220f819200000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142017104746573740000000704686572650000000536' +
        '10a68600000000000000000000000200000000000000030000000000000004000000020000000000' +
        '00000612303132333435363738396162636465662e36014300000000000000071230313233343536' +
        '3738396162636465662e3701440000000768656c6c6f',
      'ff4a1d000000004a000000053610a6868b7897d800000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142017104746573740000000704686572650000000536' +
        '10a686014300000002000000000768656c6c6f',
    ],
  );
});

test("a message with its sender's folder is written in types of their own, with its depth", () => {
  assert.deepEqual(
    withFolder.map((record) => bytesOf(record).toString('hex')),
    [
      'ff4a1f0000000066000000053610a6863f48d97c00000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
        'a686000000000000000000000002000000000000000300000000000000040000000000000000037e' +
        '2f6168656c6c6f',
      'ff4a20000000004d000000053610a686c951df2600000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
        'a6860143000000020000000000037e2f6168656c6c6f',
    ],
  );
});

test('a message of another store is written with its import key, in a type of its own', () => {
  assert.deepEqual(
    withKey.map((record) => bytesOf(record).toString('hex')),
    [
      'ff4a260000000076000000053610a686c9e7278300000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
        'a6860000000000000000000000020000000000000003000000000000000400000000000000000012' +
        '303132333435363738396162636465662e3968656c6c6f',
      'ff4a260000000079000000053610a6867126518200000000000000050000018bcfe5680012303132' +
        '333435363738396162636465662e3501410142000474657374000000070468657265000000053610' +
        'a686000000000000000000000002000000000000000300000000000000040000000000000000037e' +
        '2f6112303132333435363738396162636465662e3968656c6c6f',
    ],
  );
});

test('every kind of record is read as it was written', () => {
  for (const record of [several, ...answers, ...withFolder, ...withKey, ...engineRecords]) {
    const raw = readRecord(bytesOf(record), 0, seed);
    assert(raw);
    assert.deepEqual(decodeRecord(raw), record);
  }
  for (const record of storeRecords) {
    const raw = readRecord(bytesOf(record), 0, seed);
    assert(raw);
    assert.deepEqual(decodeStoreRecord(raw), record);
    assert.equal(decodeRecord(raw), undefined);
  }
});

test('a record with any bit flipped, or any byte cut off, is not read', () => {
  for (const record of [...storeRecords, ...engineRecords, several, ...answers]) {
    const bytes = bytesOf(record);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(readRecord(flipped, 0, seed), undefined, `${record.kind}, bit ${bit}`);
    }
    for (let cut = 0; cut < bytes.length; cut++) {
      assert.equal(readRecord(bytes.subarray(0, cut), 0, seed), undefined, `${record.kind} ${cut}`);
    }
  }
});

test('a record is valid in the segment that it was written to, and in no other', () => {
  const other = segmentSeed({ epoch: 3, segment: 1 });
  const raw = readRecord(bytesOf(posted), 0, seed);
  assert(raw);
  assert.equal(readRecord(bytesOf(posted), 0, other), undefined);
  const moved = readRecord(Buffer.concat(resealRecord(raw, other)), 0, other);
  assert.deepEqual(moved && decodeRecord(moved), posted);
});

test('records are read up to the first that is not valid', () => {
  const bytes = Buffer.concat([bytesOf(posted), Buffer.alloc(100), bytesOf(posted)]);
  assert.deepEqual(
    [...readRecords(bytes, seed)].map((raw) => raw.end),
    [bytesOf(posted).length],
  );
});

test('a record of an unknown type is skipped if its flag allows that, else the store is newer', () => {
  const body = Buffer.from('whatever');
  const place = { offset: 0, end: 0, bytes: body, metaOffset: 0, bodyOffset: body.length };
  const unknown = { type: 99, ...place, body, bodyChecksum: crc32(body) };
  const [optional, needed] = [1, 0].map((flags) =>
    readRecord(Buffer.concat(resealRecord({ ...unknown, flags }, seed)), 0, seed),
  );
  assert(optional && needed);
  assert.equal(decodeRecord(optional), undefined);
  assert.throws(() => decodeRecord(needed), { code: 'store_newer' });
});

test('a record with valid checksums that breaks a rule of its kind is corrupt', () => {
  const meta = Buffer.from([0, 0, 0, 1]);
  const place = { offset: 0, end: 0, bytes: meta, metaOffset: 0, bodyOffset: 4 };
  const short = { type: 19, flags: 0, ...place };
  const none = Buffer.alloc(0);
  const bytes = Buffer.concat(resealRecord({ ...short, body: none, bodyChecksum: 0 }, seed));
  const raw = readRecord(bytes, 0, seed);
  assert(raw);
  assert.throws(() => decodeRecord(raw), { code: 'bad_frame' });
});
