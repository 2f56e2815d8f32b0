// What is still needed of history that goes: the messages that were stored in it and had not ended there. Later files
// have their ends, and a reader must know whose they are. One file in front of the others has them, as copies without
// numbers; each file that goes is folded into it. Does no I/O.
import type { PackSource } from './history-pack.ts';
import { encodeRecord } from './record-codec.ts';
import { type SegmentId, segmentSeed } from './record-framing.ts';
import { byteLength } from './segment-writer.ts';
import { stampOfNone } from './sequence.ts';
import { decoded, UnendedMail } from './unended-mail.ts';

/** The name of the residue: epochs count from 1, so it is before all others. */
export const residueId: SegmentId = { epoch: 0, segment: 0 };

export function isResidue({ epoch }: SegmentId): boolean {
  return epoch === residueId.epoch;
}

/** Messages that are decoded and encoded in one step. */
const stepMessages = 64;

/** A message as the residue has it. */
interface Entry {
  readonly number: number;
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
  readonly isLive: boolean;
}

/**
 * The new residue, in steps: messages that have not ended in these files; empty if there are none. If it would be longer
 * than `bytesMax`, live ones go first, since the log has copies of them, and then those that were stored first.
 * `sources`: the residue so far, and the oldest file, of which records with the number `end` or a higher one do not count.
 */
export function* residueOf(
  sources: readonly PackSource[],
  end: number,
  bytesMax: number,
  isLive: (number: number) => boolean,
): Generator<void, readonly Buffer[]> {
  const mail = new UnendedMail();
  for (const { id, bytes } of sources) {
    yield* mail.read(bytes, id, isResidue(id) ? Number.MAX_VALUE : end);
  }
  const seed = segmentSeed(residueId);
  const entries: Entry[] = [];
  for (const [number, last] of mail.records) {
    const record = decoded(number, last);
    if (!record) continue;
    const buffers = encodeRecord(record, seed);
    entries.push({ number, buffers, bytes: byteLength(buffers), isLive: isLive(number) });
    if (entries.length % stepMessages === 0) yield;
  }
  const first = encodeRecord(stampOfNone, seed);
  const kept = fitting(entries, bytesMax - byteLength(first));
  return kept.length === 0 ? [] : [...first, ...kept.flatMap(({ buffers }) => buffers)];
}

/** Those that have room, in the order of their numbers. */
function fitting(entries: readonly Entry[], bytesMax: number): Entry[] {
  const newestFirst = entries.toSorted((one, other) => other.number - one.number);
  const ended = newestFirst.filter(({ isLive }) => !isLive);
  const live = newestFirst.filter(({ isLive }) => isLive);
  let room = bytesMax;
  const kept = new Set<Entry>();
  for (const entry of [...ended, ...live]) {
    room -= entry.bytes;
    if (room < 0) break;
    kept.add(entry);
  }
  return newestFirst.reverse().filter((entry) => kept.has(entry));
}
