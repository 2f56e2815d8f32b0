// The residue as one plain fold of all records: what the one that looks at few of them is compared with.

import type { FileContent } from '../../../src/journal/history-file.ts';
import { residueOf } from '../../../src/journal/history-residue.ts';
import { decodeRecord, kindOfType, unlessCorrupt } from '../../../src/journal/record-codec.ts';
import { type RecordHeader, rawRecordAt, typeAt } from '../../../src/journal/record-framing.ts';
import type { StampRecord } from '../../../src/journal/record-types.ts';
import { type Reader, readEach } from '../../../src/journal/recovery.ts';
import { UnendedMail } from '../../../src/journal/unended-mail.ts';
import type { Envelope } from '../../../src/model/message.ts';
import type { CopiedRecord, JournalRecord } from '../../../src/model/records.ts';

export interface ResidueSource extends FileContent {
  /** Records with this number or a higher one do not count. */
  readonly end: number;
}

/** The residue of these files, in all its steps at once. */
export function residueBytes(
  sources: readonly ResidueSource[],
  bytesMax: number,
  isLive: (number: number) => boolean,
): Buffer {
  const mail = new UnendedMail();
  const files = sources.map(({ bytes, ...source }) => {
    return { ...source, bytes: Buffer.from(bytes), nextOwnStart: () => 0 };
  });
  for (const [index, file] of files.entries()) {
    for (const _ of mail.read(file));
    // As the owner gives their memory back.
    for (const each of files.slice(0, index + 1)) if (!mail.needs(each)) each.bytes.fill(0);
  }
  const steps = residueOf(mail, bytesMax, isLive);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return Buffer.concat(value);
  }
}

/** The messages that have not ended in these files, in the order of their numbers. */
export function plainResidue(sources: readonly ResidueSource[]): CopiedRecord[] {
  const fold = new PlainFold();
  for (const source of sources) {
    const parts = partsOf(source);
    for (const [index, part] of parts.entries()) {
      if (part === 'lost' || 'sequence' in part) continue;
      const place = placeOf(parts, index, source);
      if (place === undefined) continue;
      const raw = rawRecordAt(source.bytes, part, false);
      const record = unlessCorrupt(decodeRecord, raw, undefined);
      if (record) fold.apply(record, place === 'numbered', source.id.epoch === 0);
    }
  }
  return [...fold.messages.values()].sort((one, other) => {
    return one.envelope.number - other.envelope.number;
  });
}

/** What a file has, in order: records of the engine, stamps, and holes. */
type Part = RecordHeader | StampRecord | 'lost';

function partsOf({ id, bytes }: FileContent): Part[] {
  const parts: Part[] = [];
  const reader: Reader = {
    lost: () => parts.push('lost'),
    stamp: (stamp) => parts.push(stamp),
    header: (header) => parts.push(header),
    record: () => {},
  };
  for (const _ of readEach(bytes, { ...id, bytes: bytes.length }, reader));
  return parts;
}

/** Whether a record counts, and has a number; undefined if it does not count. */
function placeOf(
  parts: readonly Part[],
  index: number,
  { id, bytes, end }: ResidueSource,
): 'numbered' | 'unnumbered' | undefined {
  const isStamp = (part: Part): part is StampRecord => part !== 'lost' && 'sequence' in part;
  const before = parts.slice(0, index);
  // The first stamp of a packed file says where it begins.
  const isOver = (part: Part, at: number) => isStamp(part) && part.sequence >= end && at > 0;
  if (before.some(isOver)) return undefined;
  const stampAt = before.findLastIndex(isStamp);
  const run = before.slice(stampAt + 1);
  const holeAt = run.lastIndexOf('lost');
  const stamp = before[stampAt];
  if (holeAt === -1 || id.epoch === 0) {
    const first = stamp && isStamp(stamp) && holeAt === -1 ? stamp.sequence : 0;
    if (first === 0) return 'unnumbered';
    return first + run.length < end ? 'numbered' : undefined;
  }
  // Counted backwards from the stamp that follows.
  const nextAt = parts.findIndex((part, at) => at > index && (part === 'lost' || isStamp(part)));
  const next = parts[nextAt];
  if (!next || !isStamp(next)) return undefined;
  const group = parts.slice(index - (run.length - holeAt - 1), nextAt) as RecordHeader[];
  const types = group.map(({ offset }) => kindOfType(typeAt(bytes, offset)) ?? '');
  if (types.some((kind) => snapshotKinds.includes(kind))) return undefined;
  const number = next.sequence - (nextAt - index);
  return number > 0 && number < end ? 'numbered' : undefined;
}

const snapshotKinds = ['session', 'named', 'fingerprints', 'settledById', 'paused'];

class PlainFold {
  readonly messages = new Map<number, CopiedRecord>();
  #newest = 0;

  apply(record: JournalRecord, isNumbered: boolean, isOfResidue: boolean): void {
    switch (record.kind) {
      case 'posted': {
        const all = [record.envelope, ...record.also];
        const isRepeated = !isNumbered && all.length > 1;
        const isOfKnown = isRepeated && all.some((each) => this.#isKnown(each));
        for (const envelope of all) {
          const { number, to: mailbox } = envelope;
          if (isRepeated && (isOfKnown || number <= this.#newest)) continue;
          if (!isNumbered && this.#isKnown(envelope)) continue;
          const { body } = record;
          const fresh = { mailbox, attempt: 1, holder: '', body } as const;
          this.messages.set(number, { kind: 'copied', envelope, ...fresh });
        }
        this.#newest = Math.max(this.#newest, ...all.map(({ number }) => number));
        for (const number of record.settles) this.messages.delete(number);
        return;
      }
      case 'copied':
        if (isOfResidue) this.#newest = Math.max(this.#newest, record.envelope.number);
        if (!isNumbered && this.#isKnown(record.envelope)) return;
        this.messages.set(record.envelope.number, record);
        return;
      case 'offered': {
        const { attempt, holder, holding } = record;
        return this.#change(record.number, { attempt, holder, holding });
      }
      case 'released':
      case 'moved': {
        const { attempt, lastHold } = record;
        this.#change(record.number, { attempt, holder: '', holding: undefined });
        if (lastHold) this.#change(record.number, { lastHold });
        if (record.kind === 'moved') this.#change(record.number, { mailbox: record.mailbox });
        return;
      }
      case 'settled':
        for (const number of record.numbers) this.messages.delete(number);
    }
  }

  #isKnown({ number, id }: Envelope): boolean {
    return this.messages.get(number)?.envelope.id === id;
  }

  #change(number: number, change: Partial<CopiedRecord>): void {
    const message = this.messages.get(number);
    if (message) this.messages.set(number, { ...message, ...change });
  }
}
