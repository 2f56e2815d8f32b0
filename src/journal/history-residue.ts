// What is still needed of history that goes: the messages that were stored in it and had not ended there. Later files
// have their ends, and a reader must know whose they are. One file in front of the others has them, as copies without
// numbers; each file that goes is folded into it. Does no I/O.
import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { CopiedRecord, JournalRecord } from '../model/records.ts';
import type { PackSource } from './history-pack.ts';
import { encodeRecord } from './record-codec.ts';
import { type SegmentId, segmentSeed } from './record-framing.ts';
import { readEach } from './recovery.ts';
import { stampOfNone } from './sequence.ts';

/** The name of the residue: epochs count from 1, so it is before all others. */
export const residueId: SegmentId = { epoch: 0, segment: 0 };

export function isResidue({ epoch }: SegmentId): boolean {
  return epoch === residueId.epoch;
}

/**
 * The new residue: messages that have not ended in these files; empty if there are none. If it would be longer than
 * `bytesMax`, live ones go first, since the log has copies of them, and then those that were stored first. `sources`: the
 * residue so far, and the oldest file, of which records with the number `end` or a higher one do not count.
 */
export function residueOf(
  sources: readonly PackSource[],
  end: number,
  bytesMax: number,
  isLive: (number: number) => boolean,
): readonly Buffer[] {
  const fold = new ResidueFold();
  for (const { id, bytes } of sources) fold.add(bytes, id, isResidue(id) ? Number.MAX_VALUE : end);
  const seed = segmentSeed(residueId);
  const encoded = [...fold.messages.values()].map((record) => {
    const buffers = encodeRecord(record, seed);
    const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
    const { number } = record.envelope;
    return { number, buffers, bytes, isLive: isLive(number) };
  });
  encoded.sort((one, other) => {
    return Number(one.isLive) - Number(other.isLive) || other.number - one.number;
  });
  const first = encodeRecord(stampOfNone, seed);
  let room = bytesMax - first.reduce((sum, { length }) => sum + length, 0);
  const fits = encoded.findIndex(({ bytes }) => {
    room -= bytes;
    return room < 0;
  });
  const kept = encoded.slice(0, fits === -1 ? encoded.length : fits);
  kept.sort((one, other) => one.number - other.number);
  return kept.length === 0 ? [] : [...first, ...kept.flatMap(({ buffers }) => buffers)];
}

class ResidueFold {
  /** Those that have not ended, as they are by now. */
  readonly messages = new Map<number, CopiedRecord>();
  /** The highest number of a message so far. */
  #newest = 0;

  add(bytes: Buffer, id: SegmentId, end: number): void {
    const steps = readEach(
      bytes,
      { ...id, bytes: bytes.length },
      {
        lost: () => {},
        record: (_, record, place) => {
          if (record && !(place && place.sequence >= end)) this.#apply(record, place !== undefined);
        },
      },
      // A corrupt body is copied with its checksum, so it stays corrupt.
      false,
    );
    for (const _ of steps);
  }

  /** A record without a number repeats what may be known, and may have ended. */
  #apply(record: JournalRecord, isNumbered: boolean): void {
    switch (record.kind) {
      case 'posted': {
        const { body } = record;
        const isOneOfMany = record.also.length > 0;
        for (const envelope of envelopesOf(record)) {
          const isEnded = isOneOfMany && envelope.number <= this.#newest;
          if (!isNumbered && (isEnded || this.#isKnown(envelope))) continue;
          const fresh = { mailbox: envelope.to, attempt: 1, holder: '', body } as const;
          this.messages.set(envelope.number, { kind: 'copied', envelope, ...fresh });
        }
        this.#newest = Math.max(this.#newest, ...envelopesOf(record).map(({ number }) => number));
        return this.#end(record.settles);
      }
      case 'copied':
        if (isNumbered || !this.#isKnown(record.envelope)) {
          this.messages.set(record.envelope.number, record);
        }
        return;
      case 'offered': {
        const { number, attempt, holder, holding } = record;
        return this.#change(number, { attempt, holder, holding });
      }
      case 'released': {
        const { number, attempt, lastHold } = record;
        return this.#change(number, { attempt, ...heldNoMore, ...(lastHold && { lastHold }) });
      }
      case 'moved': {
        const { number, mailbox, attempt, lastHold } = record;
        const held = { ...heldNoMore, ...(lastHold && { lastHold }) };
        return this.#change(number, { mailbox, attempt, ...held });
      }
      case 'settled':
        return this.#end(record.numbers);
    }
  }

  #isKnown({ number, id }: Envelope): boolean {
    return this.messages.get(number)?.envelope.id === id;
  }

  #change(number: number, change: Partial<CopiedRecord>): void {
    const message = this.messages.get(number);
    if (message) this.messages.set(number, { ...message, ...change });
  }

  #end(numbers: readonly number[]): void {
    for (const number of numbers) this.messages.delete(number);
  }
}

const heldNoMore = { holder: '', holding: undefined } as const;
