// Random records in files of history, of which bytes are damaged: the residue has what a plain fold of all records
// has. SEED repeats a case; IPC_TEST_LONG=1 tries more of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { residueId } from '../../src/journal/history-file.ts';
import { encodeRecord } from '../../src/journal/record-codec.ts';
import {
  resealRecord,
  type SegmentId,
  scanRecords,
  segmentSeed,
} from '../../src/journal/record-framing.ts';
import type { StampRecord } from '../../src/journal/record-types.ts';
import type { MessageId, Name, PastHold, SessionId } from '../../src/model/message.ts';
import type { Holding, JournalRecord } from '../../src/model/records.ts';
import { postedRecord, testSession } from '../support/disk/journal-model.ts';
import { plainResidue, type ResidueSource, residueBytes } from '../support/disk/plain-residue.ts';
import { pick, Random, seedFromEnvironment } from '../support/random.ts';

const cases = process.env.IPC_TEST_LONG === '1' ? 20_000 : 1_500;
const recordsMax = 60;
/** Few, so that records often name the same message. */
const numbersMax = 24;
const fileId = { epoch: 3, segment: 7 };
const laterId = { epoch: 3, segment: 8 };
const holding: Holding = { name: 'ben' as Name, since: 1_700_000_000_000 };
const lastHold: PastHold = { name: 'eve' as Name, from: 1, to: 2, ended: 'released' };

class RandomMail {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  records(): (JournalRecord | StampRecord)[] {
    const count = 1 + this.#random.below(recordsMax);
    let sequence = 1;
    return Array.from({ length: count }, () => {
      if (!this.#random.oneIn(6)) return this.#record();
      sequence += this.#random.below(20);
      // The records behind a stamp of 0 have no numbers.
      const isNone = this.#random.oneIn(2);
      return { kind: 'stamp', sequence: isNone ? 0 : sequence, time: 1 };
    });
  }

  #record(): JournalRecord {
    const number = this.#number();
    const attempt = 1 + this.#random.below(3);
    const hold = this.#random.oneIn(2) ? { lastHold } : {};
    switch (this.#random.below(10)) {
      case 0:
      case 1:
      case 2:
        return this.#posted(number);
      case 3:
        return this.#copied(number);
      case 4:
        return {
          ...{ kind: 'offered', number, holder: testSession, attempt },
          ...(this.#random.oneIn(2) && { holding }),
        };
      case 5:
        return { kind: 'released', number, attempt, ...hold };
      case 6:
        return { kind: 'moved', number, mailbox: 'dead-letters' as Name, attempt, ...hold };
      case 7:
        return { kind: 'session', session: testSession, ackedUpTo: 3, numbers: [[4, number]] };
      default:
        return { kind: 'settled', numbers: this.#numbers(4) };
    }
  }

  #posted(number: number): JournalRecord {
    const posted = postedRecord(number, this.#body(), {
      // Another owner may have given the number to another message.
      session: pick(this.#random, [testSession, 'fedcba9876543210' as SessionId]),
      settles: this.#random.oneIn(4) ? this.#numbers(3) : [],
      alsoTo: this.#random.oneIn(4) ? ['C', 'D'].slice(this.#random.below(2)) : [],
      folder: this.#random.oneIn(2) ? '/home/ann/shop' : '',
    });
    return this.#random.oneIn(8) ? { ...posted, importKey: 'import-1' as MessageId } : posted;
  }

  #copied(number: number): JournalRecord {
    const { envelope, body } = postedRecord(number, this.#body());
    const isHeld = this.#random.oneIn(2);
    return {
      ...{ kind: 'copied', envelope, attempt: 1 + this.#random.below(3) },
      mailbox: pick(this.#random, [envelope.to, 'dead-letters' as Name]),
      ...(isHeld ? { holder: testSession, holding } : { holder: '' }),
      ...(this.#random.oneIn(3) && { lastHold }),
      body: this.#random.oneIn(6) ? undefined : body,
    };
  }

  #body(): string {
    return pick(this.#random, ['', 'short', 'x'.repeat(3_000), 'y'.repeat(17_000)]);
  }

  #numbers(countMax: number): number[] {
    return Array.from({ length: this.#random.below(countMax + 1) }, () => this.#number());
  }

  #number(): number {
    return 1 + this.#random.below(numbersMax);
  }
}

function source(random: Random, id: SegmentId): ResidueSource {
  const records = new RandomMail(random).records();
  const bytes = Buffer.concat(records.flatMap((each) => encodeRecord(each, segmentSeed(id))));
  while (random.oneIn(2)) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  }
  return { id, bytes, end: pick(random, [1, 10, 40, Number.MAX_VALUE]) };
}

function residue(sources: readonly ResidueSource[]): Buffer {
  return residueBytes(sources, Number.MAX_VALUE, () => false);
}

/** The residue that is to be. */
function expected(sources: readonly ResidueSource[]): Buffer {
  const messages = plainResidue(sources);
  if (messages.length === 0) return Buffer.alloc(0);
  const stamp: StampRecord = { kind: 'stamp', sequence: 0, time: 0 };
  const buffers = [stamp, ...messages].flatMap((each) => {
    return encodeRecord(each, segmentSeed(residueId));
  });
  return Buffer.concat(buffers);
}

test('the residue of random files, with damaged bytes, is that of a plain fold', () => {
  const first = seedFromEnvironment();
  let messages = 0;
  for (let seed = first; seed < first + cases; seed++) {
    const random = new Random(seed);
    const sources = [source(random, residueId), source(random, fileId)];
    const bytes = residue(sources);
    assert.deepEqual(bytes, expected(sources), `SEED=${seed}`);
    messages += bytes.length > 0 ? plainResidue(sources).length : 0;
    // It becomes the residue that the next file is folded into.
    const next = [
      { id: residueId, bytes, end: 1 },
      source(random, fileId),
      source(random, laterId),
    ];
    assert.deepEqual(residue(next), expected(next), `SEED=${seed}, the next file`);
  }
  assert(messages > cases, `${messages} messages in ${cases} cases`);
});

test('a record that breaks a rule of its type, although its checksum fits, changes nothing', () => {
  const seed = segmentSeed(fileId);
  const settled = encodeRecord({ kind: 'settled', numbers: [1, 2] }, seed);
  const posted = encodeRecord(postedRecord(1, 'first'), seed);
  const broken = (buffers: readonly Buffer[], metaBytes: number): Buffer[] => {
    const bytes = Buffer.concat(buffers);
    const [record] = scanRecords(bytes, bytes.length, seed);
    assert(record && 'type' in record && record.body !== undefined);
    const { metaOffset } = record;
    const cut = { ...record, body: record.body, bodyOffset: metaOffset + metaBytes };
    return resealRecord(cut, seed);
  };
  const stamp = encodeRecord({ kind: 'stamp', sequence: 1, time: 1 }, seed);
  const released = encodeRecord({ kind: 'released', number: 1, attempt: 2 }, seed);
  const { envelope, body } = postedRecord(1, 'first');
  const fresh = { mailbox: envelope.to, attempt: 1, holder: '', body } as const;
  const copied = encodeRecord({ kind: 'copied', envelope, ...fresh }, seed);
  const cuts = [settled, posted, released, copied].flatMap((each) => [
    broken(each, 3),
    broken(each, 10),
  ]);
  for (const wrong of [...cuts, broken(posted, 60), broken(copied, 60)]) {
    const bytes = Buffer.concat([...stamp, ...posted, ...wrong]);
    const sources = [{ id: fileId, bytes, end: Number.MAX_VALUE }];
    const all = residue(sources);
    assert.deepEqual(all, expected(sources));
    assert(all.includes('first'));
  }
});
