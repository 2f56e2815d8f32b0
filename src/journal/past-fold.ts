// The fold of a store's past: takes the bytes of its files in order, and makes batches of events of them.
//
// 1. Stamps number the records. A record with a number that was seen already is a repetition. Numbers that are missing
//    are a gap: those records are not kept any more, or are corrupt.
// 2. Behind a hole of corrupt bytes the numbers are not known, up to the next stamp; then they are counted backwards.
// 3. Records without a number, which prologues repeat, give events only of messages that no earlier record told of. In
//    segments of versions without stamps all records give events, in the order of the log.
import { IpcError } from '../base/errors.ts';
import { type EventOfRecord, eventsOf } from '../engine/record-events.ts';
import type { EventBatch, EventGap, MailEvent } from '../model/mail-events.ts';
import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { MailTracker } from './known-mail.ts';
import { prologueOf } from './past-files.ts';
import {
  decodeRecord,
  decodeStoreRecord,
  isStoreRecord,
  type StampRecord,
} from './record-codec.ts';
import {
  isRecord,
  type LostBytes,
  type RawRecord,
  type SegmentId,
  scanRecords,
  segmentSeed,
} from './record-framing.ts';

export interface FoldOptions {
  /** Only events of records with higher numbers; absent: all, also those of records that have no number. */
  readonly after?: number | undefined;
  /** How many bytes of each body are wanted; 0 for none. */
  readonly partBytesMax: number;
}

export interface FileToFold extends SegmentId {
  /** How many of its first bytes count; undefined if the numbers of its records alone say what counts. */
  readonly bytes: number | undefined;
}

/** All events of one record are in one batch. */
const batchEventsMax = 1_000;
const batchBytesMax = 256 * 1024;
/** Records that one step takes. */
const stepRecords = 64;

/** The file that is being read. */
interface OpenFile extends SegmentId {
  readonly found: Iterator<RawRecord | LostBytes>;
  /** An earlier version wrote it, so all that it has counts. */
  readonly isWithoutStamps: boolean;
  readonly prologueEnd: number;
  /** Records with this number or a higher one do not count. */
  readonly numberEnd: number;
  /** The number of the next record; 0 if that is not known, or it has none. */
  next: number;
  /** The valid records behind a hole, until a stamp says their numbers. */
  behindHole: JournalRecord[] | undefined;
  /** Messages of which a record without a number told first. */
  readonly learned: Set<number>;
}

export class PastFold {
  readonly #after: number | undefined;
  readonly #partBytesMax: number;
  readonly #mail = new MailTracker();
  #file: OpenFile | undefined;
  /** The highest number of a record so far, and its epoch; 0 before the first one. */
  #last = 0;
  #epoch = 0;
  /** When the next record was written, as far as that is known. */
  #time = 0;
  /** The highest number of a message so far. */
  #newest = 0;
  #ready: EventBatch[] = [];
  #events: MailEvent[] = [];
  #eventBytes = 0;
  #gap: EventGap | undefined;
  /** There was a gap behind `after`. */
  #hasGap = false;

  constructor({ after, partBytesMax }: FoldOptions) {
    this.#after = after;
    this.#partBytesMax = partBytesMax;
  }

  /** `numberEnd`: records of the file with this number or a higher one do not count. */
  begin(file: FileToFold, bytes: Buffer, numberEnd = Number.POSITIVE_INFINITY): void {
    const { epoch, segment } = file;
    const prologue = prologueOf(bytes, file);
    const isSame = this.#file?.epoch === epoch && this.#file.segment === segment;
    const isWithoutStamps = prologue !== undefined && prologue.start === undefined;
    // Only a segment counts up to a length: a packed file was written anew.
    const counting = prologue ? (file.bytes ?? bytes.length) : bytes.length;
    // There is no number by which a second copy would be known.
    const length = isSame && isWithoutStamps ? 0 : Math.min(counting, bytes.length);
    this.#file = {
      ...{ epoch, segment, isWithoutStamps, numberEnd },
      found: scanRecords(bytes, length, segmentSeed(file)),
      prologueEnd: prologue?.end ?? 0,
      next: 0,
      behindHole: undefined,
      learned: new Set(),
    };
  }

  /** Reads some records on. False at the end of the file. */
  step(): boolean {
    const file = this.#file;
    if (!file) return false;
    for (let count = 0; count < stepRecords; count++) {
      const { done, value: found } = file.found.next();
      if (done) {
        this.#endHole(file, 0);
        return false;
      }
      if (isRecord(found)) this.#read(file, found);
      else this.#lost(file, found);
    }
    return true;
  }

  /** The batches that are complete. */
  batches(): EventBatch[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  end(): EventBatch {
    return this.#batch(false);
  }

  #lost(file: OpenFile, { offset }: LostBytes): void {
    this.#endHole(file, 0);
    file.next = 0;
    if (!file.isWithoutStamps && offset >= file.prologueEnd) file.behindHole = [];
  }

  #read(file: OpenFile, raw: RawRecord): void {
    if (isStoreRecord(raw)) {
      const record = unlessCorrupt(() => decodeStoreRecord(raw));
      if (record?.kind === 'stamp') this.#stamp(file, record);
      return;
    }
    const sequence = file.next;
    if (sequence > 0) file.next++;
    if (sequence >= file.numberEnd) return;
    const isSeen = sequence > 0 && sequence <= this.#last;
    if (isSeen && file.learned.size === 0) return;
    const record = unlessCorrupt(() => decodeRecord(raw));
    if (file.behindHole) {
      if (record) file.behindHole.push(record);
    } else if (sequence > 0 && !isSeen) {
      this.#reach(file, sequence);
      if (record) this.#apply(record, sequence);
    } else if (record) this.#repeated(file, record);
  }

  #stamp(file: OpenFile, { sequence, time }: StampRecord): void {
    this.#endHole(file, sequence);
    file.next = sequence;
    if (sequence > 0) this.#time = time;
  }

  /** `next`: the number of the record behind those that follow the hole; 0 if that is not known. */
  #endHole(file: OpenFile, next: number): void {
    const records = file.behindHole;
    if (!records) return;
    file.behindHole = undefined;
    for (const [index, record] of records.entries()) {
      const sequence = next - records.length + index;
      if (next === 0 || sequence <= 0) this.#repeated(file, record);
      else if (sequence > this.#last && sequence < file.numberEnd) {
        this.#reach(file, sequence);
        this.#apply(record, sequence);
      }
    }
  }

  /** The record with this number is the next one. What is missing before it is a gap. */
  #reach({ epoch }: OpenFile, sequence: number): void {
    const before = this.#last === 0 ? this.#after : Math.max(this.#last, this.#after ?? 0);
    if (before !== undefined && sequence > before + 1) {
      if (this.#events.length > 0 || this.#gap) this.#ready.push(this.#batch(true));
      this.#gap = { from: before + 1, to: sequence - 1 };
      this.#hasGap = true;
    }
    this.#last = sequence;
    this.#epoch = epoch;
  }

  /** A record without a number, or with one that was seen already. */
  #repeated(file: OpenFile, record: JournalRecord): void {
    if (file.isWithoutStamps) return this.#apply(record, this.#last);
    switch (record.kind) {
      case 'posted': {
        const settles = record.settles.filter((number) => file.learned.has(number));
        // Of a post to several mailboxes, some messages may have been settled, and forgotten here.
        const isOneOfMany = record.also.length > 0;
        const [envelope, ...also] = envelopesOf(record).filter((each) => {
          return this.#isUnknown(each) && !(isOneOfMany && each.number <= this.#newest);
        });
        if (envelope) this.#learn(file, { ...record, envelope, also, settles });
        else if (settles.length > 0) this.#apply({ kind: 'settled', numbers: settles }, this.#last);
        return;
      }
      case 'copied':
        if (this.#isUnknown(record.envelope)) this.#learn(file, record);
        return;
      case 'offered':
      case 'released':
      case 'moved':
        if (file.learned.has(record.number)) this.#apply(record, this.#last);
        return;
      case 'settled': {
        const numbers = record.numbers.filter((number) => file.learned.has(number));
        if (numbers.length > 0) this.#apply({ ...record, numbers }, this.#last);
      }
    }
  }

  #isUnknown({ number, id }: Envelope): boolean {
    return this.#mail.message(number)?.envelope.id !== id;
  }

  #learn(file: OpenFile, record: Extract<JournalRecord, { envelope: Envelope }>): void {
    this.#apply(record, this.#last, true);
    const all = record.kind === 'posted' ? envelopesOf(record) : [record.envelope];
    for (const { number } of all) file.learned.add(number);
  }

  #apply(record: JournalRecord, sequence: number, isCopy = record.kind === 'copied'): void {
    const isBehind = this.#after === undefined || sequence > this.#after;
    // A copy tells again of a message that was posted before. Without a gap that was told already, or is before `after`.
    const isTold = isCopy && this.#after !== undefined && !this.#hasGap;
    if (isBehind && !isTold) {
      for (const event of eventsOf(record, this.#mail))
        this.#add(event, sequence, timeIn(event, record));
    }
    this.#mail.apply(record);
    if (record.kind === 'posted') {
      for (const { number } of envelopesOf(record)) this.#newest = Math.max(this.#newest, number);
    }
    const isFull = this.#events.length >= batchEventsMax || this.#eventBytes >= batchBytesMax;
    if (isFull) this.#ready.push(this.#batch(true));
  }

  #add(event: EventOfRecord, sequence: number, time = this.#time): void {
    // Records without stamps have no time of their own: that of what was before them is the nearest.
    if (time > this.#time) this.#time = time;
    if (event.kind !== 'stored') {
      this.#events.push({ ...event, sequence, time } as MailEvent);
      return;
    }
    // A copy: the file's bytes should not stay in memory as long as the event does.
    const part = event.part && Buffer.from(event.part.subarray(0, this.#partBytesMax));
    this.#events.push({ ...event, part, sequence, time });
    this.#eventBytes += part?.length ?? 0;
  }

  #batch(hasMore: boolean): EventBatch {
    const next = { epoch: this.#epoch, sequence: this.#last };
    const batch = { events: this.#events, next, gap: this.#gap, hasMore };
    this.#events = [];
    this.#eventBytes = 0;
    this.#gap = undefined;
    return batch;
  }
}

/** The time of the event, if the record has it. */
function timeIn(event: EventOfRecord, record: JournalRecord): number | undefined {
  switch (event.kind) {
    case 'stored':
      return event.envelope.time;
    case 'requeued':
    case 'deadLettered':
      return event.lastHold?.to;
    case 'delivered':
      return 'holding' in record ? record.holding?.since : undefined;
    default:
      return undefined;
  }
}

/** undefined if a part of the record breaks a rule, although its checksum fits. */
function unlessCorrupt<T>(decode: () => T | undefined): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof IpcError) || error.code === 'store_newer') throw error;
    return undefined;
  }
}
