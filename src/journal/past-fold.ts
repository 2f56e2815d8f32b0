// The fold of a store's past: takes the bytes of its files in order, and makes batches of events of them.
//
// 1. Stamps number the records. A record with a number that was seen already is a repetition. Numbers that are missing
//    are a gap: those records are not kept any more, or are corrupt.
// 2. Behind a hole of corrupt bytes the numbers are not known, up to the next stamp; then they are counted backwards.
// 3. Records without a number, which prologues repeat, give events only of messages that no earlier record told of. In
//    segments of versions without stamps all records give events, in the order of the log.
import { type EventOfRecord, eventsOf } from '../engine/record-events.ts';
import type { EventBatch, EventCursor, EventGap, MailEvent } from '../model/mail-events.ts';
import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { snapshotKinds } from './counting-records.ts';
import { isResidue, prologueOf, startOf } from './history-file.ts';
import { MailTracker } from './known-mail.ts';
import { hasMoreAt, numberAt, settlesAt } from './meta-fields.ts';
import { type PastFilter, wantedOf } from './past-filter.ts';
import { PostRepeats } from './post-repeats.ts';
import {
  decodeRecord,
  decodeStoreRecord,
  isStoreRecord,
  kindOfType,
  unlessCorrupt,
} from './record-codec.ts';
import {
  nextRecord,
  type RecordHeader,
  rawRecordAt,
  readHeader,
  recordHeaderBytes,
  type Seed,
  type SegmentId,
  segmentSeed,
  typeAt,
} from './record-framing.ts';
import type { StampRecord } from './record-types.ts';

export interface FoldOptions {
  /** Only events of records with higher numbers; absent: all, also those of records that have no number. */
  readonly after?: number | undefined;
  /** How many bytes of each body are wanted. 0 for none: then a corrupt body goes unnoticed. */
  readonly partBytesMax: number;
  /** Absent: all messages are wanted. */
  readonly filter?: PastFilter | undefined;
}

export interface FileToFold extends SegmentId {
  /** How many of its first bytes count; undefined if the numbers of its records alone say what counts. */
  readonly bytes: number | undefined;
}

/** All events of one record are in one batch. */
const batchEventsMax = 1_000;
const batchBytesMax = 256 * 1024;
const noBytes: Buffer = Buffer.alloc(0);
/** What one step reads, unless a record is longer. */
const stepRecords = 256;
const stepBytes = 256 * 1024;

/** The file that is being read. */
interface OpenFile extends SegmentId {
  readonly bytes: Buffer;
  /** How many of them count. */
  readonly length: number;
  readonly seed: Seed;
  offset: number;
  /** An earlier version wrote it, so all that it has counts. */
  readonly isWithoutStamps: boolean;
  readonly prologueEnd: number;
  /** It begins with no prologue: its records without numbers lie between the others. */
  readonly isPacked: boolean;
  /** Records with this number or a higher one do not count. */
  readonly numberEnd: number;
  /** The number of the next record; 0 if that is not known, or it has none. */
  next: number;
  /** The number of the last record up to here. */
  reached: number;
  /** A hole was read, and no stamp since. */
  isLost: boolean;
  /** The valid records behind a hole, until a stamp says their numbers. */
  behindHole: (JournalRecord | undefined)[] | undefined;
  /** Messages of which a record without a number told first. */
  readonly learned: Set<number>;
  /** What records without numbers said last of other messages. */
  readonly restated: Map<number, Restated>;
}

/** Applied once all such records were read: most of them repeat what is known. */
interface Restated {
  readonly moved: MovedRecord | undefined;
  readonly last: StateRecord;
}

type MovedRecord = Extract<JournalRecord, { kind: 'moved' }>;
type StateRecord = Extract<JournalRecord, { kind: 'offered' | 'released' }> | MovedRecord;

export class PastFold {
  #after: number | undefined;
  readonly #partBytesMax: number;
  readonly #filter: PastFilter | undefined;
  readonly #mail = new MailTracker();
  /** Of all messages, also of those that are not wanted. */
  readonly #repeats = new PostRepeats();
  #file: OpenFile | undefined;
  /** The highest number of a record so far, and its epoch; 0 before the first one. */
  #last = 0;
  #epoch = 0;
  /** When the next record was written, as far as that is known. */
  #time = 0;
  #ready: EventBatch[] = [];
  #events: MailEvent[] = [];
  #eventBytes = 0;
  /** The body of the last `stored` event, and the part of it that the event has. */
  #lastPart = { source: noBytes, copy: noBytes };
  #gap: EventGap | undefined;
  /** There was a gap behind `after`. */
  #hasGap = false;

  constructor({ after, partBytesMax, filter }: FoldOptions) {
    this.#after = after;
    this.#filter = filter;
    this.#partBytesMax = partBytesMax;
  }

  /** Of the record with the highest number that was read; 0 in both if there is none. */
  get last(): EventCursor {
    return { epoch: this.#epoch, sequence: this.#last };
  }

  /** After end(): files that have grown, and new ones, can be read. `after`: as in the options; not before `last`. */
  resume(after: number): void {
    this.#after = after;
    this.#hasGap = false;
  }

  /** `numberEnd`: records of the file with this number or a higher one do not count. */
  begin(file: FileToFold, bytes: Buffer, numberEnd = Number.POSITIVE_INFINITY): void {
    const { epoch, segment } = file;
    const prologue = prologueOf(bytes, file);
    const isSame = this.#file?.epoch === epoch && this.#file.segment === segment;
    const isWithoutStamps = prologue?.isWhole === true && prologue.ownStart === undefined;
    const isNext = this.#file?.epoch === epoch && this.#file.segment + 1 === segment;
    if (this.#file) this.#endHole(this.#file, (isNext && prologue?.ownStart) || 0);
    // The numbers say it better than the length: what lies beyond that was carried over, also out of later segments that
    // are history by now. A packed file, which has no prologue, counts as a whole.
    const start = startOf(bytes, file)?.sequence;
    const isLast = numberEnd === Number.POSITIVE_INFINITY;
    const isNumbered = prologue ? prologue.ownStart !== undefined && !isLast : start !== undefined;
    const counting = isNumbered ? bytes.length : (file.bytes ?? bytes.length);
    // There is no number by which a second copy would be known. A later file that begins before this one has all of it.
    const isCovered = (isSame && isWithoutStamps) || (start ?? 0) > numberEnd;
    const length = isCovered ? 0 : Math.min(counting, bytes.length);
    this.#file = {
      ...{ epoch, segment, isWithoutStamps, numberEnd },
      ...{ bytes, length, seed: segmentSeed(file), offset: 0 },
      prologueEnd: prologue?.end ?? 0,
      isPacked: !prologue && start !== undefined && !isResidue(file),
      next: 0,
      reached: 0,
      isLost: false,
      behindHole: undefined,
      learned: new Set(),
      restated: new Map(),
    };
  }

  /** Reads some records on. False at the end of the file. */
  step(): boolean {
    const file = this.#file;
    if (!file) return false;
    const { bytes, length, seed } = file;
    const stop = Math.min(length, file.offset + stepBytes);
    for (let count = 0; count < stepRecords && file.offset < stop; count++) {
      const { offset } = file;
      const header = readHeader(bytes, offset, seed);
      if (header && header.end <= length) {
        file.offset = header.end;
        this.#read(file, offset, header);
      } else {
        file.offset = nextRecord(bytes, offset + 1, length, seed);
        this.#lost(file);
      }
    }
    return file.offset < length;
  }

  /** The batches that are complete. */
  batches(): EventBatch[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  end(): EventBatch {
    if (this.#file) this.#endHole(this.#file, 0);
    this.#file = undefined;
    return this.#batch(false);
  }

  #lost(file: OpenFile): void {
    file.next = 0;
    file.isLost = true;
    // No stamp says the numbers of records between two holes. The zeros at the end of a file are none.
    if (file.offset < file.length) this.#endHole(file, 0);
  }

  #read(file: OpenFile, offset: number, header: RecordHeader): void {
    const { bytes } = file;
    const kind = kindOfType(typeAt(bytes, offset));
    if (!kind) {
      const raw = rawRecordAt(bytes, header);
      const record = unlessCorrupt(decodeStoreRecord, raw, undefined);
      if (record?.kind === 'stamp') return this.#stamp(file, record);
      if (isStoreRecord(raw)) return;
    }
    const sequence = file.next;
    if (sequence > 0) file.reached = file.next++;
    if (sequence >= file.numberEnd) return;
    const isSeen = sequence > 0 && sequence <= this.#last;
    if (isSeen && file.learned.size === 0) return;
    const isUnnumbered = file.isWithoutStamps || isResidue(file) || offset < file.prologueEnd;
    const isBehindHole = file.isLost && !isUnnumbered;
    const isNext = sequence > 0 && !isSeen;
    if (isNext) this.#reach(file, sequence);
    if (!isBehindHole && kind && this.#isUnwanted(kind, bytes, offset, header)) return;
    const record = this.#decode(bytes, header);
    if (isBehindHole) {
      file.behindHole ??= [];
      file.behindHole.push(record);
    } else if (!record) return;
    else if (isNext) this.#apply(record, sequence);
    else this.#repeated(file, record, isSeen);
  }

  #decode(bytes: Buffer, header: RecordHeader): JournalRecord | undefined {
    // Without checksums of bodies that nobody wants, a store is read in half the time.
    const isChecked = this.#partBytesMax > 0 || this.#filter !== undefined;
    return unlessCorrupt(decodeRecord, rawRecordAt(bytes, header, isChecked), undefined);
  }

  /** Nothing in the record is about a message that is wanted, as far as that is seen at a glance. */
  #isUnwanted(
    kind: JournalRecord['kind'],
    bytes: Buffer,
    offset: number,
    { bodyOffset, end }: RecordHeader,
  ): boolean {
    const meta = offset + recordHeaderBytes;
    switch (kind) {
      case 'posted': {
        const mayWant =
          this.#filter?.mayWant?.({ bytes, fields: meta, body: bodyOffset, end }) ?? true;
        const settles = settlesAt(bytes, meta);
        if (mayWant || hasMoreAt(bytes, typeAt(bytes, offset), settles)) return false;
        if (this.#knowsAny(bytes, settles)) return false;
        this.#repeats.reach(numberAt(bytes, meta));
        return true;
      }
      case 'offered':
      case 'released':
      case 'moved':
        return !this.#mail.has(numberAt(bytes, meta));
      case 'settled':
        return !this.#knowsAny(bytes, meta);
      case 'copied':
      case 'paused':
        return false;
      default:
        return true;
    }
  }

  /** `at`: of a list of numbers. */
  #knowsAny(bytes: Buffer, at: number): boolean {
    const count = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : 0;
    const end = Math.min(at + 4 + 8 * count, bytes.length - 7);
    for (let item = at + 4; item < end; item += 8) {
      const number = numberAt(bytes, item);
      if (this.#mail.has(number) || this.#repeats.has(number)) return true;
    }
    return false;
  }

  #stamp(file: OpenFile, { sequence, time }: StampRecord): void {
    this.#endHole(file, sequence);
    // The numbers of a file ascend: nothing behind this counts. The first stamp of a packed file says where it begins.
    const isBegin = file.isPacked && file.reached === 0;
    if (sequence >= file.numberEnd && !isBegin) file.offset = file.length;
    // The file, or a copy of it, was read before: what its records without numbers say may be out of date.
    if (sequence > this.#last) this.#endRestated(file, file.restated.keys());
    else if (sequence > 0) file.restated.clear();
    file.next = sequence;
    file.reached = Math.max(file.reached, sequence - 1);
    file.isLost = false;
    if (sequence > 0) this.#time = time;
  }

  /** `next`: the number of the record behind those that follow the hole; 0 if that is not known. */
  #endHole(file: OpenFile, nextKnown: number): void {
    const records = file.behindHole;
    if (!records) return;
    file.behindHole = undefined;
    // Of a prologue whose header is corrupt: its records have no numbers.
    const next = records.some((record) => record && snapshotKinds.has(record.kind)) ? 0 : nextKnown;
    // Records that may be behind the end of what counts of the file do not count.
    if (next === 0 && Number.isFinite(file.numberEnd)) return;
    for (const [index, record] of records.entries()) {
      const sequence = next - records.length + index;
      if (next === 0 || sequence <= 0) {
        if (record) this.#repeated(file, record);
      } else if (sequence > this.#last && sequence < file.numberEnd) {
        this.#reach(file, sequence);
        if (record) this.#apply(record, sequence);
      }
    }
  }

  /** The record with this number is the next one. What is missing before it is a gap. */
  #reach({ epoch }: OpenFile, sequence: number): void {
    const before = this.#last === 0 ? this.#after : Math.max(this.#last, this.#after ?? 0);
    if (this.#last > 0 && sequence > this.#last + 1) this.#mail.gap();
    if (before !== undefined && sequence > before + 1) {
      if (this.#events.length > 0 || this.#gap) this.#ready.push(this.#batch(true));
      this.#gap = { from: before + 1, to: sequence - 1 };
      this.#hasGap = true;
    }
    this.#last = sequence;
    this.#epoch = epoch;
  }

  /** A record without a number, or with one that was seen already. */
  #repeated(file: OpenFile, record: JournalRecord, isSeen = false): void {
    if (file.isWithoutStamps) return this.#apply(record, this.#last);
    // The files that were packed into this one were read before, since an owner packed them meanwhile.
    if (file.isPacked && file.reached < this.#last) return;
    switch (record.kind) {
      case 'posted': {
        const [envelope, ...also] = this.#newIn(envelopesOf(record), isSeen);
        if (!envelope) return this.#applySettles(file, record.settles, isSeen);
        this.#endRestated(file, record.settles);
        return this.#learn(file, { ...record, envelope, also });
      }
      case 'copied': {
        const { number } = record.envelope;
        // It may be read again when it has more; a message that is unknown by then has ended.
        const isEnded = isResidue(file) && this.#repeats.isReached(number);
        if (this.#isUnknown(record.envelope) && !isSeen && !isEnded) this.#learn(file, record);
        if (isResidue(file)) this.#repeats.reach(number);
        return;
      }
      case 'offered':
      case 'released':
      case 'moved':
        if (file.learned.has(record.number)) this.#apply(record, this.#last);
        else if (!isSeen) this.#restate(file, record);
        return;
      case 'settled':
        return this.#applySettles(file, record.numbers, isSeen);
    }
  }

  /** The messages of a repeated record of which nothing was told. */
  #newIn(messages: readonly Envelope[], isSeen: boolean): readonly Envelope[] {
    if (isSeen) return [];
    if (messages.length > 1) return this.#repeats.newIn(messages);
    return messages.filter((each) => this.#isUnknown(each));
  }

  #restate({ restated }: OpenFile, record: StateRecord): void {
    if (!this.#mail.has(record.number)) return;
    const before = restated.get(record.number);
    const moved = record.kind === 'moved' ? record : before?.moved;
    restated.set(record.number, { moved, last: record });
  }

  /** A version without stamps may have written what the records say, at the end of the log. */
  #endRestated({ restated }: OpenFile, numbers: Iterable<number>): void {
    for (const number of [...numbers]) {
      const { moved, last } = restated.get(number) ?? {};
      restated.delete(number);
      const isMoved = moved && this.#mail.message(number)?.mailbox !== moved.mailbox;
      if (isMoved) this.#apply(moved, this.#last);
      if (last && last !== moved) this.#apply(last, this.#last);
    }
  }

  /** Of a message that is known to be settled there is no event. */
  #applySettles(file: OpenFile, all: readonly number[], isSeen: boolean): void {
    const numbers = all.filter((number) => !isSeen || file.learned.has(number));
    if (numbers.length === 0) return;
    this.#endRestated(file, numbers);
    this.#apply({ kind: 'settled', numbers }, this.#last);
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
    const kept = this.#filter ? wantedOf(record, this.#filter, this.#mail) : undefined;
    // A copy tells again of a message that was posted before. Without a gap that was told already, or is before `after`.
    const isTold = isCopy && this.#after !== undefined && !this.#hasGap;
    if (!isTold && (this.#after === undefined || sequence > this.#after)) {
      for (const event of eventsOf(record, this.#mail)) {
        if (kept && 'envelope' in event && !kept.includes(event.envelope.number)) continue;
        if (kept && 'message' in event && !this.#isKept(event.message.number, kept)) continue;
        this.#add(event, sequence, timeIn(event, record));
      }
    }
    this.#mail.apply(record, kept);
    this.#repeats.apply(record);
    const isFull = this.#events.length >= batchEventsMax || this.#eventBytes >= batchBytesMax;
    if (isFull) this.#ready.push(this.#batch(true));
  }

  #isKept(number: number, kept: readonly number[]): boolean {
    return this.#mail.has(number) || kept.includes(number);
  }

  #add(each: EventOfRecord, sequence: number, time = this.#time): void {
    // Records without stamps have no time of their own: that of what was before them is the nearest.
    if (time > this.#time) this.#time = time;
    // Not a spread, which takes longer than all else that is done with an event.
    const event = Object.assign(each, { sequence, time }) as MailEvent;
    this.#events.push(event);
    if (event.kind !== 'stored' || !event.part) return;
    // A copy: the file's bytes should not stay in memory as long as the event does. The messages of a post share it.
    const { source, copy } = this.#lastPart;
    const isSame = source === event.part;
    const part = isSame ? copy : Buffer.from(event.part.subarray(0, this.#partBytesMax));
    this.#lastPart = { source: event.part, copy: part };
    Object.assign(event, { part });
    if (!isSame) this.#eventBytes += part.length;
  }

  #batch(hasMore: boolean): EventBatch {
    const batch = { events: this.#events, next: this.last, gap: this.#gap, hasMore };
    this.#events = [];
    this.#eventBytes = 0;
    this.#lastPart = { source: noBytes, copy: noBytes };
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
