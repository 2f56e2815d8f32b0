// What is still needed of history that goes: the messages that were stored in it and had not ended there. Later files
// have their ends, and a reader must know whose they are. One file in front of the others has them, as copies without
// numbers; each file that goes is folded into it. Does no I/O.
import { ByteWriter } from '../base/binary.ts';
import { isResidue, residueId } from './history-file.ts';
import { writeCopyOfPost } from './post-copies.ts';
import { encodeRecord, kindOfType, writeRecord } from './record-codec.ts';
import { segmentSeed, typeAt } from './record-framing.ts';
import { copiedBytesMax } from './segment-entries.ts';
import { byteLength } from './segment-writer.ts';
import { stampOfNone } from './sequence.ts';
import { decoded, type RecordOfMessage, type UnendedMail } from './unended-mail.ts';

const seed = segmentSeed(residueId);

/** Messages that are copied in one step. */
const stepMessages = 64;
/** New copies lie together in memory of about this length. */
const memoryBytes = 1_048_576;

/** Copies that are longer have at most this part of the residue: else each new one could be 16 MiB to write and sync. */
const largeBytesMin = 64 * 1024;
const largeShare = 1 / 8;

/** Where the record lies that the new residue will have of a message. */
interface Copy {
  readonly number: number;
  readonly isLive: boolean;
  /** The memory in which the record lies, from `begin` to `end`. A writer may replace its memory while it grows. */
  readonly within: Pick<ByteWriter, 'memory'>;
  readonly begin: number;
  readonly end: number;
  /** A large body, which is to be written behind that; undefined if the record is complete without it. */
  readonly body: Buffer | undefined;
}

/**
 * The new residue, in steps, of the former one and the oldest files: messages that have not ended in these; empty if there
 * are none. If it would be longer than `bytesMax`, live ones go first, since the log has copies of them, and then those
 * that were stored first. The same if those with large bodies were longer than their part of it.
 */
export function* residueOf(
  mail: UnendedMail,
  bytesMax: number,
  isLive: (number: number) => boolean,
): Generator<void, readonly Buffer[]> {
  const copier = new Copier();
  for (const [number, last] of mail.records) {
    copier.add(number, last, isLive(number));
    if (copier.copies.length % stepMessages === 0) yield;
  }
  const first = encodeRecord(stampOfNone, seed);
  const kept = fitting(copier.copies, bytesMax - byteLength(first));
  yield;
  return kept.length === 0 ? [] : [...first, ...joined(kept)];
}

class Copier {
  readonly copies: Copy[] = [];
  #writer = new ByteWriter(memoryBytes);

  add(number: number, last: RecordOfMessage, isLive: boolean): void {
    const { file, header, before } = last;
    const isCopy = kindOfType(typeAt(file.bytes, header.offset)) === 'copied';
    if (!before && isCopy && isResidue(file.id)) {
      const { offset: begin, end } = header;
      const within = { memory: file.bytes };
      this.copies.push({ number, isLive, within, begin, end, body: undefined });
      return;
    }
    if (this.#writer.length >= memoryBytes / 2) this.#writer = new ByteWriter(memoryBytes);
    const within = this.#writer;
    const begin = within.length;
    const copied = before ? undefined : writeCopyOfPost(within, file.bytes, header, seed);
    const written = copied ?? this.#encode(number, last);
    if (!written) return;
    const body = written.length > copiedBytesMax ? written : undefined;
    if (!body) within.raw(written);
    this.copies.push({ number, isLive, within, begin, end: within.length, body });
  }

  /** Returns the body, which is to be written behind it; undefined if there is no message. */
  #encode(number: number, last: RecordOfMessage): Buffer | undefined {
    const record = decoded(number, last);
    return record && writeRecord(this.#writer, record, seed);
  }
}

/** Those that have room, in the order of their numbers. */
function fitting(copies: readonly Copy[], bytesMax: number): Copy[] {
  const inOrder = copies.toSorted((one, other) => one.number - other.number);
  const kept = new Set<Copy>();
  let room = bytesMax;
  let largeRoom = bytesMax * largeShare;
  for (const areLive of [false, true]) {
    for (let index = inOrder.length - 1; index >= 0 && room > 0; index--) {
      const copy = inOrder[index] as Copy;
      if (copy.isLive !== areLive) continue;
      const bytes = copy.end - copy.begin + (copy.body?.length ?? 0);
      if (bytes > largeBytesMin) {
        largeRoom -= bytes;
        if (largeRoom < 0) continue;
      }
      room -= bytes;
      if (room >= 0) kept.add(copy);
    }
  }
  return inOrder.filter((copy) => kept.has(copy));
}

/** Their bytes, in one buffer where they lie behind one another. */
function joined(copies: readonly Copy[]): Buffer[] {
  const buffers: Buffer[] = [];
  for (let index = 0; index < copies.length; ) {
    const { within, begin, ...first } = copies[index++] as Copy;
    const { memory } = within;
    let { end, body } = first;
    for (let next = copies[index]; !body && next?.begin === end; next = copies[++index]) {
      if (next.within.memory !== memory) break;
      ({ end, body } = next);
    }
    buffers.push(memory.subarray(begin, end));
    if (body) buffers.push(body);
  }
  return buffers;
}
